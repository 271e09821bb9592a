"""Signatures of a world model that imagine: whole rollouts in one call.

``imagine``, under given actions: `observations` (B, N, O) float32, `state` (B, S) float32 and
`actions` (B, H, N) int32 or (B, H, N, A) float32. H is that of the actions.

``imagine_policy``, under the policy that was exported with the model: `observations` and
`state` as above, for discrete actions `legal_actions` (B, N, A) float32 (legal above 0.5), and
for all rows together `horizon` () int32, `exploration` () float32 and `seed` (2,) int32. With an
exploration of 0 the policy does its best, and the seed changes nothing; above, vectors get
Gaussian noise of so many half widths of their bounds, and choices are drawn uniformly among
the legal ones with that chance.

Both answer, with an axis H after B, what ``serving_default`` does of each step: the next
observations, state, reward, with their spreads, termination, legal actions, uncertainty, and
the bound of the state's error, which is infinite at steps that the calibration did not reach.
`running` (B, H) is 1 up to and with the step that ends the scenario; later steps mean nothing.
`actions` are those that were taken. What the dead would see is zero.

H is 1 to ``LONGEST``; others are refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from logo_tf.export.signatures import (
    Traced,
    agent_mask,
    bound_without_memory,
    float_input,
    prediction_tensors,
    trace,
    trace_named,
)
from logo_tf.imagination.rollout import (
    Branch,
    Choose,
    GraphPolicy,
    Memories,
    Rollout,
    rows_first,
    unroll,
)
from logo_tf.world_model.judging.accumulation import accumulate
from logo_tf.world_model.protocol import Prediction

if TYPE_CHECKING:
    from logo_tf.specs import ScenarioSpec
    from logo_tf.world_model.calibration import Calibration
    from logo_tf.world_model.protocol import WorldModel

IMAGINE, IMAGINE_POLICY = "imagine", "imagine_policy"
LONGEST = 1000
_KEPT = tuple(name for name in Prediction._fields if name != "memory")


def imagine_signature(model: WorldModel) -> Traced:
    """Trace ``imagine``, with a free batch size and horizon; see above."""
    spec = model.spec
    kind = tf.as_dtype(spec.action_dtype)
    inputs = [
        *_start(spec),
        tf.TensorSpec((None, None, *spec.action_shape), kind, "actions"),
    ]

    def answer(
        observations: tf.Tensor, state: tf.Tensor, actions: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        horizon = tf.shape(actions)[1]

        def choose(t: tf.Tensor, now: Branch) -> tuple[tf.Tensor, tf.Tensor]:
            return tf.gather(actions, t, axis=1), now.memories.policy

        everything = tf.ones((tf.shape(state)[0], spec.num_agents, spec.legal_dim), tf.bool)
        return _imagined(model, choose, observations, state, everything, horizon, 0)

    return trace(answer, inputs)


def imagine_policy_signature(
    model: WorldModel, exploring: Callable[[tf.Tensor], GraphPolicy]
) -> Traced:
    """Trace ``imagine_policy``; see above.

    Args:
      model: the world model.
      exploring: the policy, given how much it explores, a tensor ().
    """
    spec = model.spec
    inputs = [
        *_start(spec),
        tf.TensorSpec((), tf.int32, "horizon"),
        float_input((), "exploration"),
        tf.TensorSpec((2,), tf.int32, "seed"),
    ]
    if spec.discrete:
        inputs.append(float_input((None, spec.num_agents, spec.action_dim), "legal_actions"))

    def answer(**given: tf.Tensor) -> dict[str, tf.Tensor]:
        policy, state = exploring(given["exploration"]), given["state"]

        def choose(t: tf.Tensor, now: Branch) -> tuple[tf.Tensor, tf.Tensor]:
            own = tf.random.fold_in(given["seed"], t)
            return policy.act(now.observations, now.legal_actions, now.memories.policy, own)

        if spec.discrete:
            legal = given["legal_actions"] > 0.5
        else:
            legal = tf.zeros((tf.shape(state)[0], spec.num_agents, 0), tf.bool)
        return _imagined(
            model,
            choose,
            given["observations"],
            state,
            legal,
            given["horizon"],
            policy.memory_dim,
        )

    return trace_named(answer, inputs)


def _start(spec: ScenarioSpec) -> list[tf.TensorSpec]:
    return [
        float_input((None, spec.num_agents, spec.observation_dim), "observations"),
        float_input((None, spec.state_dim), "state"),
    ]


def _imagined(
    model: WorldModel,
    choose: Choose,
    observations: tf.Tensor,
    state: tf.Tensor,
    legal: tf.Tensor,
    horizon: tf.Tensor,
    memory_dim: int,
) -> dict[str, tf.Tensor]:
    """What both signatures answer, (B, H, ...), of a policy that remembers (B, N, M)."""
    spec, rows = model.spec, tf.shape(state)[0]
    fits = tf.debugging.Assert(
        tf.logical_and(horizon >= 1, horizon <= LONGEST),
        [f"the horizon must be 1 to {LONGEST}, got", horizon],
    )
    with tf.control_dependencies([fits]):
        horizon = tf.identity(horizon)
    sizes = memory_dim, model.memory_dim
    start = Branch(
        observations,
        state,
        legal,
        agent_mask(observations, spec),
        Memories(*(tf.zeros((rows, spec.num_agents, size)) for size in sizes)),
        tf.ones((rows,)),
    )
    calibration = bound_without_memory(model)

    def keep(step: Rollout, predicted: Prediction) -> tuple[Any, ...]:
        fields = {name: getattr(predicted, name) for name in _KEPT}
        # Those of the branch: there, the dead see nothing.
        fields["observations"] = step.transitions.next_observations
        return fields, step.valid, step.transitions.actions

    _, (fields, running, actions) = unroll(model, choose, start, horizon, keep)
    answer = prediction_tensors(Prediction(**fields, memory=None), spec, None)
    answer |= {"running": running, "actions": actions}
    if calibration is not None:
        answer["state_error_bound"] = _bounds(fields["uncertainty"], calibration)
    return {name: rows_first(value) for name, value in answer.items()}


def _bounds(uncertainty: tf.Tensor, calibration: Calibration) -> tf.Tensor:
    """(H, B) bounds; infinity, which no error exceeds, where none was measured."""
    known = calibration.horizon
    signal = accumulate(uncertainty, calibration.accumulation)
    length = tf.shape(signal)[0]
    # Rows beyond the branch's end are made up for steps that it does not have, and cut again.
    padded = tf.pad(signal, [[0, tf.maximum(known - length, 0)], [0, 0]])
    bounds = tf.stack([calibration.bound(padded[k], k + 1) for k in range(known)])
    beyond = tf.fill((tf.maximum(length - known, 0), tf.shape(signal)[1]), float("inf"))
    return tf.concat([bounds, beyond], axis=0)[:length]
