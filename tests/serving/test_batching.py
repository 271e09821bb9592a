"""Requests that run together, and what joins or parts them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from logo_tf.errors import LogoError
from logo_tf.serving.batching import Batcher
from logo_tf.serving.batching_parameters import BatchingParameters, read_parameters
from logo_tf.serving.status import Code, ServingError


class Doubles:
    """A signature whose calls wait until they may go; rows of 13 are refused, 14 lose a row."""

    def __init__(self) -> None:
        self.calls: list[list[float]] = []
        self.may_go = threading.Event()
        self.may_go.set()

    def call(self, inputs: Any) -> dict[str, np.ndarray]:
        assert self.may_go.wait(30)
        x = inputs["x"]
        self.calls.append(x[:, 0].tolist())
        if (x == 13).any():
            raise ServingError(Code.INVALID_ARGUMENT, "thirteen")
        return {"y": 2 * x[:-1] if (x == 14).any() else 2 * x}


def answers(
    parameters: BatchingParameters, signature: Doubles, *requests: list[float], busy: bool = False
) -> list[Any]:
    """What each request gets; ``busy``: the first one keeps the only thread until all are there."""

    async def ask() -> list[Any]:
        with ThreadPoolExecutor(2) as executor:
            batcher = Batcher(signature, parameters, executor, lambda _: None)  # type: ignore[arg-type]
            if busy:
                signature.may_go.clear()
            arrays = [{"x": np.array(rows, np.float32)[:, None]} for rows in requests]
            tasks = [asyncio.create_task(batcher.call(one)) for one in arrays]
            await asyncio.sleep(0.02)
            signature.may_go.set()
            done = await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.sleep(0)
            assert batcher.idle
            return done

    found = asyncio.run(ask())
    return [one["y"][:, 0].tolist() if isinstance(one, dict) else one for one in found]


ONE = BatchingParameters(max_batch_size=4, num_batch_threads=1)


def test_what_arrives_while_a_call_runs_is_the_next_call() -> None:
    signature = Doubles()
    found = answers(ONE, signature, [1], [2, 3], [4], [5], [6, 7, 8], busy=True)
    assert found == [[2], [4, 6], [8], [10], [12, 14, 16]]
    assert signature.calls == [[1], [2, 3, 4, 5], [6, 7, 8]]


def test_requests_wait_for_company_as_long_as_they_are_told_to() -> None:
    signature = Doubles()
    waits = BatchingParameters(max_batch_size=4, num_batch_threads=1, batch_timeout_micros=10_000)
    assert answers(waits, signature, [1], [2]) == [[2], [4]]
    assert signature.calls == [[1, 2]]
    forever = BatchingParameters(max_batch_size=2, batch_timeout_micros=10**9)
    assert answers(forever, signature, [1], [2]) == [[2], [4]]  # full at once


def test_the_errors_of_one_are_not_those_of_others() -> None:
    signature = Doubles()
    found = answers(ONE, signature, [1], [2], [13], [4], busy=True)
    assert [found[0], found[1], found[3]] == [[2], [4], [8]]
    assert str(found[2]) == "thirteen"


def test_calls_are_filled_up_to_allowed_sizes() -> None:
    signature = Doubles()
    sized = BatchingParameters(4, num_batch_threads=1, allowed_batch_sizes=(2, 4))
    assert answers(sized, signature, [1], [2, 3, 5], [7], busy=True) == [[2], [4, 6, 10], [14]]
    assert signature.calls == [[1, 1], [2, 3, 5, 7]]


def test_limits() -> None:
    small = BatchingParameters(max_batch_size=2, num_batch_threads=1, max_enqueued_batches=1)
    found = answers(small, Doubles(), [1], [2, 3], [4], [5, 6, 7], busy=True)
    assert found[:2] == [[2], [4, 6]]
    assert found[2].code is Code.UNAVAILABLE
    assert "queue to which this task was submitted is full" in found[2].message
    assert found[3].code is Code.INVALID_ARGUMENT
    assert "Task size 3 is larger than maximum input batch size 2" in found[3].message


def test_outputs_that_cannot_be_split_are_refused() -> None:
    (found,) = answers(ONE, Doubles(), [14, 1])
    assert found.code is Code.FAILED_PRECONDITION
    assert "Batched output tensor y has 1 rows, the batch has 2" in found.message


def test_one_who_leaves_is_not_waited_for() -> None:
    async def ask() -> list[list[float]]:
        signature = Doubles()
        with ThreadPoolExecutor(1) as executor:
            batcher = Batcher(signature, ONE, executor, lambda _: None)  # type: ignore[arg-type]
            signature.may_go.clear()
            arrays = [{"x": np.full((1, 1), n, np.float32)} for n in (1, 2, 3)]
            tasks = [asyncio.create_task(batcher.call(one)) for one in arrays]
            await asyncio.sleep(0.02)
            tasks[1].cancel()
            await asyncio.sleep(0)
            signature.may_go.set()
            await asyncio.gather(*tasks, return_exceptions=True)
        return signature.calls

    assert asyncio.run(ask()) == [[1], [3]]


def test_requests_of_one_shape_are_joined_and_of_two_are_not(
    shared: Any, predict_request: Callable[..., Any]
) -> None:
    requests = [
        predict_request(
            "kinds", {"a": np.full((1, width), n, np.float32), "k": np.array([n], np.int64)}
        )
        for n, width in enumerate([1, 2, 1, 2, 3, 1] * 4)
        if n != 13
    ]
    futures = [shared.predictions.Predict.future(one, timeout=30) for one in requests]
    for request, future in zip(requests, futures, strict=True):
        k = np.frombuffer(request.inputs["k"].tensor_content or b"\0" * 8, np.int64)
        k = request.inputs["k"].int64_val[0] if request.inputs["k"].int64_val else int(k[0])
        outputs = future.result().outputs
        assert np.frombuffer(outputs["k"].tensor_content, np.int64).tolist() == [2 * k]


def test_parameters_are_read_from_tensorflow_servings_file(tmp_path: Path) -> None:
    file = tmp_path / "batching_parameters.txt"
    file.write_text(
        "max_batch_size { value: 8 } batch_timeout_micros { value: 500 }\n"
        "num_batch_threads { value: 3 } allowed_batch_sizes: 4 allowed_batch_sizes: 8\n"
        'thread_pool_name { value: "x" } pad_variable_length_inputs: true',
        encoding="utf-8",
    )
    read = read_parameters(file)
    assert read == BatchingParameters(8, 500, num_batch_threads=3, allowed_batch_sizes=(4, 8))
    for text, message in (
        ("max_batch_size: 3", r"parameters\.txt: line 1: not a BatchingParameters"),
        ("max_batch_size { value: 0 }", "sizes and threads must be at least 1"),
        ("allowed_batch_sizes: 2", r"must ascend and end with max_batch_size \(256\), got \[2\]"),
    ):
        file.write_text(text, encoding="utf-8")
        with pytest.raises(LogoError, match=message):
            read_parameters(file)
