"""Prometheus' figures, under the names that dashboards of TensorFlow Serving look for."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from logo_tf.serving.status import Code

PATH = "/monitoring/prometheus/metrics"
# Microseconds, the borders that TensorFlow Serving has.
_BUCKETS = tuple(10 * 1.8**power for power in range(33))


class Metrics:
    """Counts requests; names of models that are not served are not counted one by one.

    Constructor arguments:
      names: gives the models that are, so that strangers cannot invent labels.
    """

    def __init__(self, names: Callable[[], Iterable[str]]) -> None:
        self._names = names
        self._registry = CollectorRegistry()
        self._requests = Counter(
            ":tensorflow:serving:request_count",
            "Requests by model and status.",
            ("model_name", "status"),
            registry=self._registry,
        )
        self._latency = Histogram(
            ":tensorflow:serving:request_latency",
            "Microseconds of whole requests.",
            ("model_name", "API", "entrypoint"),
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._runtime = Histogram(
            ":tensorflow:serving:runtime_latency",
            "Microseconds of the graph, waiting for a batch included.",
            ("model_name", "API", "runtime"),
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._batches = Histogram(
            ":tensorflow:serving:batching_session:processed_batch_size",
            "Rows of the calls that batching made.",
            ("model_name",),
            buckets=tuple(2**power for power in range(15)),
            registry=self._registry,
        )

    def answered(self, model: str, api: str, entrypoint: str, code: Code, seconds: float) -> None:
        """Count a request.

        Args:
          model: that it named.
          api: such as ``predict``.
          entrypoint: ``REST`` or ``GRPC``.
          code: how it ended.
          seconds: that it took.
        """
        known = model if model in self._names() else "unknown"
        self._requests.labels(known, code.name).inc()
        self._latency.labels(known, api, entrypoint).observe(seconds * 1e6)

    def ran(self, model: str, seconds: float) -> None:
        """Count a run of a graph."""
        self._runtime.labels(model, "Predict", "TF2").observe(seconds * 1e6)

    def batch_observer(self, model: str) -> Callable[[int], None]:
        """What counts the rows of a batch."""
        observe: Callable[[int], None] = self._batches.labels(model).observe
        return observe

    def text(self) -> bytes:
        """All figures in Prometheus' text format."""
        # The client adds a suffix to counters, which the names to be matched do not have.
        return generate_latest(self._registry).replace(b":request_count_total", b":request_count")
