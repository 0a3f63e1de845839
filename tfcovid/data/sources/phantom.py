"""The anatomy of a drawn chest: where lungs, heart, bones and vessels lie.

Everything is a formula of the position in the body, evaluated at pixel centres, so a turned or
shifted patient costs no resampling and any image size shows the same chest. Positions are
fractions of the image side: u runs to the image's right from the spine, v down from the middle.
As on a film, the image's left is the patient's right.
"""

import dataclasses

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tfcovid.data.sources.phantom_field import Grid, smooth_step

_EDGE = 0.013  # width of a sharp anatomical edge: about one pixel of 96


@dataclasses.dataclass(frozen=True)
class Anatomy:
    """What stays the same in all images of one patient; lengths in fractions of the image side."""

    apex: float  # v of the top of the lungs
    base: float  # v of the costophrenic angles
    width: float  # greatest |u| of the lungs
    shape: float  # exponent of the lateral margin: larger is more barrel-shaped
    dome: float  # height of the diaphragm above the angles
    tilt: float  # how much higher the right half of the diaphragm stands
    mediastinum: float  # half-width
    heart: float  # half-width
    heart_turn: float  # radians
    arch: float  # radius of the aortic arch
    torso: float  # half-width of the trunk
    shoulder: float  # slope of the shoulders
    rib_gap: float  # distance from rib to rib
    rib_offset: float  # position of the first, in units of the gap
    rib_slope: float
    clavicle: float  # v of its inner end
    breast: float  # strength of the breast shadows; 0 without
    gas: float  # radius of the stomach's gas; 0 without
    vessels: tuple[NDArray[np.float32], NDArray[np.float32]]  # brightness by angle, right and left

    @staticmethod
    def draw(rng: np.random.Generator, *, sex: str) -> "Anatomy":
        """Returns the anatomy of a random patient; sex is F or M."""
        breast = rng.uniform(0.0, 1.0)
        return Anatomy(
            apex=rng.uniform(-0.31, -0.27),
            base=rng.uniform(0.25, 0.295),
            width=rng.uniform(0.28, 0.325),
            shape=rng.uniform(2.0, 3.2),
            dome=rng.uniform(0.06, 0.11),
            tilt=rng.uniform(0.0, 0.035),
            mediastinum=rng.uniform(0.038, 0.056),
            heart=rng.uniform(0.11, 0.145),
            heart_turn=rng.uniform(0.5, 0.95),
            arch=rng.uniform(0.022, 0.036),
            torso=rng.uniform(0.385, 0.45),
            shoulder=rng.uniform(0.35, 0.75),
            rib_gap=rng.uniform(0.062, 0.078),
            rib_offset=rng.uniform(0.0, 1.0),
            rib_slope=rng.uniform(-0.1, 0.35),
            clavicle=rng.uniform(-0.25, -0.215),
            breast=breast if sex == "F" else 0.0,
            gas=rng.uniform(-0.03, 0.05),
            vessels=(_vessel_profile(rng), _vessel_profile(rng)),
        )


@dataclasses.dataclass(frozen=True)
class Pose:
    """How the patient stood for one image."""

    turn: float  # radians
    zoom: float
    shift: tuple[float, float]  # u, v
    breath: float  # how far the diaphragm has moved down
    heart: float  # magnification of the heart: larger when the film lies behind the back

    @staticmethod
    def draw(rng: np.random.Generator, *, view: str) -> "Pose":
        """Returns the pose of a random image; view is PA or AP."""
        return Pose(
            turn=rng.uniform(-0.09, 0.09),
            zoom=rng.uniform(0.95, 1.05),
            shift=(rng.uniform(-0.025, 0.025), rng.uniform(-0.025, 0.025)),
            breath=rng.uniform(-0.02, 0.015),
            heart=rng.uniform(1.04, 1.12) if view == "AP" else rng.uniform(0.96, 1.04),
        )


@dataclasses.dataclass(frozen=True)
class Chest:
    """One patient in one pose, as pictures; masks and brightnesses are 0..1."""

    u: Grid
    v: Grid
    lungs: Grid  # soft-edged mask of both lungs, without what the heart covers
    height: Grid  # 0 at the apex, 1 at the diaphragm
    depth: Grid  # 0 at the lateral chest wall, 1 at the mediastinum
    vessels: Grid
    bones: Grid
    haze: Grid  # soft tissue in front of the lungs
    surroundings: Grid  # brightness of all that is not lung


def draw_chest(anatomy: Anatomy, pose: Pose, image_size: int) -> Chest:
    """Returns the pictures of one patient in one pose, float32 [image_size, image_size] each."""
    u, v = _body_grid(pose, image_size)
    side = np.abs(u)
    base = anatomy.base + pose.breath
    fall = np.clip((v - anatomy.apex) / (base - anatomy.apex), 0.0, 1.0)
    lateral = anatomy.width * np.sqrt(1.0 - (1.0 - fall) ** anatomy.shape)
    crest = (side - 0.45 * anatomy.width) / (0.55 * anatomy.width)
    diaphragm = base - anatomy.dome * (1.0 - crest**2) - anatomy.tilt * (u < 0)

    heart = _heart(u, v, anatomy, pose, base)
    arch = np.hypot(u - anatomy.mediastinum, v + 0.14) - anatomy.arch
    waist = anatomy.mediastinum + 0.04 * fall**2  # wider towards the heart
    middle = np.maximum(heart, _inside(np.maximum(waist - side, -arch)))
    margin = np.minimum(np.minimum(lateral - side, diaphragm - v), v - anatomy.apex)
    lungs = _inside(margin) * (1.0 - middle)

    bones = _bones(u, v, anatomy, reach=lateral + 0.018)
    abdomen = _inside(v - diaphragm, 0.02)
    return Chest(
        u=u,
        v=v,
        lungs=lungs,
        height=np.clip((v - anatomy.apex) / (diaphragm - anatomy.apex), 0.0, 1.0),
        depth=np.clip((lateral - side) / np.maximum(lateral - anatomy.mediastinum, 0.02), 0.0, 1.0),
        vessels=_vessels(u, v, anatomy),
        bones=bones,
        haze=_haze(u, v, anatomy),
        surroundings=_surroundings(u, v, anatomy, heart, middle, abdomen, bones),
    )


def _body_grid(pose: Pose, image_size: int) -> tuple[Grid, Grid]:
    """The body's u and v at each pixel centre."""
    centres = (np.arange(image_size, dtype=np.float32) + 0.5) / image_size - 0.5
    x, y = centres[None, :], centres[:, None]
    cos, sin = np.cos(pose.turn), np.sin(pose.turn)
    u = (cos * x + sin * y) / pose.zoom - pose.shift[0]
    v = (cos * y - sin * x) / pose.zoom - pose.shift[1]
    return u.astype(np.float32), v.astype(np.float32)


def _inside(distance: Grid, edge: float = _EDGE) -> Grid:
    """1 where the signed distance to the edge is well positive, 0 where well negative."""
    return smooth_step(distance, 2.0 * edge)


def _heart(u: Grid, v: Grid, anatomy: Anatomy, pose: Pose, base: float) -> Grid:
    """An ellipse whose apex points to the patient's left and down."""
    cos, sin = np.cos(anatomy.heart_turn), np.sin(anatomy.heart_turn)
    x, y = u - 0.35 * anatomy.heart, v - (base - 0.15)
    half = anatomy.heart * pose.heart
    radius = np.hypot((cos * x + sin * y) / (1.25 * half), (cos * y - sin * x) / (0.9 * half))
    return _inside((1.0 - radius) * half, 0.018)


def _bones(u: Grid, v: Grid, anatomy: Anatomy, *, reach: Grid) -> Grid:
    """Ribs, back and front, and clavicles; one periodic formula draws a whole family of ribs."""
    side = np.abs(u)
    back = v + 0.32 * side * (1.0 - anatomy.rib_slope) - 2.1 * side**2 * (1.0 + anatomy.rib_slope)
    front = v - 0.75 * side + 0.35 * side**2
    ribs = _periodic(back, anatomy.rib_gap, anatomy.rib_offset, half_width=0.0125)
    ribs += 0.45 * _periodic(front, 1.25 * anatomy.rib_gap, anatomy.rib_offset, half_width=0.011)
    ribs *= _inside(reach - side) * _inside(v - anatomy.apex, 0.03) * _inside(0.30 - v, 0.05)
    course = anatomy.clavicle - 0.22 * side - 0.05 * np.sin(18.0 * side)
    clavicles = _inside(0.014 - np.abs(v - course)) * _inside(side - 0.04) * _inside(0.33 - side)
    return np.maximum(ribs, 1.1 * clavicles)


def _periodic(position: Grid, gap: float, offset: float, *, half_width: float) -> Grid:
    """Bands at every multiple of the gap, with the brighter edges of cortical bone."""
    phase = position / gap + offset
    distance = np.abs(phase - np.round(phase)) * gap
    band = _inside(half_width - distance, 0.006)
    return band * (0.65 + 0.35 * np.minimum(distance / half_width, 1.0))


def _vessel_profile(rng: np.random.Generator) -> NDArray[np.float32]:
    """Brightness of the vessels of one lung by angle around the hilum, float32 [2, 256]."""
    spikes = np.zeros((2, 256), np.float32)
    for row, count in enumerate((7, 15)):
        spikes[row, rng.integers(0, 256, count)] = rng.uniform(0.4, 1.0, count)
    return np.stack([_peaks(spikes[0], 4.0), _peaks(spikes[1], 2.5)])


def _peaks(spikes: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    smooth = ndimage.gaussian_filter1d(spikes, sigma, mode="wrap")
    return smooth / smooth.max()


def _vessels(u: Grid, v: Grid, anatomy: Anatomy) -> Grid:
    """Arteries and veins that leave each hilum, branch once and fade towards the chest wall."""
    x, y = np.abs(u) - anatomy.mediastinum - 0.02, v + 0.02
    radius = np.hypot(x, y)
    turns = np.arctan2(y, x) / (2.0 * np.pi) + 0.35 * radius
    angle = ((turns % 1.0) * 256).astype(np.int32) % 256
    fade = np.exp(-radius / 0.13)
    branching = np.clip(radius / 0.12, 0.0, 1.0)
    right, left = anatomy.vessels
    trunk = np.where(u < 0, right[0][angle], left[0][angle])
    branches = np.where(u < 0, right[1][angle], left[1][angle])
    return fade * ((1.0 - branching) * trunk + branching * branches)


def _haze(u: Grid, v: Grid, anatomy: Anatomy) -> Grid:
    """Soft tissue in front of the lungs: muscle above, breast shadows below."""
    side = np.abs(u)
    muscle = 0.35 * np.clip((side - 0.12) / 0.2, 0.0, 1.0) * _inside(-0.02 - v, 0.12)
    edge = np.hypot((side - 0.19) / 0.13, (v - 0.09) / 0.11)
    breast = _inside(1.0 - edge, 0.18) * (0.5 + 0.5 * np.clip((v - 0.0) / 0.2, 0.0, 1.0))
    return muscle + anatomy.breast * breast


def _surroundings(
    u: Grid, v: Grid, anatomy: Anatomy, heart: Grid, middle: Grid, abdomen: Grid, bones: Grid
) -> Grid:
    """Everything around the lungs: trunk, neck, arms, spine, airway, abdomen, bones."""
    side = np.abs(u)
    shoulders = v + 0.36 - anatomy.shoulder * np.maximum(side - 0.13, 0.0) ** 1.5
    neck = np.minimum(0.12 - side + 0.2 * np.maximum(v + 0.42, 0.0), v + 0.6)
    trunk = np.minimum(anatomy.torso - side + 0.12 * np.maximum(-0.12 - v, 0.0), shoulders)
    arms = np.minimum(np.minimum(shoulders, side - anatomy.torso - 0.025), 0.6 - side)
    body = np.maximum(_inside(np.maximum(trunk, neck), 0.02), 0.8 * _inside(arms, 0.015))

    spine = _inside(0.034 - side, 0.016) * (0.75 + 0.25 * np.cos(2.0 * np.pi * v / 0.052))
    airway = _inside(0.014 - np.abs(u - 0.004), 0.01) * _inside(-0.07 - v, 0.03)
    gas = _inside(anatomy.gas - np.hypot((u - 0.17) / 1.4, v - anatomy.base - 0.02), 0.015)
    tissue = (
        0.48 + 0.12 * middle + 0.13 * abdomen + 0.10 * spine * (1.0 - 0.6 * heart - 0.3 * abdomen)
    )
    tissue += 0.16 * bones * (1.0 - middle) * (1.0 - 0.7 * abdomen) - 0.16 * airway - 0.25 * gas
    return (body * (tissue - 0.25 * np.maximum(side - 0.2, 0.0))).astype(np.float32)
