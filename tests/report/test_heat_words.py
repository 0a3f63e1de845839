from tests.report import examples
from tfcovid.report.heat_words import heat_sentence


def test_the_sentence_puts_every_class_beside_the_boxs_share():
    assert heat_sentence(examples.metrics()) == (
        "Heat inside the lungs' box, which is 0.61 of the image: Normal 0.44 (0.39-0.49), "
        "Pneumonia 0.71 (0.66-0.76), COVID-19 n/a."
    )


def test_metrics_without_heat_maps_have_no_sentence():
    assert heat_sentence({}) == ""
