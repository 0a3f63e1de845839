import re

import pytest

from tests.report import audit_examples as examples
from tests.report.test_html import structure, words_of
from tfcovid.report.audit_page import EMPTY, galleries, source_bars, write_audit


def page(tmp_path, audit=None, pictures=None):
    path = tmp_path / "audit.html"
    write_audit(
        path,
        audit=examples.audit() if audit is None else audit,
        pictures=examples.pictures() if pictures is None else pictures,
    )
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def example_page(tmp_path_factory):
    return page(tmp_path_factory.mktemp("audit"))


def test_verdict_stands_at_the_head_worst_first(example_page):
    text = words_of(example_page)
    head = text[: text.index("Shortcuts: what tells")]
    places = [head.index(sentence) for sentence in examples.audit()["verdict"]]
    assert places == sorted(places)
    assert "images 6,413 patients 3,215 groups that must not be split 3,190 not used 100" in head


def test_alarms_come_first_with_the_class_they_give_away(example_page):
    text = words_of(example_page)
    corners = (
        "the outermost pixels and the corners beats chance: gives COVID-19 away 0.78 0.75\u20130.81"
    )
    file_format = "the file format beats chance: gives COVID-19 away 0.66 0.63\u20130.69"
    mode = "the colour mode of the file 0.34 0.31\u20130.37"
    assert text.index(corners) < text.index(file_format) < text.index(mode)
    assert "the ratio of width to height n/a" in text
    assert example_page.count('class="track"') == 3


def test_every_part_of_the_audit_is_on_the_page(example_page):
    text = words_of(example_page)
    for part in (
        "Pneumonia 4,283 88 4,371",
        "source 0.91 0.88\u20130.94 < 0.001 3,190",
        "sex n/a n/a 0",
        "kermany children aged 1 to 5",
        "virus 447 is in train",
        "images/16660_2_1.jpg train/16660_2_1.jpg resized 0.999 ieee8023, coronahack",
        "Across sources: 67",
        "COVID-19 466 289",
        "missing file 3",
        "train/gone.jpeg missing file",
        "away.png missing file",
        "non frontal 48",
        "are guessed from file names",
        "python -m tfcovid.audit --data=coronahack,ieee8023",
        "Not a medical device",
    ):
        assert part in text


def test_names_from_disk_are_escaped_in_text_and_in_attributes(tmp_path):
    evil = "\"><script>alert(2)</script><img src=x onerror='alert(3)'>"
    audit = examples.audit()
    audit |= {"leaks": [evil], "declared": {evil: evil}, "notes": [evil], "command": evil}
    audit |= {"class_by_source": {evil: {evil: 3}}, "verdict": [evil]}
    audit["rejected"][evil] = 1
    audit["rejected_examples"][evil] = [{"image": evil, "path": evil, "reason": evil}]
    text = page(tmp_path, audit, {f"copy/{evil}": examples.picture()})
    assert "<script" not in text.lower()
    assert "<img src=x" not in text
    assert f"train/{examples.EVIL}" in words_of(text)
    tags = structure(text).tags
    assert not [name for _, found in tags for name in found if name.startswith("on")]
    assert [found["alt"] for tag, found in tags if tag == "img"] == [evil]


def test_page_is_one_file_that_loads_and_runs_nothing(example_page):
    tags = structure(example_page).tags
    assert not {"script", "link", "iframe"} & {tag for tag, _ in tags}
    addresses = [a.get("src") or a.get("href") for _, a in tags]
    assert all(a.startswith(("#", "data:image/png;base64,")) for a in addresses if a)
    assert "default-src 'none'" in example_page
    assert "@import" not in example_page and "url(" not in example_page


def test_tags_close_ids_are_unique_and_links_lead_somewhere(example_page):
    found = structure(example_page)
    assert len(found.ids) == len(set(found.ids))
    assert found.targets and set(found.targets) <= set(found.ids)


def test_every_table_has_a_caption_and_every_picture_an_alternative(example_page):
    tags = structure(example_page).tags
    names = [tag for tag, _ in tags]
    assert names.count("table") == names.count("caption")
    pictures = [found for tag, found in tags if tag == "img"]
    assert len(pictures) == len(examples.pictures())
    assert all(found["alt"] for found in pictures)


def test_pictures_stand_in_the_section_that_their_name_says(example_page):
    sections = dict(re.findall(r'<section id="(\w+)">(.*?)</section>', example_page, re.DOTALL))
    assert "upper left corner, COVID-19 above" in sections["shortcuts"]
    assert "two of 1,576 images" in sections["sources"]
    assert "beside its copy" in sections["copies"]
    assert "sizes of all images" in sections["about"]


@pytest.mark.parametrize("part", [None, *EMPTY])
def test_any_part_may_be_missing_or_empty(tmp_path, part):
    audit = examples.audit()
    if part is None:
        audit = {}
    else:
        del audit[part]
    structure(page(tmp_path, audit, {}))
    audit[part or "verdict"] = EMPTY[part or "verdict"]
    structure(page(tmp_path, audit, {}))


def test_what_was_not_looked_at_is_not_said_to_be_absent(tmp_path):
    text = words_of(page(tmp_path, {}, {}))
    assert "No verdict was recorded" in text
    assert "No shortcut was looked for" in text
    assert "shortcuts n/a" in text
    assert "Leaks were not looked for" in text and "Copies were not looked for" in text
    assert "No patient and no copy" not in text and "Every image can be used" not in text
    found_none = words_of(page(tmp_path, EMPTY, {}))
    assert "No patient and no copy" in found_none and "Every image can be used" in found_none


def test_long_lists_are_cut_and_say_so(tmp_path):
    audit = examples.audit()
    audit["leaks"] = [f"leak number {i}" for i in range(500)]
    audit["copies"]["pairs"] = audit["copies"]["pairs"] * 500
    text = words_of(page(tmp_path, audit))
    assert "leak number 59" in text and "leak number 60" not in text
    assert "The first 60 of 500; the others are in audit.json" in text
    assert "the first 60 of 1,000, the others are in audit.json" in text


def test_bars_of_a_class_fill_its_row():
    bars = source_bars(examples.audit()["class_by_source"])
    assert list(bars["sources"]) == ["kermany", "ieee8023"]
    for row in bars["rows"]:
        assert sum(part["share"] for part in row["parts"]) == pytest.approx(1)
    assert [part["source"] for part in bars["rows"][2]["parts"]] == ["ieee8023"]
    assert source_bars({"Normal": {}})["rows"] == [{"name": "Normal", "n": 0, "parts": []}]


def test_what_is_no_png_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match="copy/a: expected a PNG file"):
        page(tmp_path, pictures={"copy/a": b"<svg onload=alert(1)>"})
    assert list(tmp_path.iterdir()) == []
    assert galleries({"odd/name": examples.picture()})["other"][0]["words"] == "odd/name"


def test_same_audit_gives_the_same_page(tmp_path):
    assert page(tmp_path) == page(tmp_path)
