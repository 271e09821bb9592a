"""Requests that arrive together run together: one call of the graph for the rows of several.

What limits it is TensorFlow Serving's ``batching_parameters.txt``. A batch leaves when it is
full or its first request has waited long enough, and a thread is free; while all are busy the
next one grows, so load makes batches larger and an idle server answers at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import NamedTuple

import numpy as np

from logo_tf.serving.batching_parameters import BatchingParameters
from logo_tf.serving.servable import Arrays, Signature
from logo_tf.serving.status import Code, ServingError, invalid


class _Waiting(NamedTuple):
    inputs: Arrays
    rows: int
    since: float
    answer: asyncio.Future[dict[str, np.ndarray]]


class Batcher:
    """Joins the requests of one signature whose rows have the same shape.

    Constructor arguments:
      signature: ``batched``.
      parameters: the limits.
      executor: what runs the calls.
      observe: told the rows of every call.
    """

    def __init__(
        self,
        signature: Signature,
        parameters: BatchingParameters,
        executor: Executor,
        observe: Callable[[int], None],
    ) -> None:
        self._signature = signature
        self._parameters = parameters
        self._executor = executor
        self._observe = observe
        self._waiting: list[_Waiting] = []
        self._running: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def idle(self) -> bool:
        """Whether nothing waits or runs."""
        return not self._waiting and not self._running

    async def call(self, inputs: Arrays) -> dict[str, np.ndarray]:
        """Answer a request, in the company of others.

        Raises:
          ServingError: INVALID_ARGUMENT, too many rows, or not as many of every input;
            UNAVAILABLE, too much waits already; what the graph complains about.
        """
        limit = self._parameters
        counts = {len(value) for value in inputs.values()}
        if len(counts) != 1:
            raise invalid(f"Batching input tensors must have equal 0th dimensions, got {counts}")
        rows = counts.pop()
        if rows > limit.max_batch_size:
            raise invalid(
                f"Task size {rows} is larger than maximum input batch size {limit.max_batch_size}"
            )
        if self._rows() + rows > limit.max_batch_size * limit.max_enqueued_batches:
            raise ServingError(
                Code.UNAVAILABLE,
                "The batch scheduling queue to which this task was submitted is full",
            )
        loop = asyncio.get_running_loop()
        request = _Waiting(inputs, rows, loop.time(), loop.create_future())
        self._waiting.append(request)
        self._leave()
        return await request.answer

    def _rows(self) -> int:
        return sum(request.rows for request in self._waiting)

    def _leave(self) -> None:
        """Start what may start now, and see to it that the rest is looked at again."""
        loop, limit = asyncio.get_running_loop(), self._parameters
        # Those that were cancelled, by a deadline or a client that left, need no answer.
        self._waiting = [request for request in self._waiting if not request.answer.done()]
        while self._waiting and len(self._running) < limit.num_batch_threads:
            due = self._waiting[0].since + limit.batch_timeout_micros / 1e6 - loop.time()
            if due > 0 and self._rows() < limit.max_batch_size:
                if self._timer is None:
                    self._timer = loop.call_later(due, self._wake)
                return
            task = loop.create_task(self._run(self._take()))
            self._running.add(task)

    def _wake(self) -> None:
        self._timer = None
        self._leave()

    def _take(self) -> list[_Waiting]:
        """The first requests, as many as fit."""
        count, rows = 0, 0
        for request in self._waiting:
            if rows + request.rows > self._parameters.max_batch_size:
                break
            count, rows = count + 1, rows + request.rows
        taken, self._waiting = self._waiting[:count], self._waiting[count:]
        return taken

    async def _run(self, batch: list[_Waiting]) -> None:
        try:
            try:
                answers = await self._call(batch)
            except ServingError as error:
                if len(batch) == 1:
                    _refuse(batch[0], error)
                else:  # one spoils it for all, so each is asked alone
                    for request in batch:
                        await self._run_alone(request)
            else:
                for request, answer in zip(batch, answers, strict=True):
                    if not request.answer.done():
                        request.answer.set_result(answer)
        finally:
            # Whatever went wrong, nobody is left waiting.
            for request in batch:
                _refuse(request, ServingError(Code.INTERNAL, "the batch could not be run"))
            task = asyncio.current_task()
            assert task is not None
            self._running.discard(task)
            self._leave()

    async def _run_alone(self, request: _Waiting) -> None:
        try:
            (answer,) = await self._call([request])
        except ServingError as error:
            _refuse(request, error)
        else:
            if not request.answer.done():
                request.answer.set_result(answer)

    async def _call(self, batch: list[_Waiting]) -> list[dict[str, np.ndarray]]:
        rows = sum(request.rows for request in batch)
        size = self._parameters.padded(rows) if rows else rows
        self._observe(size)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, self._answers, batch, rows, size)

    def _answers(self, batch: list[_Waiting], rows: int, size: int) -> list[dict[str, np.ndarray]]:
        """On a thread: join, call, split."""
        joined = {
            name: _joined([request.inputs[name] for request in batch], size - rows)
            for name in batch[0].inputs
        }
        outputs = self._signature.call(joined)
        for name, value in outputs.items():
            if value.ndim == 0 or len(value) != size:
                raise ServingError(
                    Code.FAILED_PRECONDITION,
                    f"Batched output tensor {name} has {len(value) if value.ndim else 'no'} rows, "
                    f"the batch has {size}; it cannot be split",
                )
        ends = np.cumsum([request.rows for request in batch])
        return [
            {name: value[end - request.rows : end] for name, value in outputs.items()}
            for request, end in zip(batch, ends, strict=True)
        ]


def _joined(parts: list[np.ndarray], padding: int) -> np.ndarray:
    if padding:
        parts = [*parts, np.repeat(parts[0][:1] if len(parts[0]) else parts[-1][:1], padding, 0)]
    return np.concatenate(parts) if len(parts) > 1 else parts[0]


def _refuse(request: _Waiting, error: ServingError) -> None:
    if not request.answer.done():
        request.answer.set_exception(error)
