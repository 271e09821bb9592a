"""The world model's settings and what they refuse."""

from __future__ import annotations

import pytest

from logo_tf import config as configs
from logo_tf.errors import LogoError
from logo_tf.world_model.config import EnsembleConfig, LogoConfig, WorldModelConfig


def test_round_trip():
    config = WorldModelConfig(width=7, logo=LogoConfig(auxiliary="own", local_action="own"))
    assert configs.from_dict(WorldModelConfig, configs.to_dict(config)) == config


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 0}, "width must be above 0"),
        ({"unroll_share": 1.5}, "unroll_share must be in 0..1"),
        ({"reward_weight": -1.0}, "reward_weight is negative"),
        ({"warmup_steps": -1}, "warmup_steps must not be negative"),
        ({"batch_size": 4, "unroll": 4}, "too small for windows"),
        ({"logo": LogoConfig(memory=4, burn_in=300)}, "of 300 rows of burn-in and 4 more"),
        ({"kind": "mamba", "batch_size": 8}, "of 8 rows of burn-in and 4 more"),
        ({"validate_every": 150}, "must be a multiple of"),
    ],
)
def test_refusals(settings, message):
    with pytest.raises(LogoError, match=message):
        WorldModelConfig(**settings)


def test_refusals_of_a_kinds_own_settings():
    with pytest.raises(LogoError, match="decoder_share must be in 0..1"):
        LogoConfig(decoder_share=2.0)
    with pytest.raises(LogoError, match=r"logo\.auxiliary must be own"):
        LogoConfig(local_action="own")
    with pytest.raises(LogoError, match=r"elites must be in 1\.\.2, got 3"):
        EnsembleConfig(members=2)


def test_open_loop_training_takes_the_last_share():
    assert WorldModelConfig(steps=1000, unroll_share=0.4).unroll_start == 600
    assert WorldModelConfig(steps=1000, unroll=1).unroll_start == 1000
