"""The exposure: gray values of the lungs that do not know the finding."""

import numpy as np
from PIL import Image

from tfcovid.data.sources import phantom_film
from tfcovid.data.sources.phantom import Anatomy, Pose, draw_chest
from tfcovid.data.sources.phantom_film import expose
from tfcovid.data.sources.phantom_findings import FINDINGS


def generator(*key):
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(key)))


def random_chest(number, image_size=96):
    rng = generator(21, number)
    return draw_chest(Anatomy.draw(rng, sex="F"), Pose.draw(rng, view="PA"), image_size)


def films(number, image_size=96):
    """The same film with each of the findings."""
    chest = random_chest(number, image_size)
    return chest, {
        finding: expose(chest, draw(chest, generator(1), generator(2)), generator(3, number))
        for finding, draw in FINDINGS.items()
    }


def test_a_finding_changes_no_pixel_outside_the_lung_box():
    outside = np.ones((96, 96), bool)
    outside[12:84, 10:86] = False
    for number in range(20):
        _, shown = films(number)
        for film in shown.values():
            np.testing.assert_array_equal(film[outside], shown["Normal"][outside])


def test_lungs_have_the_same_gray_values_whatever_they_show():
    for number in range(20):
        chest = random_chest(number)
        inside = chest.lungs > 0.5
        tissue, cloud = generator(4, number).random((2, 96, 96), dtype=np.float32)
        plain, dense = (
            phantom_film._exposed_lungs(chest, picture, generator(5, number))[inside]
            for picture in (tissue, tissue + 3.0 * (cloud > 0.8))
        )
        np.testing.assert_allclose(np.sort(plain), np.sort(dense), atol=2e-3)
        assert not np.allclose(plain, dense)


def test_an_opacity_brightens_its_place_within_the_lungs():
    for number in range(20):
        chest, shown = films(number)
        opacity = FINDINGS["Bacterial"](chest, generator(1), generator(2)) * chest.lungs
        dense, clear = opacity > 0.5, (chest.lungs > 0.9) & (opacity < 0.05)
        change = shown["Bacterial"].astype(float) - shown["Normal"]
        assert change[dense].mean() > change[clear].mean() + 10.0, number


def test_films_use_the_gray_scale_without_saturating():
    for number in range(20):
        _, shown = films(number)
        film = shown["Viral"]
        assert film.dtype == np.uint8 and film.shape == (96, 96)
        assert np.mean(film == 255) < 0.02
        assert np.ptp(np.percentile(film, [2, 98])) > 60


def test_other_sizes_show_the_same_film():
    _, small = films(7, 48)
    _, large = films(7, 192)
    for finding in FINDINGS:
        shrunk = np.asarray(Image.fromarray(large[finding]).resize((48, 48), Image.Resampling.BOX))
        assert np.corrcoef(shrunk.ravel(), small[finding].ravel())[0, 1] > 0.85
