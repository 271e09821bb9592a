"""Comparing world models: on which episodes, under which names, and which is best."""

import dataclasses

import numpy as np
import pytest

from logo_tf.artifacts import Manifest
from logo_tf.config import to_dict
from logo_tf.errors import LogoError
from logo_tf.evaluation.comparison import COLUMNS, best_runs, held_out_by_all, labels_of
from logo_tf.world_model.artifact import split_of
from logo_tf.world_model.config import WorldModelConfig

BY_NAME = {column.name: column for column in COLUMNS}


def manifest_of(dataset, seed=0, test_share=0.1, parent=None):
    config = dataclasses.replace(WorldModelConfig(), test_share=test_share)
    return Manifest(
        kind="world_model",
        spec=dataset.spec.to_dict(),
        config={"model": to_dict(config), "seed": seed},
        parents={"dataset": parent or dataset.manifest.hash},
    )


def test_one_seed_shares_the_test_split(tiny_dataset):
    dataset = tiny_dataset("continuous")
    model = manifest_of(dataset)
    found = held_out_by_all({"a": model, "b": model}, dataset)
    assert found.episodes.tolist() == split_of(dataset, WorldModelConfig(), 0).test.tolist()
    assert found.said == "held out by every training"
    assert held_out_by_all({"a": model}, dataset).said == "held out by its training"


def test_other_seeds_share_what_both_held_out(tiny_dataset):
    dataset = tiny_dataset("continuous")
    config = WorldModelConfig(test_share=0.6)
    models = {str(seed): manifest_of(dataset, seed, 0.6) for seed in (0, 1)}
    tests = [split_of(dataset, config, seed).test for seed in (0, 1)]
    found = held_out_by_all(models, dataset).episodes
    assert 0 < len(found) < len(tests[0])
    assert set(found) == set(tests[0]) & set(tests[1])


def test_nothing_held_out_by_all_is_refused_with_the_remedy(tiny_dataset):
    dataset = tiny_dataset("continuous")
    tests = {s: set(split_of(dataset, WorldModelConfig(), s).test) for s in range(10)}
    other = next(seed for seed in tests if not tests[seed] & tests[0])
    models = {"a": manifest_of(dataset), "b": manifest_of(dataset, other)}
    with pytest.raises(LogoError, match=rf"a \(seed 0\), b \(seed {other}\); train them with one"):
        held_out_by_all(models, dataset)


def test_models_of_another_dataset_have_seen_nothing_of_this_one(tiny_dataset):
    dataset = tiny_dataset("continuous")
    stranger = manifest_of(dataset, seed=1, parent="0" * 64)
    assert held_out_by_all({"a": stranger}, dataset).episodes is None
    both = held_out_by_all({"a": stranger, "b": manifest_of(dataset)}, dataset).episodes
    assert np.array_equal(both, split_of(dataset, WorldModelConfig(), 0).test)


def test_labels_are_names_unless_they_are_equal():
    assert labels_of(["runs/a", "runs/b"]) == ["a", "b"]
    assert labels_of(["x/a", "y/a", "b"]) == ["x/a", "y/a", "b"]
    with pytest.raises(LogoError, match="named twice"):
        labels_of(["x/a", "x/../x/a"])


@pytest.mark.parametrize(
    ("name", "values", "best"),
    [
        ("state_nrmse_1", [0.3, 0.2, None], ["1"]),
        ("state_nrmse_1", [0.2, 0.2, 0.4], ["0", "1"]),
        ("legal_actions_accuracy", [0.9, 0.95, 0.1], ["1"]),
        ("coverage_1", [0.99, 0.88, 0.8], ["1"]),
        ("parameters", [1, 2, 3], []),
        ("state_nll", [None, None, None], []),
    ],
)
def test_the_best_of_a_column(name, values, best):
    rows = [{"run": str(i), name: value, "promised": 0.9} for i, value in enumerate(values)]
    assert best_runs(rows, BY_NAME[name]) == best
