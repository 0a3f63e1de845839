"""What may be asked of tasks whose images have several findings, and what is refused in a line."""

import pathlib

import pytest
from absl import flags as absl_flags

from flags import audit_flags, choices, config, parse
from flags.compare_config import CompareConfig

FINDINGS = ("findings14", "findings14_covid")


def asked(task, **sections):
    return config.Config(data=config.DataConfig(task=choices.Task(task)), **sections)


def parsed(*arguments):
    return parse.config_from_flags(parse.flag_values_from_argv(["train", *arguments]))


def test_two_tasks_have_findings_and_pneumonia_finding_is_an_ordinary_one():
    assert {task.value for task in choices.Task if task.has_findings} == set(FINDINGS)
    assert choices.Task.PNEUMONIA_FINDING.num_classes == 2


@pytest.mark.parametrize("task", FINDINGS)
@pytest.mark.parametrize("point", ["argmax", "balanced"])
def test_a_point_without_thresholds_is_refused(task, point):
    decision = config.DecisionConfig(operating_point=choices.OperatingPoint(point))
    with pytest.raises(ValueError, match=f"--operating_point={point} with --task={task}: each"):
        asked(task, decision=decision)


@pytest.mark.parametrize("task", FINDINGS)
@pytest.mark.parametrize("point", ["auto", "youden", "sensitivity", "specificity", "precision"])
def test_points_of_a_threshold_need_no_class_and_auto_is_youden(task, point):
    decision = config.DecisionConfig(operating_point=choices.OperatingPoint(point))
    found = asked(task, decision=decision).resolved_operating_point(14)
    assert found == ("youden" if point == "auto" else point)


@pytest.mark.parametrize("task", FINDINGS)
@pytest.mark.parametrize("given", [{"operating_class": "Mass"}, {"prevalence": 0.1}])
def test_what_is_of_one_class_is_refused(task, given):
    (name,) = given
    with pytest.raises(ValueError, match=rf"^--{name}=.* with --task={task}: .* drop --{name}$"):
        asked(task, decision=config.DecisionConfig(**given))


@pytest.mark.parametrize("task", FINDINGS)
def test_weighted_sampling_is_refused_and_the_other_mechanisms_are_taken(task):
    for mechanism in choices.Imbalance:
        loss = config.LossConfig(imbalance=mechanism)
        if mechanism is choices.Imbalance.WEIGHTED_SAMPLING:
            with pytest.raises(ValueError, match="expected none, class_weight or effective_number"):
                asked(task, loss=loss)
        else:
            assert asked(task, loss=loss).loss.imbalance is mechanism


def test_alpha_is_one_number_a_finding_in_0_to_1_and_none_of_two_heads():
    with pytest.raises(ValueError, match="expected 14 numbers, the weight of the presence"):
        asked("findings14", loss=config.LossConfig(focal_alpha=(0.5,)))
    with pytest.raises(ValueError, match="because --task=findings14"):
        asked("findings14", loss=config.LossConfig(focal_alpha=(2.0,) * 14))
    with pytest.raises(ValueError, match="classes and findings have alphas of two kinds"):
        asked("findings14_covid", loss=config.LossConfig(focal_alpha=(0.5,) * 17))


@pytest.mark.parametrize("task", FINDINGS)
def test_networks_as_controls_are_refused(task):
    run = config.RunConfig(controls=choices.Controls.FULL)
    with pytest.raises(ValueError, match=f"--controls=full with --task={task}: expected features"):
        asked(task, run=run)


@pytest.mark.parametrize("task", FINDINGS)
def test_a_comparison_and_an_audit_refuse_them(task):
    with pytest.raises(ValueError, match=f"--tasks={task}: expected tasks of one class an image"):
        CompareConfig(tasks=(choices.Task(task),), weights_files=(pathlib.Path("a.weights.h5"),))
    values = parse.flag_values_from_argv(["train", f"--task={task}"])
    assert isinstance(values, absl_flags.FlagValues)
    with pytest.raises(ValueError, match=f"--task={task}: the audit looks at classes"):
        audit_flags.refuse_unused(values)


def test_the_schedule_is_a_cosine_unless_asked_otherwise():
    assert parsed().training.schedule is choices.Schedule.COSINE
    assert parsed("--schedule=plateau").training.schedule is choices.Schedule.PLATEAU
