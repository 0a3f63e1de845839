import dataclasses
import math
import pathlib

import pytest
from hypothesis import given, settings
from PIL import Image

from flags import choices, config
from tests.flags.configs import configs

_SECTIONS = [field.default_factory for field in dataclasses.fields(config.Config)]
_RANGED = [
    (section, field)
    for section in _SECTIONS
    for field in dataclasses.fields(section)
    if "interval" in field.metadata
]


def _without_weights(**values):
    return config.Config(training=config.TrainingConfig(**values))


def test_the_default_config_is_the_main_job_on_the_embedded_sample():
    asked = config.Config()
    assert asked.data.task is choices.Task.MULTICLASS
    assert asked.sources.data is choices.Data.SYNTHETIC
    assert asked.data.image_size == 64
    assert asked.loss.loss is choices.Loss.FOCAL
    assert asked.model.backbone is choices.Backbone.RESNET50
    assert not asked.augmentation.horizontal_flip


@pytest.mark.parametrize(
    ("section", "field"), _RANGED, ids=lambda item: getattr(item, "name", item.__class__.__name__)
)
@pytest.mark.parametrize("value", [math.nan, math.inf, -1])
def test_every_number_with_a_range_refuses_what_is_outside_it(section, field, value):
    with pytest.raises(ValueError, match=rf"^--{field.name}={value}: expected a number"):
        section(**{field.name: value})


def test_every_number_has_a_range_or_a_check_of_its_own():
    numbers = {
        field.name
        for section in _SECTIONS
        for field in dataclasses.fields(section)
        if field.type in (int, float, int | None) and "interval" not in field.metadata
    }
    assert numbers == {"fold"}


def test_no_two_fields_share_a_name_because_each_is_a_flag():
    names = [field.name for section in _SECTIONS for field in dataclasses.fields(section)]
    assert sorted(names) == sorted(set(names))
    assert list(config.Config().by_flag_name()) == names


@settings(max_examples=50, deadline=None)
@given(configs())
def test_by_flag_name_holds_the_value_of_each_field(asked):
    values = asked.by_flag_name()
    assert values["task"] is asked.data.task
    assert values["seed"] == asked.run.seed
    assert values["weights"] == asked.model.weights


@pytest.mark.parametrize("point", ["youden", "sensitivity", "specificity", "precision"])
@pytest.mark.parametrize("task", [choices.Task.MULTICLASS, choices.Task.SOURCE])
def test_a_threshold_without_its_class_of_several_is_refused(task, point):
    with pytest.raises(ValueError, match=rf"--operating_point={point} with --task={task}: .*_cla"):
        config.Config(
            data=config.DataConfig(task=task),
            decision=config.DecisionConfig(operating_point=choices.OperatingPoint(point)),
        )


@pytest.mark.parametrize("prevalence", [0.0, 1.0, -0.1, math.nan])
def test_a_prevalence_that_is_no_share_is_refused(prevalence):
    with pytest.raises(ValueError, match=rf"^--prevalence={prevalence}: expected a number"):
        config.DecisionConfig(prevalence=prevalence)


@pytest.mark.parametrize(
    ("loss", "calibration", "point_of_several"),
    [
        ({"imbalance": choices.Imbalance.NONE}, "temperature", "argmax"),
        ({"imbalance": choices.Imbalance.CLASS_WEIGHT}, "bias_corrected", "balanced"),
        ({"imbalance": choices.Imbalance.WEIGHTED_SAMPLING}, "bias_corrected", "balanced"),
        (
            {"imbalance": choices.Imbalance.NONE, "focal_alpha": config.INVERSE_FREQUENCY},
            "bias_corrected",
            "balanced",
        ),
        (
            {
                "loss": choices.Loss.CE,
                "imbalance": choices.Imbalance.NONE,
                "focal_alpha": config.INVERSE_FREQUENCY,
            },
            "temperature",
            "argmax",
        ),
    ],
)
def test_auto_corrects_the_bias_where_the_loss_saw_another_prior(
    loss, calibration, point_of_several
):
    asked = config.Config(loss=config.LossConfig(**loss))
    assert asked.resolved_calibration == calibration
    assert asked.resolved_operating_point(3) == point_of_several
    assert asked.resolved_operating_point(2) == "youden"


def test_auto_takes_the_threshold_of_a_class_that_is_named():
    asked = config.Config(decision=config.DecisionConfig(operating_class="COVID-19"))
    assert asked.resolved_operating_point(3) == "youden"


def test_a_temperature_alone_leaves_what_weights_did_so_the_largest_probability_decides():
    decision = config.DecisionConfig(calibration=choices.Calibration.TEMPERATURE)
    assert config.Config(decision=decision).resolved_operating_point(3) == "argmax"


def test_config_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.Config().training.epochs = 3


@pytest.mark.parametrize("fold", [-1, 5, 7])
def test_a_fold_outside_the_folds_is_refused_with_both_flags(fold):
    with pytest.raises(ValueError, match=rf"^--fold={fold}: expected 0\.\.4, because --folds=5$"):
        config.DataConfig(split=choices.Split.KFOLD, fold=fold)


def test_fractions_that_leave_no_training_images_are_refused_with_both_flags():
    with pytest.raises(ValueError, match=r"--test_fraction=0\.6 and --validation_fraction=0\.4"):
        config.DataConfig(test_fraction=0.6, validation_fraction=0.4)


def test_a_folder_beside_the_synthetic_sample_is_refused():
    with pytest.raises(ValueError, match="--data=synthetic with --data_dir=films"):
        config.SourceConfig(data_dir=pathlib.Path("films"))


def test_patients_without_a_folder_are_refused():
    with pytest.raises(ValueError, match=r"--patients=p\.csv without --data_dir"):
        config.SourceConfig(patients=pathlib.Path("p.csv"))


def test_a_real_data_set_without_its_folder_is_refused():
    with pytest.raises(ValueError, match="--data=coronahack without --data_dir"):
        config.SourceConfig(data=choices.Data.CORONAHACK)


def test_a_further_data_set_beside_the_synthetic_sample_is_refused():
    with pytest.raises(ValueError, match="--extra_data_dir=films without --data_dir"):
        config.SourceConfig(extra_data_dir=("films",))


def test_a_further_data_set_may_name_its_kind():
    places = config.SourceConfig(
        data=None, data_dir=pathlib.Path("a"), extra_data_dir=("b", "covid_chestxray:c", "d:e")
    ).places()
    assert places == (
        (None, pathlib.Path("b")),
        (choices.Data.COVID_CHESTXRAY, pathlib.Path("c")),
        (None, pathlib.Path("d:e")),
    )


@pytest.mark.parametrize("texts", [("path",), (":file",), ("path:",), ("path:a", "path:b")])
def test_what_is_no_pair_is_refused(texts):
    with pytest.raises(ValueError, match=r"--columns=.*expected pairs A:B, each A once"):
        config.SourceConfig(columns=texts)


def test_leaving_a_source_out_needs_its_name():
    with pytest.raises(ValueError, match="--split=leave_one_source_out without --held_out_source"):
        config.DataConfig(split=choices.Split.LEAVE_ONE_SOURCE_OUT)


def test_frozen_batch_norm_on_random_weights_is_refused():
    with pytest.raises(ValueError, match="--batch_norm=frozen with --weights=none"):
        config.ModelConfig(batch_norm=choices.BatchNorm.FROZEN)


def test_weights_of_another_format_are_refused():
    with pytest.raises(
        ValueError, match=r"--weights=m\.pth: .* python -m weights_conversion makes"
    ):
        config.ModelConfig(weights=pathlib.Path("m.pth"))


@pytest.mark.parametrize("backbone", ["tiny", "cnn19", "vit_tiny16"])
def test_imagenet_weights_of_a_network_nobody_trained_are_refused(backbone):
    with pytest.raises(ValueError, match=f"--weights=imagenet with --backbone={backbone}"):
        config.ModelConfig(
            weights=choices.PublishedWeights.IMAGENET, backbone=choices.Backbone(backbone)
        )


@pytest.mark.parametrize(("backbone", "smallest"), [("inception_v3", 75), ("alexnet", 63)])
def test_an_image_too_small_for_the_backbone_is_refused(backbone, smallest):
    model = config.ModelConfig(backbone=choices.Backbone(backbone))
    config.Config(model=model, data=config.DataConfig(image_size=smallest))
    expected = f"^--image_size={smallest - 1}: expected {smallest} or more, because --backbone="
    with pytest.raises(ValueError, match=expected + backbone):
        config.Config(model=model, data=config.DataConfig(image_size=smallest - 1))


@pytest.mark.parametrize("backbone", ["vit_base16", "vit_tiny16"])
def test_an_image_that_the_patches_of_the_backbone_do_not_fill_is_refused(backbone):
    model = config.ModelConfig(backbone=choices.Backbone(backbone))
    config.Config(model=model, data=config.DataConfig(image_size=48))
    with pytest.raises(ValueError, match=f"^--image_size=56: .* multiple of 16, .*={backbone} "):
        config.Config(model=model, data=config.DataConfig(image_size=56))


@pytest.mark.parametrize(
    ("asked", "weights", "resolved"),
    [
        ("auto", None, "train"),
        ("auto", "a.weights.h5", "frozen"),
        ("train", "a.weights.h5", "train"),
        ("frozen", "a.weights.h5", "frozen"),
    ],
)
def test_auto_batch_norm_trains_on_random_weights_and_freezes_on_converted_ones(
    asked, weights, resolved
):
    model = config.ModelConfig(
        batch_norm=choices.BatchNorm(asked), weights=weights and pathlib.Path(weights)
    )
    assert model.resolved_batch_norm == resolved


@pytest.mark.parametrize("imbalance", sorted(set(choices.Imbalance) - {choices.Imbalance.NONE}))
def test_two_mechanisms_on_the_class_frequencies_are_refused_with_both_flags(imbalance):
    with pytest.raises(
        ValueError, match=rf"--focal_alpha=inverse_frequency with --imbalance={imbalance}"
    ):
        config.LossConfig(focal_alpha=config.INVERSE_FREQUENCY, imbalance=imbalance)


def test_alpha_from_the_frequencies_alone_is_accepted():
    loss = config.LossConfig(focal_alpha=config.INVERSE_FREQUENCY, imbalance=choices.Imbalance.NONE)
    assert loss.focal_alpha == config.INVERSE_FREQUENCY


@pytest.mark.parametrize(
    ("task", "alpha", "message"),
    [
        ("multiclass", (0.25,), r"--focal_alpha=0\.25: expected 3 numbers.*--task=multiclass"),
        ("binary", (0.3, 0.7), r"--focal_alpha=0\.3,0\.7: expected one number.*--task=binary"),
        ("binary", (1.0,), r"--focal_alpha=1: expected each to be a number from 0 \(excluded\)"),
        ("viral", (1.0, -1.0, 1.0), r"--focal_alpha=1,-1,1: expected each to be a number above 0"),
        ("viral", (1.0, math.nan, 1.0), r"expected each to be a number above 0"),
    ],
)
def test_alpha_that_does_not_fit_the_classes_is_refused_with_the_task(task, alpha, message):
    with pytest.raises(ValueError, match=message):
        config.Config(
            data=config.DataConfig(task=choices.Task(task)),
            loss=config.LossConfig(focal_alpha=alpha),
        )


def test_alpha_in_numbers_is_refused_where_the_data_decides_the_classes():
    with pytest.raises(ValueError, match="--focal_alpha with --task=source: the data decides"):
        config.Config(
            data=config.DataConfig(task=choices.Task.SOURCE),
            loss=config.LossConfig(focal_alpha=(0.5, 0.5)),
        )


@pytest.mark.parametrize(
    "task",
    [task for task in choices.Task if task.num_classes and task != "findings14_covid"],
)
def test_alpha_with_one_number_per_class_is_accepted(task):
    alpha = (0.25,) if task.num_classes == 2 else (2.0,) * task.num_classes
    if task.has_findings:
        alpha = (0.25,) * task.num_classes
    asked = config.Config(
        data=config.DataConfig(task=task), loss=config.LossConfig(focal_alpha=alpha)
    )
    assert asked.loss.focal_alpha == alpha


def test_a_head_phase_on_random_weights_is_refused_with_both_flags():
    with pytest.raises(ValueError, match="--head_epochs=2 with --weights=none"):
        _without_weights(head_epochs=2)


def test_a_run_that_trains_nothing_is_refused():
    with pytest.raises(ValueError, match="--head_epochs=0 and --epochs=0 train nothing"):
        _without_weights(epochs=0)


def test_a_warm_up_longer_than_the_training_is_refused_with_both_flags():
    with pytest.raises(ValueError, match=r"--warmup_epochs=4: expected 0\.\.3, because --epochs=3"):
        _without_weights(epochs=3, warmup_epochs=4)


def test_max_pixels_ends_where_pillow_refuses_an_image():
    twice = 2 * Image.MAX_IMAGE_PIXELS
    assert config.DataConfig(max_pixels=twice).max_pixels == twice
    with pytest.raises(ValueError, match=f"--max_pixels={twice + 1}: .* from 1 to {twice}$"):
        config.DataConfig(max_pixels=twice + 1)


@pytest.mark.parametrize(
    ("painted", "named"),
    [
        ({"view": choices.View.LUNGS_HIDDEN}, "--view=lungs_hidden"),
        ({"view": choices.View.BORDER_ONLY}, "--view=border_only"),
        ({"lung_masks": pathlib.Path("masks")}, "--lung_masks=masks"),
        (
            {"view": choices.View.LUNGS_ONLY, "lung_masks": pathlib.Path("masks")},
            "--lung_masks=masks",
        ),
    ],
)
def test_nothing_is_painted_over_images_that_are_cropped(painted, named):
    crop = choices.Preprocessing.LUNG_CROP
    with pytest.raises(ValueError, match=f"^{named} with --preprocessing=lung_crop: the crop"):
        config.DataConfig(preprocessing=crop, **painted)
    assert config.DataConfig(preprocessing=crop).preprocessing == "lung_crop"
