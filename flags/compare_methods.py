"""What the published methods of a comparison ask for: their presets, and the flags beside them."""

from absl import flags as absl_flags

from flags import choices, compare_flags, data_flags, parse, training_flags
from flags.compare_config import CompareConfig
from flags.config import Config
from flags.dependent_flags import OF_TRAINING
from flags.preset_files import preset_values


def presets_from_flags(
    asked: Config,
    comparison: CompareConfig,
    flag_values: absl_flags.FlagValues = absl_flags.FLAGS,
) -> dict[tuple[str, str], Config]:
    """Returns what each published method asks for, by the name of its preset and the task.

    Args:
      asked: what `config_from_flags` made of the same flags.
      comparison: likewise, `comparison_from_flags`.
      flag_values: flags after parsing.

    Raises:
      ValueError: if a preset and the flags do not go together.
    """
    return {
        (name, task.value): preset_config(name, task, asked.data.image_size, flag_values)
        for name in comparison.presets
        for task in comparison.tasks
    }


def preset_config(
    name: str,
    task: choices.Task,
    image_size: int,
    flag_values: absl_flags.FlagValues = absl_flags.FLAGS,
) -> Config:
    """Returns what a preset asks of network, loss and training, with the flags given beside it.

    Its data is not read: a comparison has its own. Its backbones count as pretrained.

    Args:
      name: of the preset.
      task: of the cells.
      image_size: of the comparison, pixels.
      flag_values: flags after parsing.

    Raises:
      ValueError: if the preset and the flags do not go together.
    """
    values = preset_values(name)
    trees = values.get("classifier") == choices.Classifier.BOOSTED_TREES
    given = {
        holder.name: flag_values[holder.name].serialize().split("\n")[0]
        for holder in (*compare_flags.FINETUNING, data_flags.PREPROCESSING)
        if flag_values[holder.name].present
        and holder is not compare_flags.FINETUNE_SEEDS
        # What is asked of all methods yields where one has no use for it.
        and not (trees and holder.name in OF_TRAINING)
    }
    if "epochs" in given and "warmup_epochs" not in given:
        epochs = int(flag_values[training_flags.EPOCHS.name].value or 0)
        given["warmup_epochs"] = f"--warmup_epochs={min(epochs, int(values['warmup_epochs']))}"
    argv = [f"--system={name}", "--data=synthetic", f"--task={task}", f"--image_size={image_size}"]
    try:
        of_preset = parse.flag_values_from_argv(["compare", *argv, *given.values()])
        return parse.config_from_flags(of_preset, weights=choices.SystemWeights.SYSTEM)
    except ValueError as error:
        raise ValueError(f"--{compare_flags.SYSTEMS.name}={name}: {error}") from error
