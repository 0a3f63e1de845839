"""What the four findings look like inside drawn lungs, as opacity maps.

A finding is a function of a chest and two generators: the patient's says where the disease
sits, so that all images of a patient show the same lesion, and the image's how far it has come.
"""

from collections.abc import Callable

import numpy as np

from tfcovid.data.sources.phantom import Chest
from tfcovid.data.sources.phantom_field import Grid, smooth_noise, smooth_step

Rng = np.random.Generator


def normal(chest: Chest, patient: Rng, image: Rng) -> Grid:
    """Returns no opacity, float32 [size, size]."""
    del patient, image
    return np.zeros_like(chest.u)


def lobar_consolidation(chest: Chest, patient: Rng, image: Rng) -> Grid:
    """Returns one dense lobe, sometimes two: the bacterial pattern, float32 [size, size], 0..1.

    A lobe is a slanted band of the lung, sharp where a fissure bounds it and fading elsewhere;
    airways stay dark in it.
    """
    opacity = _lobe(chest, patient, image, right=bool(patient.random() < 0.55))
    if patient.random() < 0.15:
        opacity = np.maximum(
            opacity, _lobe(chest, patient, image, right=bool(patient.random() < 0.5))
        )
    airways = 1.0 - 0.5 * np.clip(2.0 * chest.vessels, 0.0, 1.0)
    return opacity * airways


def _lobe(chest: Chest, patient: Rng, image: Rng, *, right: bool) -> Grid:
    middle, half = patient.uniform(0.15, 0.85), patient.uniform(0.15, 0.23)
    slant, inner, outer = (
        patient.uniform(-0.3, 0.3),
        patient.uniform(0.7, 1.3),
        patient.uniform(-0.3, 0.2),
    )
    sharp_above = patient.random() < 0.5
    half *= image.uniform(0.9, 1.1)
    position = chest.height + slant * (chest.depth - 0.5) - middle
    soft, sharp = 0.16, 0.03
    above = smooth_step(position + half, sharp if sharp_above else soft)
    below = smooth_step(half - position, soft if sharp_above else sharp)
    across = smooth_step(chest.depth - outer, 0.2) * smooth_step(inner - chest.depth, 0.25)
    lung = chest.u < 0 if right else chest.u > 0
    mottle = 1.0 + 0.25 * smooth_noise(image, chest.u.shape, 0.04)
    return above * below * across * lung * mottle * image.uniform(0.6, 1.0)


def interstitial_pattern(chest: Chest, patient: Rng, image: Rng) -> Grid:
    """Returns a fine net over both lungs: the viral pattern, float32 [size, size], 0..1."""
    centre = patient.uniform(0.0, 1.0)
    central = 0.55 + 0.45 * (1.0 - np.abs(chest.depth - centre))
    net = 1.0 - np.abs(smooth_noise(image, chest.u.shape, patient.uniform(0.013, 0.018)))
    net = np.clip(net, 0.0, 1.0) ** 2
    patchy = np.clip(0.8 + 0.35 * smooth_noise(image, chest.u.shape, 0.12), 0.3, 1.2)
    return central * patchy * net * image.uniform(0.4, 0.9)


def ground_glass(chest: Chest, patient: Rng, image: Rng) -> Grid:
    """Returns haze along both chest walls: the COVID-19 pattern, float32 [size, size], 0..1."""
    opacity = np.zeros_like(chest.u)
    reach = patient.uniform(0.3, 0.5)
    for lung in (chest.u < 0, chest.u > 0):
        along = np.zeros_like(chest.u)
        for _ in range(int(patient.integers(2, 4))):
            place, size = patient.uniform(0.25, 0.95), patient.uniform(0.1, 0.2)
            growth = size * image.uniform(0.85, 1.15)
            along = np.maximum(along, np.exp(-0.5 * ((chest.height - place) / growth) ** 2))
        opacity += lung * along * image.uniform(0.6, 1.0)
    mottle = 1.0 + 0.3 * smooth_noise(image, chest.u.shape, 0.03)
    return opacity * smooth_step(reach - chest.depth, 0.3) * mottle * 0.8


FINDINGS: dict[str, Callable[[Chest, Rng, Rng], Grid]] = {
    "Normal": normal,
    "Bacterial": lobar_consolidation,
    "Viral": interstitial_pattern,
    "COVID-19": ground_glass,
}
