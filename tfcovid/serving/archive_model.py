"""The SavedModel as Apache Beam's RunInference takes it; importing this needs Beam."""

from collections.abc import Iterator, Sequence
from typing import Any

from apache_beam.ml.inference.base import ModelHandler, PredictionResult

from tfcovid.serving.archive_jobs import ArchiveJob, ScoringModel, score_job


class ArchiveModelHandler(ModelHandler[ArchiveJob, PredictionResult, Any]):
    """Scores jobs. The batches that the network sees are made inside a job, of the files in order.

    Beam's own batches would depend on how fast the machine is, and with them the last digit of
    a probability.
    """

    def __init__(self, model: ScoringModel):
        super().__init__()
        self._model = model

    def load_model(self) -> Any:
        """Returns the model's signature; called once in a process."""
        return self._model.signature()

    def run_inference(
        self,
        batch: Sequence[ArchiveJob],
        model: Any,
        inference_args: dict[str, Any] | None = None,
    ) -> Iterator[PredictionResult]:
        """Yields what each job of the batch gives, a `Scored`."""
        for job in batch:
            yield PredictionResult(job, score_job(job, model, self._model.rule()))

    def batch_elements_kwargs(self) -> dict[str, int]:
        """Returns that a job is a batch."""
        return {"min_batch_size": 1, "max_batch_size": 1}

    def get_num_bytes(self, batch: Sequence[ArchiveJob]) -> int:
        """Returns the bytes of the files that a batch has read."""
        return sum(max(size, 0) for job in batch for _, size, _ in job.images)

    def get_metrics_namespace(self) -> str:
        """Returns the name that the runner's counters go under."""
        return "tfcovid"
