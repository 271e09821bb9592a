"""Serving signatures: clean names, plain tensors, and nothing of Keras or TFP in the graph.

``serving_default`` of a world model:

| input          | shape, dtype                                              |
|----------------|-----------------------------------------------------------|
| `observations` | (B, N, O) float32, raw units, zero where padded           |
| `actions`      | (B, N) int32 choices, or (B, N, A) float32 vectors        |
| `state`        | (B, S) float32, raw units                                 |

answers `next_observations` (B, N, O), `next_state` (B, S) and `reward` (B,), each with its
spread `..._std`, `termination` (B,) a probability, `legal_actions` (B, N, A) probabilities
(discrete actions only) and `uncertainty` (B,). A calibrated model also answers
`state_error_bound` (B,), which the root mean square error of `next_state`, in standard
deviations over the dimensions that are predicted, stays below with the stated coverage.
Who lives is read from the observations: in a scenario with a no-op, an agent is dead
exactly when its observation is all zero.

``serving_default`` of a policy: `observations` as above and, for discrete actions,
`legal_actions` (B, N, A) float32, legal above 0.5 (a number, so that clients may send the
0 and 1 of environments, and so that SavedModel and TFLite files are fed the same), answers
`actions`, (B, N) int32 or (B, N, A) float32. Where nothing is legal it answers 0. A policy
with a memory takes `memory` (B, N, M) float32, zeros as an episode begins, and answers
`next_memory`, which the next call is to be given.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import tensorflow as tf

from logo_tf.specs import ScenarioSpec

if TYPE_CHECKING:
    from logo_tf.artifacts import Manifest
    from logo_tf.world_model.calibration import Calibration
    from logo_tf.world_model.protocol import Prediction, WorldModel

SIGNATURE = "serving_default"
# Below every score a network can give, and finite, so that TFLite has it too.
_NEVER = float(np.finfo(np.float32).min)


class ExportablePolicy(Protocol):
    """What an export needs of a trained policy."""

    @property
    def spec(self) -> ScenarioSpec:
        """The scenario it acts in."""

    @property
    def manifest(self) -> Manifest:
        """The manifest of its run."""

    @property
    def memory_dim(self) -> int:
        """M, what each agent remembers; 0 is nothing."""

    def act_on(
        self,
        observations: np.ndarray,
        legal_actions: np.ndarray,
        memory: np.ndarray,
        rng: np.random.Generator,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Choose joint actions, as ``Remembering`` policies do."""

    def agent_function(self, index: int) -> Callable[..., tuple[tf.Tensor, Any]]:
        """Return agent i's deterministic policy.

        It takes (B, O_i) and, with a memory, (B, M); it returns (B, A_i) actions, or
        scores, and the memory after them.
        """

    def shared_function(self) -> Callable[..., tuple[tf.Tensor, Any]]:
        """Return the deterministic policy of any agent.

        As ``agent_function``'s, but of (B, O) and (B, A), and it takes who acts, (B,)
        int32, after the observations.
        """


class Traced(NamedTuple):
    """A traced signature and what it needs.

    function: the concrete function; module: a plain ``tf.Module`` that holds the
    variables it reads, and nothing else, so that whatever classes they came from,
    none is needed to load the export (and none is lost before it is written).
    """

    function: Any
    module: tf.Module


def world_model_signature(model: WorldModel) -> Traced:
    """Trace a world model's ``serving_default``, with a free batch size; see above."""
    spec = model.spec

    def answer(
        observations: tf.Tensor, actions: tf.Tensor, state: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        mask = agent_mask(observations, spec)
        predicted = model.step(state, observations, actions, mask)
        return prediction_tensors(predicted, spec, bound_without_memory(model))

    return trace(answer, row_inputs(spec))


def row_inputs(spec: ScenarioSpec) -> list[tf.TensorSpec]:
    """`observations`, `actions` and `state` of a free number of rows."""
    return [
        float_input((None, spec.num_agents, spec.observation_dim), "observations"),
        tf.TensorSpec((None, *spec.action_shape), tf.as_dtype(spec.action_dtype), "actions"),
        float_input((None, spec.state_dim), "state"),
    ]


def bound_without_memory(model: WorldModel) -> Calibration | None:
    """A model's calibration, but for one with a memory: with one that was not empty it was made."""
    return None if model.memory_dim else model.calibration


def policy_signature(policy: ExportablePolicy) -> Traced:
    """Trace a joint policy's ``serving_default``, with a free batch size; see above."""
    spec, n = policy.spec, policy.spec.num_agents
    agents = [policy.agent_function(i) for i in range(n)]
    inputs = [float_input((None, n, spec.observation_dim), "observations")]
    if spec.discrete:
        inputs.append(float_input((None, n, spec.action_dim), "legal_actions"))
    if policy.memory_dim:
        inputs.append(float_input((None, n, policy.memory_dim), "memory"))

    def answer(**given: tf.Tensor) -> dict[str, tf.Tensor]:
        chosen, memories = [], []
        for i, agent in enumerate(agents):
            observation = given["observations"][:, i, : spec.observation_dims[i]]
            memory = given["memory"][:, i] if policy.memory_dim else ()
            outputs, after = agent(observation, memory)
            if spec.discrete:
                legal = given["legal_actions"][:, i, : spec.action_dims[i]]
                chosen.append(best_legal(outputs, legal))
            else:
                padding = spec.action_dim - spec.action_dims[i]
                chosen.append(tf.pad(outputs, [[0, 0], [0, padding]]))
            memories.append(after)
        named = {"actions": tf.stack(chosen, axis=1)}
        if policy.memory_dim:
            named["next_memory"] = tf.stack(memories, axis=1)
        return named

    return trace_named(answer, inputs)


def agent_signature(policy: ExportablePolicy, agent: int) -> Traced:
    """Trace one agent's policy for an edge device: a batch of 1, no randomness.

    Returns:
      The signature `observation` (1, O_i) [, `memory` (1, M)] -> `action` (1, A_i) float32
      [, `next_memory` (1, M)], or, with `legal_actions` (1, A_i) float32 too, `action` (1,)
      int32.
    """
    spec = policy.spec
    function = policy.agent_function(agent)

    def outputs(given: dict[str, tf.Tensor]) -> tuple[tf.Tensor, Any]:
        return function(given["observation"], given.get("memory", ()))

    widths = spec.observation_dims[agent], spec.action_dims[agent]
    return _edge_signature(policy, outputs, *widths, [])


def shared_signature(policy: ExportablePolicy) -> Traced:
    """Trace the policy of any agent for an edge device, which says whose part it plays.

    Returns:
      As ``agent_signature``, O_i and A_i being the widest agent's O and A, with `agent` (1,)
      int32 too.
    """
    spec, function = policy.spec, policy.shared_function()

    def outputs(given: dict[str, tf.Tensor]) -> tuple[tf.Tensor, Any]:
        return function(given["observation"], given["agent"], given.get("memory", ()))

    who = tf.TensorSpec((1,), tf.int32, "agent")
    return _edge_signature(policy, outputs, spec.observation_dim, spec.action_dim, [who])


def _edge_signature(
    policy: ExportablePolicy,
    outputs: Callable[[dict[str, tf.Tensor]], tuple[tf.Tensor, Any]],
    observation_dim: int,
    action_dim: int,
    more: list[tf.TensorSpec],
) -> Traced:
    inputs = [float_input((1, observation_dim), "observation"), *more]
    if policy.spec.discrete:
        inputs.append(float_input((1, action_dim), "legal_actions"))
    if policy.memory_dim:
        inputs.append(float_input((1, policy.memory_dim), "memory"))

    def answer(**given: tf.Tensor) -> dict[str, tf.Tensor]:
        action, after = outputs(given)
        if policy.spec.discrete:
            action = best_legal(action, given["legal_actions"])
        named = {"action": tf.identity(action)}
        if policy.memory_dim:
            named["next_memory"] = tf.identity(after)
        return named

    return trace_named(answer, inputs)


def agent_mask(observations: tf.Tensor, spec: ScenarioSpec) -> tf.Tensor:
    """Return (B, N) float32, 0 for agents that are dead: whose observation is all zero.

    Only scenarios with a no-op have dead agents; elsewhere all live.
    """
    if spec.noop_action is None:
        return tf.ones(tf.shape(observations)[:-1], tf.float32)
    return tf.cast(tf.reduce_any(tf.not_equal(observations, 0.0), axis=-1), tf.float32)


def prediction_tensors(
    prediction: Prediction, spec: ScenarioSpec, calibration: Calibration | None
) -> dict[str, tf.Tensor]:
    """Name a prediction's tensors as the signature does, and bound its error if calibrated."""
    named = {
        "next_observations": prediction.observations,
        "next_observations_std": prediction.observations_std,
        "next_state": prediction.state,
        "next_state_std": prediction.state_std,
        "reward": prediction.reward,
        "reward_std": prediction.reward_std,
        "termination": prediction.termination,
        "uncertainty": prediction.uncertainty,
    }
    if spec.discrete:
        named["legal_actions"] = prediction.legal_actions
    if calibration is not None:
        named["state_error_bound"] = calibration.bound(prediction.uncertainty)
    # A signature's outputs must be its own tensors, never its inputs handed through.
    return {name: tf.identity(tensor, name) for name, tensor in named.items()}


def mask_illegal(scores: tf.Tensor, legal_actions: tf.Tensor) -> tf.Tensor:
    """Return scores (B, A) with illegal actions (at most 0.5) below every legal one."""
    return tf.where(legal_actions > 0.5, scores, tf.constant(_NEVER, scores.dtype))


def best_legal(scores: tf.Tensor, legal_actions: tf.Tensor) -> tf.Tensor:
    """Return (B,) int32, the legal action of the highest score; 0 where none is legal."""
    return tf.argmax(mask_illegal(scores, legal_actions), axis=-1, output_type=tf.int32)


def describe(function: Any) -> dict[str, dict[str, dict[str, Any]]]:
    """Say what a concrete function takes and gives, as JSON can hold it; -1 is a free size."""
    positional, named = function.structured_input_signature
    inputs = {spec.name: spec for spec in (*positional, *named.values())}
    outputs = function.structured_outputs
    return {
        "inputs": {name: _described(inputs[name]) for name in inputs},
        "outputs": {name: _described(outputs[name]) for name in sorted(outputs)},
    }


def trace(answer: Callable[..., Any], inputs: list[tf.TensorSpec]) -> Traced:
    """Trace a function of named inputs, given in the same order, that answers named tensors."""
    function = tf.function(answer, input_signature=inputs).get_concrete_function()
    module = tf.Module()
    module.weights = list(function.variables)
    return Traced(function, module)


def trace_named(answer: Callable[..., Any], inputs: list[tf.TensorSpec]) -> Traced:
    """As ``trace``, of an answer that is given its inputs by name."""
    names = [spec.name for spec in inputs]
    return trace(lambda *given: answer(**dict(zip(names, given, strict=True))), inputs)


def _described(tensor: Any) -> dict[str, Any]:
    shape = [-1 if size is None else size for size in tensor.shape]
    return {"dtype": tensor.dtype.name, "shape": shape}


def float_input(shape: tuple[int | None, ...], name: str) -> tf.TensorSpec:
    """An input of float32; None is a free size."""
    return tf.TensorSpec(shape, tf.float32, name)
