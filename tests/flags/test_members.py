import pytest

from flags import choices, config, parse
from flags.members import members_of


def _config(line):
    return parse.config_from_flags(parse.flag_values_from_argv(["train", *line.split()]))


def test_a_member_is_a_backbone_and_what_decides_on_its_features():
    first, second = members_of(["resnet18", "mobilenet_v2:boosted_trees"])
    assert (first.backbone, first.classifier) == ("resnet18", "linear")
    assert (second.backbone, second.classifier) == ("mobilenet_v2", "boosted_trees")
    assert (first.name, second.name) == ("resnet18", "mobilenet_v2-boosted_trees")


def test_the_same_member_again_has_a_name_and_a_number_of_its_own():
    members = members_of(["tiny", "vgg19", "tiny", "tiny"])
    assert [member.name for member in members] == ["tiny", "vgg19", "tiny-2", "tiny-3"]
    assert [member.repeat for member in members] == [0, 0, 1, 2]


@pytest.mark.parametrize("text", ["resnet19", "", "tiny:trees", "tiny:"])
def test_what_is_no_member_is_refused_with_the_words_there_are(text):
    with pytest.raises(
        ValueError, match=rf"^--members=tiny,{text}: expected BACKBONE or .*alexnet"
    ):
        members_of(["tiny", text])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--members=tiny", "--members=tiny: expected two or more; name one in --backbone"),
        ("--members=tiny,tiny --backbone=tiny", "--backbone=tiny with --members=tiny,tiny: each"),
        (
            "--members=tiny,tiny --classifier=linear",
            "--classifier=linear with --members=tiny,tiny: each member names its own",
        ),
        ("--combine=stacking", "--combine=stacking without --members: it acts only on an"),
        ("--members=tiny,tiny --weights=a.weights.h5", "--weights=a.weights.h5 with --members="),
        ("--member_weights=a.weights.h5", "--member_weights=a.weights.h5 without --members"),
        (
            "--members=tiny,tiny --member_weights=a.weights.h5",
            "--member_weights=a.weights.h5: expected a file that exists",
        ),
        ("--members=tiny,tiny --member_weights=a.h5", "--member_weights=a.h5: expected none"),
        ("--members=tiny,alexnet --image_size=62", "expected 63 or more, because --members=tiny,"),
        ("--members=tiny,tiny --weights=imagenet", "--weights=imagenet with --members=tiny"),
        ("--loss=ce --classifier=boosted_trees", "--classifier=boosted_trees with --weights=none"),
        (
            "--loss=ce --members=tiny,tiny:boosted_trees",
            "with --weights=none: boosted trees on random features mean nothing; name a file in "
            "--member_weights",
        ),
        (
            "--loss=focal --classifier=boosted_trees --weights=imagenet",
            "--loss=focal with boosted_trees: trees are grown under cross-entropy; add --loss=ce",
        ),
        (
            "--loss=ce --classifier=boosted_trees --weights=imagenet --epochs=3",
            "--epochs=3 with boosted_trees alone: no network is trained; drop it",
        ),
        (
            "--loss=ce --members=resnet18:boosted_trees,resnet34:boosted_trees --weights=imagenet "
            "--dropout=.5",
            "--dropout=0.5 with boosted_trees alone: no network is trained; drop it",
        ),
    ],
)
def test_flags_of_an_ensemble_that_contradict_each_other_are_refused(line, message):
    with pytest.raises(ValueError) as caught:
        _config(line)
    assert message in str(caught.value)


def test_an_ensemble_asks_for_images_that_every_member_takes():
    assert _config("--members=tiny,inception_v3").data.image_size == 75
    assert _config("--members=tiny,vgg19").data.image_size == 64


def test_an_ensemble_of_random_weights_skips_phase_1():
    assert _config("--members=tiny,tiny").training.head_epochs == 0
    assert not _config("--members=tiny,tiny").model.is_pretrained


def test_weights_of_members_are_weights_worth_keeping(tmp_path):
    (tmp_path / "a.weights.h5").touch()
    asked = _config(f"--members=tiny,tiny --member_weights={tmp_path / 'a.weights.h5'}")
    assert asked.training.head_epochs == 3
    assert asked.model.resolved_batch_norm is choices.BatchNorm.FROZEN


def test_members_on_the_command_line_go_before_the_backbone_of_a_preset():
    asked = _config("--flagfile=flags/presets/smoke.cfg --members=tiny,tiny")
    assert [member.name for member in asked.model.ensemble] == ["tiny", "tiny-2"]


def test_a_backbone_on_the_command_line_goes_before_the_members_of_a_flag_file(tmp_path):
    (tmp_path / "mine.cfg").write_text("--members=tiny,tiny\n--combine=stacking\n")
    asked = _config(f"--flagfile={tmp_path / 'mine.cfg'} --backbone=tiny")
    assert asked.model.ensemble == ()
    assert asked.model.backbone is choices.Backbone.TINY


def test_the_backbones_of_an_ensemble_are_named_once():
    model = config.ModelConfig(members=("tiny", "vgg19", "tiny"))
    assert model.backbones == (choices.Backbone.TINY, choices.Backbone.VGG19)
    assert config.ModelConfig().backbones == (choices.Backbone.RESNET50,)
