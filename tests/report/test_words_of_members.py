"""What is said of an ensemble beside its members."""

import pytest

from tfcovid.report.words import members_sentence, network_words, number


def metrics(difference, low, high, **more):
    above = {"difference": difference, "low": low, "high": high}
    worse = {"difference": 0.5, "low": 0.4, "high": 0.6}
    return {
        "members": {
            "a": {"balanced_accuracy": 0.2, "above": worse},
            "b": {"balanced_accuracy": 0.7, "above": above},
        },
        **more,
    }


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ((0.1, 0.05, 0.2), "The ensemble is 0.10 (0.05 to 0.20) above its best member."),
        ((-0.3, -0.4, -0.2), "The ensemble is 0.30 (0.20 to 0.40) below its best member, b."),
        ((0.1, -0.1, 0.2), "not told apart from its best member here, b: the difference is 0.10"),
    ],
)
def test_an_ensemble_is_above_below_or_not_told_apart_from_its_best_member(ends, expected):
    assert expected in members_sentence(metrics(*ends))


def test_a_combination_that_stayed_the_mean_is_said_to():
    kept = {"combined": {"by": "stacking", "spread": 0.0}}
    assert "gave stacking no reason" in members_sentence(metrics(0.1, 0.05, 0.2, **kept))
    moved = {"combined": {"by": "stacking", "spread": 0.5}}
    assert "no reason" not in members_sentence(metrics(0.1, 0.05, 0.2, **moved))
    assert "no reason" not in members_sentence(
        metrics(0.1, 0.05, 0.2, combined={"by": "soft_vote"})
    )


def test_a_figure_that_rounds_to_nothing_has_no_sign():
    assert number(-0.001) == "0.00"
    assert number(-0.006) == "-0.01"


def test_what_was_trained_is_said_by_the_flags():
    single = {"members": [], "classifier": "linear", "backbone": "resnet50", "combine": "soft_vote"}
    assert network_words(single) == "network resnet50"
    assert network_words(single | {"classifier": "boosted_trees"}) == "boosted trees on resnet50"
    members = single | {"members": ["vgg19", "tiny:boosted_trees"]}
    assert network_words(members) == "ensemble of vgg19, tiny under trees by soft_vote"
