"""What is made of the network's logits: probabilities, a decision, predictive values."""

import dataclasses

from flags import choices
from flags.interval import BETWEEN_0_AND_1, Interval, RangeChecked, within

_OF_ONE_CLASS = (
    choices.OperatingPoint.YOUDEN,
    choices.OperatingPoint.SENSITIVITY,
    choices.OperatingPoint.SPECIFICITY,
    choices.OperatingPoint.PRECISION,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DecisionConfig(RangeChecked):
    """How probabilities are calibrated and what is decided by them, chosen on validation.

    Attributes:
      calibration: what is fitted on the validation split.
      operating_point: what the decision aims at.
      operating_value: sensitivity, specificity or precision to reach, in (0, 1]; read under
        `operating_point` sensitivity, specificity and precision.
      operating_class: the class that the threshold and `prevalence` are for; None for the last
        class, and under `operating_point` auto for no threshold with several classes.
      prevalence: share of that class, in (0, 1), at which predictive values are given; None for
        none.
    """

    calibration: choices.Calibration = choices.Calibration.AUTO
    operating_point: choices.OperatingPoint = choices.OperatingPoint.AUTO
    operating_value: float = within(Interval(0, 1, open_low=True), 0.95)
    operating_class: str | None = None
    prevalence: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.prevalence is not None and self.prevalence not in BETWEEN_0_AND_1:
            raise ValueError(f"--prevalence={self.prevalence}: expected {BETWEEN_0_AND_1}")
        if self.operating_class == "":
            raise ValueError("--operating_class=: expected a class, got nothing; drop the flag")

    def check_point_fits(self, task: choices.Task) -> None:
        """Raises ValueError unless a threshold has a class that it is for."""
        if task.has_findings:
            self._check_findings(task)
            return
        several = task.num_classes is None or task.num_classes > 2
        if several and self.operating_class is None and self.operating_point in _OF_ONE_CLASS:
            raise ValueError(
                f"--operating_point={self.operating_point} with --task={task}: a threshold needs "
                "a class of several; name it with --operating_class, such as COVID-19"
            )

    def _check_findings(self, task: choices.Task) -> None:
        """Raises ValueError unless what is asked for is of every finding alike."""
        of_one = (choices.OperatingPoint.AUTO, *_OF_ONE_CLASS)
        if self.operating_point not in of_one:
            raise ValueError(
                f"--operating_point={self.operating_point} with --task={task}: each finding has a "
                f"threshold of its own; expected one of {', '.join(of_one)}"
            )
        for name in ("operating_class", "prevalence"):
            value = getattr(self, name)
            if value is not None:
                raise ValueError(
                    f"--{name}={value} with --task={task}: it is for one class of a task whose "
                    f"classes exclude each other, and here are several findings; drop --{name}"
                )
