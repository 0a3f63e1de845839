"""The page in a headless Chromium: a person's way from a file to what the model says of it."""

import json

import numpy as np
import pytest
import tensorflow as tf

from tests.data.dicoms import dicom
from tests.data.images import encode, noise
from tests.serving import chromium
from tests.serving.conftest import client_of, listening, png, service_of
from tfcovid.serving.app import build_app
from tfcovid.serving.client import load_signature
from tfcovid.serving.connections import ConnectionLimits
from tfcovid.serving.servable import Servable

pytestmark = pytest.mark.skipif(
    chromium.PROGRAM is None,
    reason="no Chromium is installed: apt-get install chromium",
)

PATIENT_CONNECTIONS = ConnectionLimits(headers_s=600, unread_s=600, connections=50)
HEAT = "document.getElementById('heat')"


def text(name):
    return f"document.getElementById('{name}').textContent"


def shown(name):
    return f"document.getElementById('{name}').checkVisibility()"


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    with chromium.browser(tmp_path_factory.mktemp("profile")) as tab:
        yield tab


@pytest.fixture(scope="module")
def address(servable):
    app = build_app(service_of(servable, request_timeout_s=600.0), "tfcovid")
    with listening(app, PATIENT_CONNECTIONS) as (host, port):
        yield f"http://{host}:{port}/"


@pytest.fixture
def page(tab, address):
    tab.complaints.clear()
    tab.see(width=1280)
    tab.open(address)
    tab.wait(text("offers"))
    return tab


def write(folder, name, content):
    (folder / name).write_bytes(content)
    return folder / name


def classify(page, path):
    page.choose_files("#files", path)
    page.wait(f"{text('file')} === {json.dumps(path.name)} && {shown('result')}")


def test_a_file_gets_its_probabilities_decision_and_heat_map(page, tmp_path, model_folder):
    classify(page, write(tmp_path, "film.png", png(5)))
    outputs = load_signature(model_folder)(image_bytes=tf.constant([png(5)]))
    labels = [label.decode() for label in outputs["labels"].numpy()]
    probs = outputs["probabilities"].numpy()[0]
    bars = page.evaluate(
        "[...document.querySelectorAll('.class')].map(one => [one.querySelector('.bar-name')"
        ".textContent, one.querySelector('.bar-value').textContent])"
    )
    assert [name for name, _ in bars] == labels
    for (_, written), prob in zip(bars, probs, strict=True):
        assert float(written.strip("<>% ")) == pytest.approx(100 * prob, abs=0.11)
    assert page.evaluate(text("decision")) == outputs["decision"].numpy()[0].decode()
    why = page.evaluate(text("why"))
    assert "rule that was fixed on validation: the 7th rule." in why
    decided = labels.index(page.evaluate(text("decision")))
    assert ("Not the most probable class." in why) == (probs[decided] < probs.max())
    page.wait(f"{HEAT}.complete && {HEAT}.naturalWidth === 32")
    assert page.evaluate("document.getElementById('picture').naturalWidth") == 32
    said = page.evaluate(text("status"))
    assert said.startswith("film.png: ") and all(label in said for label in labels)
    assert said.endswith(why)
    assert page.complaints == []


def test_the_slider_blends_the_heat_map_in_and_out_by_keyboard(page, tmp_path):
    classify(page, write(tmp_path, "film.png", png(5)))
    page.evaluate("document.getElementById('blend').focus()")
    page.press("Home", 36)
    assert page.evaluate(f"getComputedStyle({HEAT}).opacity") == "0"
    page.press("End", 35)
    assert page.evaluate(f"getComputedStyle({HEAT}).opacity") == "1"
    page.press("ArrowLeft", 37)
    assert page.evaluate(f"getComputedStyle({HEAT}).opacity") == "0.99"
    assert page.evaluate(text("blend-value")) == "99 %"
    assert "cannot show that the network is right" in page.evaluate(text("heat-note"))


def test_another_class_shows_another_heat_map(page, tmp_path):
    classify(page, write(tmp_path, "film.png", png(5)))
    maps = {}
    for i in range(3):
        page.evaluate(f"document.getElementById('class-{i}').click()")
        maps[i] = page.evaluate(f"{HEAT}.hidden ? null : {HEAT}.src")
    assert len(set(maps.values())) == 3
    page.evaluate("document.getElementById('class-0').focus()")
    page.press("ArrowDown", 40)
    assert page.evaluate("document.querySelector('.class input:checked').id") == "class-1"
    assert page.evaluate(f"{HEAT}.hidden ? null : {HEAT}.src") == maps[1]


def test_a_broken_file_gets_its_line_and_the_others_their_answer(page, tmp_path):
    broken = write(tmp_path, "broken.png", png()[:200])
    page.choose_files("#files", broken)
    page.wait(shown("problem"))
    assert page.evaluate(text("problem-reason")) == "damaged: the image does not decode"
    assert page.evaluate(text("alert")) == "broken.png: damaged: the image does not decode"
    good = write(tmp_path, "good.png", png(1))
    film = write(tmp_path, "film.dcm", dicom(noise(40, 50)))
    page.choose_files("#files", good, write(tmp_path, "text.png", b"no image"), film)
    page.wait("!document.querySelector('#list').textContent.match(/waiting|reading/)")
    lines = page.evaluate(
        "[...document.querySelectorAll('#list button')].map(one => one.innerText.split('\\n'))"
    )
    assert [line[0] for line in lines] == ["broken.png", "good.png", "text.png", "film.dcm"]
    assert lines[0][1:] == ["not classified", "damaged: the image does not decode"]
    assert lines[2][2].startswith("not an image")
    assert len(lines[1]) == len(lines[3]) == 2
    page.evaluate("document.querySelectorAll('#list button')[1].click()")
    assert page.evaluate(text("file")) == "good.png"


def test_what_is_odd_about_an_image_is_read_beside_its_decision(page, tmp_path):
    flat = write(tmp_path, "flat.png", encode(np.full((40, 50), 9, np.uint8), "PNG"))
    classify(page, flat)
    said = page.evaluate(text("warnings"))
    assert said == "no contrast: every pixel has the gray value 9, the result says nothing"
    assert page.evaluate(shown("warnings")) and said in page.evaluate(text("status"))
    classify(page, write(tmp_path, "film.png", png(5)))
    assert not page.evaluate(shown("warnings"))


@pytest.mark.parametrize(("width", "framed"), [(1280, True), (390, False)])
def test_where_the_last_of_several_files_fails_its_reason_and_the_others_are_in_view(
    page, tmp_path, width, framed
):
    page.see(width=width, height=700, phone=width < 500)
    files = [write(tmp_path, f"{i}.png", png(i)) for i in range(3)]
    page.choose_files("#files", *files, write(tmp_path, "text.png", b"no image"))
    page.wait("document.querySelector('#list').textContent.includes('not classified')")
    for name in ("problem-reason", "list"):
        box = f"document.getElementById('{name}').getBoundingClientRect()"
        top, bottom = page.evaluate(f"(({{top, bottom}}) => [top, bottom])({box})")
        assert 0 <= top < bottom <= 700
    assert page.evaluate(shown("frame")) == framed
    reasons = "document.querySelector('main').innerText.split('not an image').length - 1"
    assert page.evaluate(reasons) == 1, "it is told once"
    page.evaluate("document.querySelector('#list button').click()")
    assert page.evaluate(shown("frame")) and page.evaluate(shown("result"))


def test_a_name_of_a_file_is_text_and_never_html(page, tmp_path):
    name = "<img src=x onerror=document.title='taken'>.png"
    classify(page, write(tmp_path, name, png(2)))
    assert page.evaluate("document.title") == "tfcovid: chest X-ray classifier"
    assert page.evaluate("document.querySelectorAll('img[src=x]').length") == 0
    assert page.complaints == []


def test_a_file_that_is_too_long_is_refused_before_it_is_sent(page, tmp_path):
    page.choose_files("#files", write(tmp_path, "long.png", bytes(2**24 + 1)))
    page.wait(shown("problem"))
    assert "longer than 16 MiB" in page.evaluate(text("problem-reason"))


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("dark", [False, True])
def test_the_warning_is_always_in_view_and_nothing_overflows(page, tmp_path, width, dark):
    page.see(width=width, height=700, dark=dark, phone=width < 500)
    classify(page, write(tmp_path, f"{'long-name-' * 12}.png", png(3)))
    page.evaluate("document.querySelector('details').open = true")
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    box = page.evaluate(
        "(({top, bottom, right}) => [top, bottom, right])"
        "(document.querySelector('.warning').getBoundingClientRect())"
    )
    assert box[0] >= 0 and box[1] < 80 and box[2] <= width
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    contrasts = page.evaluate(CONTRASTS)
    assert contrasts and min(contrasts.values()) >= 4.5, contrasts


# WCAG 2.1, 1.4.3: of each text with its nearest painted ground.
CONTRASTS = """
(() => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => {
    const [r, g, b] = numbers(colour).slice(0, 3).map((value) => {
      const share = value / 255;
      return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (node) => {
    for (; node; node = node.parentElement) {
      const colour = getComputedStyle(node).backgroundColor;
      if (numbers(colour)[3] !== 0) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const found = {};
  for (const node of document.querySelectorAll("p, h2, h3, legend, label, dt, dd, span, summary")) {
    if (!node.textContent.trim() || !node.checkVisibility() || node.closest(".unseen")) continue;
    const pair = [light(getComputedStyle(node).color), light(ground(node))].sort((a, b) => b - a);
    found[node.className || node.tagName] = (pair[0] + 0.05) / (pair[1] + 0.05);
  }
  return found;
})()
"""


def test_every_control_has_a_name_for_those_who_do_not_see_it(page, tmp_path):
    classify(page, write(tmp_path, "film.png", png(5)))
    nodes = page.command("Accessibility.getFullAXTree")["nodes"]
    controls = {"radio", "slider", "button", "textbox", "DisclosureTriangle"}
    named = {
        (node["role"]["value"], node.get("name", {}).get("value"))
        for node in nodes
        if node.get("role", {}).get("value") in controls and not node.get("ignored")
    }
    roles = {role for role, _ in named}
    assert {"radio", "slider", "button"} <= roles
    assert all(name for _, name in named), named


def test_the_card_of_the_model_is_shown(page):
    page.evaluate("document.querySelector('details').open = true")
    card = page.evaluate("document.getElementById('card').innerText")
    said = "purpose research. decision the 7th rule. how it was made"
    assert " ".join(card.lower().split()) == said
    page.evaluate("document.querySelector('#card details').open = true")
    more = page.evaluate("document.querySelector('#card details dl').innerText")
    assert " ".join(more.lower().split()) == "task multiclass share 0.500 notes"


def test_a_model_without_heat_maps_and_card_says_so(plain_folder, tab, tmp_path):
    app = build_app(service_of(Servable(plain_folder), request_timeout_s=600.0), "plain")
    with listening(app, PATIENT_CONNECTIONS) as (host, port):
        tab.open(f"http://{host}:{port}/")
        tab.wait(text("offers"))
        classify(tab, write(tmp_path, "film.png", png(5)))
        assert not tab.evaluate(shown("blend-row"))
        assert "This model has no heat maps" in tab.evaluate(text("heat-note"))
        assert tab.evaluate("document.getElementById('picture').naturalWidth") == 50
        assert "exported without a model card" in tab.evaluate(text("card"))


def test_the_page_may_load_nothing_from_elsewhere(servable):
    with client_of(servable) as client:
        answers = [client.get(path) for path in ("/", "/page/page.js", "/page/page.css")]
        policy = answers[0].headers["content-security-policy"]
        found = client.post("/api/classify", content=png(5)).json()
    assert "default-src 'none'" in policy and "unsafe" not in policy
    for answer in answers:
        assert answer.status_code == 200
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "http://" not in answer.text.replace("http://www.w3.org", "")
        assert "https://" not in answer.text
    assert found.keys() == {"decision", "explained", "picture", "classes", "warnings", "rule"}
    assert np.sum([one["probability"] for one in found["classes"]]) == pytest.approx(1)
