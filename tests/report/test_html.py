import html.parser
import re

import jinja2
import pytest

from tests.report import examples
from tfcovid.report.html import write_report

VOID = {"meta", "link", "img", "br", "hr", "input"}


def page(tmp_path, **changes):
    path = tmp_path / "report.html"
    write_report(path, **(examples.report_inputs() | changes))
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def example_page(tmp_path_factory):
    return page(tmp_path_factory.mktemp("run"))


def words_of(text):
    """What a reader sees: no markup, no line breaks."""
    text = re.sub(r"<(style|svg).*?</\1>", " ", text, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", text)).split())


class Structure(html.parser.HTMLParser):
    """Collects tags and ids, and fails where a tag is closed that is not open."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.ids, self.targets = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.ids += [value for name, value in attrs if name == "id"]
        self.targets += [v[1:] for n, v in attrs if n == "href" and v.startswith("#")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.ids += [value for name, value in attrs if name == "id"]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def structure(text):
    parser = Structure()
    parser.feed(text)
    assert parser.open == []
    return parser


def test_figures_of_the_metrics_stand_on_the_page(example_page):
    text, metrics = words_of(example_page), examples.metrics()
    for key in ("accuracy", "balanced_accuracy", "macro_f1", "mcc", "cohen_kappa", "brier", "ece"):
        assert f"{metrics[key]:.3f}" in text
    for name, figures in metrics["per_class"].items():
        assert (
            f"{name} {figures['n_images']} {figures['n_patients']} {figures['recall']:.2f}" in text
        )
    assert "402 images of 134 patients" in text
    assert "train 600 200 924 308 84 28 1,608 536" in text
    assert "ieee8023 0 0 0 0 126 42 126 42" in text
    assert "temperature 1.370" in text
    assert "precision mixed_bfloat16" in text
    assert "Not a medical device" in text


def test_controls_stand_in_the_card_and_in_sentences(example_page):
    text = words_of(example_page)
    card = text[: text.index("Results")]
    assert "the border around the lungs 0.42 0.37\u20130.47" in card
    assert "reaches 0.42 (chance 0.33)" in text


def test_absence_of_controls_is_said_in_the_card(tmp_path):
    text = words_of(page(tmp_path, metrics=examples.metrics() | {"controls": {}}))
    assert "No controls" in text[: text.index("Results")]


def test_names_from_disk_are_escaped(tmp_path):
    evil = "<script>alert(2)</script>"
    manifest = examples.manifest()
    manifest["source"] = evil
    text = page(tmp_path, manifest=manifest, notes=[evil], command=evil)
    assert "<script" not in text.lower()
    assert "train/&lt;script&gt;alert(1)&lt;/script&gt;.png" in text
    assert text.count("&lt;script&gt;alert(2)") == 4


def test_rejected_files_are_listed_with_reason(tmp_path, example_page):
    text = words_of(example_page)
    assert "3 images not used" in text
    assert "train/gone.jpeg missing file" in text
    assert "1-s2.0-S0929664620300449-gr2_lrg-c.jpg the task has no class for ARDS" in text
    assert "Every image was used" in words_of(page(tmp_path, rejected=examples.rejected()[:0]))


def test_few_patients_are_said_in_words_and_only_then(tmp_path, example_page):
    metrics = examples.metrics()
    assert "from fewer than 10 patients" in words_of(example_page)
    for found in metrics["intervals"].values():
        found.pop("few_groups", None)
    assert "from fewer than 10 patients" not in words_of(page(tmp_path, metrics=metrics))


def test_undefined_auroc_is_not_a_number(tmp_path):
    metrics = examples.metrics()
    metrics["per_class"]["COVID-19"] |= {"auroc": None, "auprc": None}
    del metrics["intervals"]["per_class.COVID-19.auroc"]
    text = words_of(page(tmp_path, metrics=metrics))
    assert "n/a n/a" in text
    assert "nan" not in text.lower()


def test_page_is_one_file_that_loads_and_runs_nothing(example_page):
    text = example_page
    tags = structure(text).tags
    assert not {"script", "link", "iframe"} & {tag for tag, _ in tags}
    sources = [attributes["src"] for tag, attributes in tags if tag == "img"]
    assert sources and all(source.startswith("data:image/png;base64,") for source in sources)
    addresses = [a.get("src") or a.get("href") or a.get("xlink:href") for _, a in tags]
    assert all(a.startswith(("#", "data:image/png")) for a in addresses if a)
    assert "default-src 'none'" in text and "@import" not in text
    assert len(text) < 250_000


def test_tags_close_ids_are_unique_and_links_lead_somewhere(example_page):
    found = structure(example_page)
    assert len(found.ids) == len(set(found.ids))
    assert found.targets and set(found.targets) <= set(found.ids)


def test_every_table_has_a_caption_and_every_picture_an_alternative(example_page):
    text = example_page
    tags = [tag for tag, _ in structure(text).tags]
    assert tags.count("table") == tags.count("caption")
    pictures = re.findall(r'role="img" aria-label="([^"]*)"', text)
    assert len(pictures) == text.count("<svg") == 5
    assert "COVID-19 1.00" in pictures[0]
    assert 'lang="en"' in text


def test_thresholds_of_two_classes_are_shown(tmp_path):
    decision = examples.report_inputs()["decision"]
    decision |= {"rule": "threshold", "thresholds": {"COVID-19": 0.1234}}
    assert "threshold: COVID-19 from 0.123 on" in words_of(page(tmp_path, decision=decision))


def test_every_operating_point_stands_on_the_page_and_the_unreachable_with_its_reason(
    example_page,
):
    text = words_of(example_page)
    assert "argmax (chosen) 0.81 0.99 0.85" in text
    assert "youden 0.071 0.95 0.93 0.44" in text
    assert "precision of 0.95: the highest precision of any threshold is 0.900 n/a n/a n/a" in text


def test_calibration_stands_on_the_page_before_and_after_with_its_biases(tmp_path, example_page):
    text, found = words_of(example_page), examples.metrics()["calibration"]
    for name, key in (("before calibration", "before"), ("after", "after")):
        assert f"{name} 0.234 0.126 {found[key]['ece']:.3f}" in text
    assert "biases Normal +0.410, Pneumonia +0.620, COVID-19 -1.030 (added" in text
    decision = examples.report_inputs()["decision"] | {"bias": None}
    assert "biases" not in words_of(page(tmp_path, decision=decision))


def test_predictive_values_are_shown_where_a_prevalence_was_given(tmp_path, example_page):
    assert "PPV" not in words_of(example_page)
    metrics = examples.metrics() | {"at_prevalence": examples.at_prevalence()}
    assert (
        "Where 5 % have COVID-19, the decision COVID-19 is right in 0.412 (0.31\u20130.51) of the "
        "cases (PPV), any other in 0.996 (0.99\u20131.00) (NPV)."
    ) in words_of(page(tmp_path, metrics=metrics))


def test_page_without_training_says_so(tmp_path):
    assert "Nothing was trained for this page" in words_of(page(tmp_path, history=[]))


def test_how_to_run_it_again_names_the_flags_and_a_new_folder(tmp_path):
    text = words_of(page(tmp_path))
    again = f"--flagfile={tmp_path}/flags.cfg --workdir={tmp_path}-again"
    assert f"python -m tfcovid.train {again}" in text
    assert "python -m tfcovid.train --task=multiclass --data_dir=data/coronahack" in text


def test_same_run_gives_the_same_page(tmp_path):
    assert page(tmp_path) == page(tmp_path)


def test_missing_entry_is_an_error_and_leaves_no_file(tmp_path):
    decision = examples.report_inputs()["decision"]
    del decision["temperature"]
    with pytest.raises(jinja2.UndefinedError, match="temperature"):
        page(tmp_path, decision=decision)
    assert list(tmp_path.iterdir()) == []


def test_errors_and_subgroups_stand_on_the_page(example_page):
    text, metrics = words_of(example_page), examples.metrics()
    for pair in metrics["errors"]["confusions"]:
        assert f"{pair['label']} {pair['decision']} {pair['n_images']} {pair['n_patients']}" in text
    for entry in metrics["errors"]["missed"]["COVID-19"]:
        assert entry["path"] in text
    for part in metrics["subgroups"]["sex"].values():
        assert f"{part['n_images']} {part['n_patients']} {part['accuracy']:.2f}" in text
    assert text.count("By source") == 1 and "By age, years" in text  # that of the data


def test_heat_inside_the_box_stands_beside_the_boxs_share_and_the_pictures(example_page, tmp_path):
    text = words_of(example_page)
    assert "The box is 0.61 of the image" in text and "no more than chance" in text
    assert "Normal 0.44 0.39\N{EN DASH}0.49 20 12 3" in text
    assert "Normal: the surest right ones" in text and "<i>a" in text
    assert example_page.count('alt="heat of ') >= 2
    without = {key: value for key, value in examples.metrics().items() if key != "heat"}
    assert "Heat maps" not in words_of(
        page(tmp_path, metrics=without, heat_pictures={}, typical={})
    )


def test_a_run_without_errors_or_subgroups_says_so(tmp_path):
    nothing = {
        "confusions": [],
        "missed": {name: [] for name in examples.CLASSES},
        "taken_for": {name: [] for name in examples.CLASSES},
        "label_suspects": [],
    }
    metrics = examples.metrics() | {"errors": nothing, "subgroups": {}}
    text = words_of(page(tmp_path, metrics=metrics, pictures={}))
    assert "No image was decided wrongly" in text
    assert "no second source, sex, age or view" in text
