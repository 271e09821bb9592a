"""A look into the imagination: what the model expects of a policy, and how it is weighted."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tensorflow as tf

from logo_tf.data.pipeline import windows
from logo_tf.data.store import Dataset
from logo_tf.imagination.config import ImaginationConfig
from logo_tf.imagination.rollout import GraphPolicy, make_imagine, make_remember
from logo_tf.imagination.sampling import make_sampler
from logo_tf.seeds import pair
from logo_tf.world_model.judging.accumulation import accumulate
from logo_tf.world_model.protocol import Simulator


def imagined_figures(
    model: Simulator,
    policy: GraphPolicy,
    dataset: Dataset,
    config: ImaginationConfig,
    count: int,
    seed: int,
    context: int = 0,
) -> dict[str, Any]:
    """Imagine transitions from real states and weigh them as the sampler would.

    Args:
      model: the world model.
      policy: acts in it.
      dataset: its states are where branches begin.
      config: horizon and sampler.
      count: imagined transitions wanted, rounded up to whole branches.
      seed: fixes the branches.
      context: real rows before a branch that fill the memories of model and policy.

    Returns:
      For JSON: transitions (valid ones), horizon, ess_fraction ((sum w)^2 / sum w^2
      over their number), reward_mean, valid_share (before a predicted end),
      uncertainty_by_step (H,) medians of Eq. 5, and up to 2000 pairs of uncertainty, as
      the sampler sees it, and weight (mean 1).
    """
    branches = math.ceil(count / config.horizon)
    rows, inside = next(iter(windows(dataset, None, 1, branches, seed, context=context)))
    before, start = (
        tf.nest.map_structure(lambda field, part=part: field[:, part], rows)
        for part in (slice(context), context)
    )
    memories = make_remember(model, policy)(before, inside[:, :context])
    imagine = make_imagine(model, policy, config.horizon)
    rollout = imagine(start, tf.constant(pair(seed, "imagine"), tf.int32), memories)
    valid = rollout.valid.numpy() > 0.5
    by_step = rollout.uncertainty.numpy()
    uncertainty = accumulate(by_step, config.accumulation)[valid]
    sampler = make_sampler(config)
    logs = np.asarray(sampler.log_weights(tf.constant(uncertainty)), np.float64)
    weights = np.exp(logs - logs.max())
    weights /= weights.mean()
    shown = np.linspace(0, len(weights) - 1, min(len(weights), 2000)).astype(int)
    return {
        "transitions": len(uncertainty),
        "horizon": config.horizon,
        "ess_fraction": float(weights.sum() ** 2 / np.sum(weights**2) / len(weights)),
        "reward_mean": float(np.mean(rollout.transitions.rewards.numpy()[valid])),
        "valid_share": float(np.mean(valid)),
        "uncertainty_by_step": [
            float(np.median(step[alive])) if alive.any() else 0.0
            for step, alive in zip(by_step, valid, strict=True)
        ],
        "uncertainty": uncertainty[shown].astype(float).tolist(),
        "weights": weights[shown].tolist(),
    }
