"""What the server counts, in Prometheus' text format."""

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

CONTENT_TYPE = prometheus_client.CONTENT_TYPE_LATEST
_OF_REQUEST = ("asked", "status")
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_IMAGES = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """The figures of one server.

    Attributes:
      requests: by what was asked ("predict", "classify", "other") and the status of the answer.
      seconds: from the first byte of a request that came to the last of its answer, likewise.
      images: classified.
      batch_sizes: images of a call of the model.
      waiting: images accepted and not yet answered.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "tfcovid_requests", "Requests answered.", _OF_REQUEST, registry=self._registry
        )
        self.seconds = Histogram(
            "tfcovid_request_seconds",
            "What a request took.",
            _OF_REQUEST,
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.images = Counter("tfcovid_images", "Images classified.", registry=self._registry)
        self.batch_sizes = Histogram(
            "tfcovid_batch_size",
            "Images of one call of the model.",
            buckets=_IMAGES,
            registry=self._registry,
        )
        self.waiting = Gauge(
            "tfcovid_waiting_images", "Images that wait for an answer.", registry=self._registry
        )
        # process_resident_memory_bytes and its like, where the system has /proc.
        prometheus_client.ProcessCollector(registry=self._registry)

    def text(self) -> bytes:
        """Returns all figures as Prometheus reads them."""
        return prometheus_client.generate_latest(self._registry)
