"""Tiny datasets and untrained models that the world-model tests share."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import tensorflow as tf

from logo_tf.data import pipeline
from logo_tf.data.standardisation import standardisation
from logo_tf.data.store import Dataset, write_dataset
from logo_tf.data.transitions import Transitions
from logo_tf.world_model.config import WorldModelConfig
from logo_tf.world_model.logo import LogoWorldModel
from logo_tf.world_model.protocol import WorldModel
from logo_tf.world_model.registry import build

TINY = {
    "width": 8,
    "batch_size": 8,
    "unroll": 2,
    "steps": 12,
    "log_every": 2,
    "validate_every": 4,
    "validation_windows": 8,
    "validation_horizon": 2,
    "warmup_steps": 2,
}


@pytest.fixture(scope="session")
def tiny_settings() -> dict[str, int]:
    """Settings of a model that trains in a moment."""
    return TINY


@pytest.fixture(scope="session")
def datasets(tmp_path_factory, continuous_spec, discrete_spec, make_episodes) -> dict[str, Dataset]:
    """A continuous and a discrete dataset of 20 toy episodes of 8 steps."""
    folder = tmp_path_factory.mktemp("world-model-data")
    return {
        spec.action_kind: write_dataset(
            folder / spec.action_kind, spec, make_episodes(spec, 20), config={}, provenance={}
        )
        for spec in (continuous_spec, discrete_spec)
    }


@pytest.fixture(scope="session")
def tiny_model(datasets) -> Callable[..., LogoWorldModel]:
    """``tiny_model("discrete", seed=0, **settings)``: an untrained model of 8 units."""

    def make(kind: str, seed: int = 0, **settings: object) -> LogoWorldModel:
        dataset = datasets[kind]
        config = WorldModelConfig(**(TINY | settings))
        return LogoWorldModel(config, dataset.spec, standardisation(dataset), seed)

    return make


@pytest.fixture(scope="session")
def any_model(datasets) -> Callable[..., WorldModel]:
    """``any_model("discrete", kind="ensemble", **settings)``: likewise, of any kind."""

    def make(action_kind: str, seed: int = 0, **settings: object) -> WorldModel:
        dataset = datasets[action_kind]
        config = WorldModelConfig(**(TINY | settings))
        return build(config, dataset.spec, standardisation(dataset), seed)

    return make


@pytest.fixture(scope="session")
def window(datasets) -> Callable[..., tuple[Transitions, tf.Tensor]]:
    """``window("discrete", length=2, batch=6)``: one batch of windows and its mask."""

    def make(kind: str, length: int = 2, batch: int = 6) -> tuple[Transitions, tf.Tensor]:
        return next(iter(pipeline.windows(datasets[kind], None, length, batch, seed=3)))

    return make
