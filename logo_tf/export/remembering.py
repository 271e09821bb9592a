"""Signatures of a world model with a memory, one step at a time.

``serving_default`` and ``imagine`` begin with an empty memory, as an episode does. ``step`` is
``serving_default`` that is also given `memory` (B, N, M) float32, and also answers `next_memory`
(B, N, M). ``observe`` is asked the same, of a row that really happened, and answers `next_memory`
alone. What comes next is given the memory that the row before it left, or zeros.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

from logo_tf.export.signatures import (
    Traced,
    agent_mask,
    float_input,
    prediction_tensors,
    row_inputs,
    trace,
)

if TYPE_CHECKING:
    from logo_tf.world_model.protocol import WorldModel

STEP, OBSERVE = "step", "observe"


def step_signature(model: WorldModel) -> Traced:
    """Trace ``step``, with a free batch size; see above."""
    spec = model.spec

    def answer(
        observations: tf.Tensor, actions: tf.Tensor, state: tf.Tensor, memory: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        alive = agent_mask(observations, spec)
        predicted = model.step(state, observations, actions, alive, memory)
        named = prediction_tensors(predicted, spec, model.calibration)
        return named | {"next_memory": tf.identity(predicted.memory)}

    return trace(answer, _inputs(model))


def observe_signature(model: WorldModel) -> Traced:
    """Trace ``observe``, with a free batch size; see above."""

    def answer(
        observations: tf.Tensor, actions: tf.Tensor, state: tf.Tensor, memory: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        alive = agent_mask(observations, model.spec)
        after = model.observe(state, observations, actions, alive, memory)
        return {"next_memory": tf.identity(after)}

    return trace(answer, _inputs(model))


def _inputs(model: WorldModel) -> list[tf.TensorSpec]:
    memory = (None, model.spec.num_agents, model.memory_dim)
    return [*row_inputs(model.spec), float_input(memory, "memory")]
