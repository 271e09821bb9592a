"""Answers, whatever they travel by: named arrays in, named arrays out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import numpy as np

from logo_tf.serving.batching import Batcher
from logo_tf.serving.batching_parameters import BatchingParameters
from logo_tf.serving.metrics import Metrics
from logo_tf.serving.servable import Arrays, Servable, Signature


class Runner(Protocol):
    """How a signature is called."""

    async def run(
        self, servable: Servable, signature: Signature, inputs: Arrays
    ) -> dict[str, np.ndarray]:
        """Call it with inputs that were checked."""

    def forget(self, servable: Servable) -> None:
        """Let go of what was kept for a version that ends."""

    def close(self) -> None:
        """Let the threads go."""


class Direct:
    """Every request is a call of its own, on one of a few threads."""

    def __init__(self, threads: int) -> None:
        self._executor = ThreadPoolExecutor(threads, "call")

    async def run(
        self, servable: Servable, signature: Signature, inputs: Arrays
    ) -> dict[str, np.ndarray]:
        """As ``Runner``."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, signature.call, inputs)

    def forget(self, servable: Servable) -> None:
        """As ``Runner``: nothing is kept."""

    def close(self) -> None:
        """As ``Runner``."""
        self._executor.shutdown(wait=False, cancel_futures=True)


class Batched(Direct):
    """Requests of a signature whose every first axis is free run together."""

    def __init__(self, parameters: BatchingParameters, metrics: Metrics) -> None:
        super().__init__(parameters.num_batch_threads)
        self._parameters = parameters
        self._metrics = metrics
        self._batchers: dict[Servable, dict[object, Batcher]] = {}

    async def run(
        self, servable: Servable, signature: Signature, inputs: Arrays
    ) -> dict[str, np.ndarray]:
        """As ``Runner``."""
        if not signature.batched:
            return await super().run(servable, signature, inputs)
        batchers = self._batchers.setdefault(servable, {})
        # Only rows of one shape can be joined; some inputs have further free axes.
        key = (signature.name, *((name, inputs[name].shape[1:]) for name in signature.inputs))
        batcher = batchers.get(key)
        if batcher is None:
            observe = self._metrics.batch_observer(servable.name)
            batcher = Batcher(signature, self._parameters, self._executor, observe)
            batchers[key] = batcher
        try:
            return await batcher.call(inputs)
        finally:
            if batcher.idle and len(batchers) > 100:  # shapes that come once stay no longer
                batchers.pop(key, None)

    def forget(self, servable: Servable) -> None:
        """As ``Runner``."""
        self._batchers.pop(servable, None)


class Core:
    """Checks and runs predictions.

    Constructor arguments:
      runner: how signatures are called.
      metrics: where the time of calls is counted.
    """

    def __init__(self, runner: Runner, metrics: Metrics) -> None:
        self._runner = runner
        self._metrics = metrics

    async def predict(
        self,
        servable: Servable,
        signature: Signature,
        inputs: Arrays,
        output_filter: Sequence[str] = (),
    ) -> dict[str, np.ndarray]:
        """Answer a request.

        Args:
          servable: held by the caller.
          signature: one of its.
          inputs: name -> array, of the signature's dtypes.
          output_filter: the outputs that are wanted; none is all.

        Raises:
          ServingError: INVALID_ARGUMENT, a name or shape is wrong; what batching refuses; what
            the graph complains about.
        """
        signature.check(inputs)
        signature.check_filter(output_filter)
        begun = time.perf_counter()
        outputs = await self._runner.run(servable, signature, inputs)
        self._metrics.ran(servable.name, time.perf_counter() - begun)
        return {name: outputs[name] for name in output_filter or signature.outputs}
