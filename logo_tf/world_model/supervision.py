"""What a batch teaches: targets and masks in standardised units, for LOGO and its rivals."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from logo_tf.data.transitions import Transitions
from logo_tf.world_model.scaling import Scaling


class Targets(NamedTuple):
    """What really happened, in standardised units.

    observations: (B, N, O) o'; state: (B, S) s'; reward: (B,); termination: (B,) 0 or 1;
    legal_actions: (B, N, L) 0 or 1.
    """

    observations: tf.Tensor
    state: tf.Tensor
    reward: tf.Tensor
    termination: tf.Tensor
    legal_actions: tf.Tensor


class Masks(NamedTuple):
    """What counts.

    rows: (B,) weight of each row; observations: (B, N, O) o' that were really seen;
    agents: (B, N) agents alive before the action; state: (S,) predicted dimensions;
    legal_actions: (N, L) existing actions.
    """

    rows: tf.Tensor
    observations: tf.Tensor
    agents: tf.Tensor
    state: tf.Tensor
    legal_actions: tf.Tensor


def targets_of(scaling: Scaling, batch: Transitions) -> Targets:
    """What a batch (B, ...) of real transitions led to."""
    return Targets(
        observations=scaling.observations(batch.next_observations, batch.next_agent_mask),
        state=scaling.state(batch.next_state),
        reward=scaling.reward(batch.rewards),
        termination=batch.terminals,
        legal_actions=tf.cast(batch.next_legal_actions, tf.float32),
    )


def masks_of(scaling: Scaling, batch: Transitions, rows: tf.Tensor) -> Masks:
    """What counts of a batch (B, ...) whose rows weigh ``rows`` (B,)."""
    spec = scaling.spec
    lived = batch.agent_mask * batch.next_agent_mask
    return Masks(
        rows=rows,
        observations=lived[..., None] * scaling.observation_mask,
        agents=batch.agent_mask,
        state=scaling.state_mask,
        legal_actions=spec.action_mask[:, : spec.legal_dim],
    )


def join_time(values: tf.Tensor) -> tf.Tensor:
    """(B, T, ...) -> (B*T, ...)."""
    return tf.reshape(values, (-1, *values.shape[2:]))
