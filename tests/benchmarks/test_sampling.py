"""The samplers that ours are measured against read the same data."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture(scope="module")
def scripts(benchmark_script):
    return benchmark_script("sampling"), benchmark_script("sampling_worker")


@pytest.mark.parametrize("length", [1, 3])
def test_rivals_hand_out_rows_of_the_dataset(scripts, tmp_path, length):
    sampling, worker = scripts
    data = sampling.random_dataset(tmp_path / "data", 1, 2**40)
    states = {row.tobytes() for row in np.asarray(data.field("state"))}
    after = np.asarray(data.field("state"))

    drawn = worker.NumpySampler(data, length)()
    shape = (256,) if length == 1 else (256, length)
    assert drawn["state"].shape == (*shape, 17)
    assert drawn["inside"].reshape(256, -1)[:, 0].all()
    assert {row.tobytes() for row in drawn["state"].reshape(-1, 17)} <= states
    (row,) = np.flatnonzero((after == drawn["state"].reshape(-1, 17)[0]).all(axis=1))[:1]
    np.testing.assert_array_equal(drawn["next_state"].reshape(-1, 17)[0], after[row + 1])

    now, then = next(iter(worker.record_stream(data, length, tmp_path)))
    assert [part.shape[-1] for part in now] == [24, 17, 6, 1, 2]
    assert now[1].shape == then[1].shape == (256, length, 17)
    assert {row.tobytes() for row in now[1].numpy().reshape(-1, 17)} <= states
    if length > 1:
        np.testing.assert_array_equal(now[1][:, 1:], then[1][:, :-1])
