"""How the shared behaviour policy acts: a Gaussian over vectors, or a choice among legal actions.

A head says what TF-Agents' networks are shown, builds the actor, draws actions from what
it answers and reads its weights. The rest of the training knows neither kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from tf_agents.agents.ppo import ppo_actor_network
from tf_agents.networks import nest_map, network, sequential, value_network
from tf_agents.specs import tensor_spec

from logo_tf.agents.behaviour_rollout import Parameters, Seen
from logo_tf.scenarios.drawing import draw
from logo_tf.seeds import generator
from logo_tf.specs import ScenarioSpec


class Head(Protocol):
    """What differs between vectors and choices.

    Attributes:
      observation_spec: of what the networks are shown.
      action_spec: of one agent's action.
      normalises: whether TF-Agents keeps the mean and variance of what is shown, and
        subtracts and divides by them.
      parameters: of the action's distribution, as TF-Agents calls them.
    """

    observation_spec: Any
    action_spec: tensor_spec.BoundedTensorSpec
    normalises: bool
    parameters: tuple[str, ...]

    def actor(self, hidden: Sequence[int], seed: int) -> network.Network:
        """Build the policy's network, with tanh layers of the widths ``hidden``."""

    def value(self, hidden: Sequence[int], seed: int) -> network.Network:
        """Build the value's network, likewise."""

    def shown(self, seen: Seen) -> Any:
        """Return what the networks are shown, a nest like ``observation_spec``."""

    def sample(self, parameters: Parameters, rng: np.random.Generator) -> np.ndarray:
        """Draw R actions: (R, A) float32 or (R,) int32."""


def shared_bounds(spec: ScenarioSpec) -> tuple[np.ndarray, np.ndarray]:
    """Return the bounds (A,), (A,) of a policy all agents share: the widest of them."""
    low = np.min(np.asarray(spec.action_low, np.float32), axis=0)
    return low, np.max(np.asarray(spec.action_high, np.float32), axis=0)


def action_head(spec: ScenarioSpec, initial_gain: float = 0.01) -> Head:
    """Return the head of a scenario's kind of action; the gain is ``ChoiceHead``'s."""
    if spec.discrete:
        return ChoiceHead(spec, initial_gain)
    return GaussianHead(spec)


class GaussianHead:
    """A ``Head``: the mean is squashed into the bounds, the std is one number a dimension."""

    normalises = True
    parameters = ("loc", "scale_diag")

    def __init__(self, spec: ScenarioSpec) -> None:
        """Args: spec: sizes N, O and A, and the action bounds."""
        self.observation_spec = _row_spec(spec)
        self.action_spec = tensor_spec.BoundedTensorSpec(
            (spec.action_dim,), tf.float32, *shared_bounds(spec)
        )

    def actor(self, hidden: Sequence[int], seed: int) -> network.Network:
        """TF-Agents' own network for PPO."""
        return ppo_actor_network.PPOActorNetwork().create_sequential_actor_net(
            hidden, self.action_spec, seed=seed
        )

    def value(self, hidden: Sequence[int], seed: int) -> network.Network:
        """TF-Agents' own, of the agent's row."""
        return _value_network(self.observation_spec, hidden, seed)

    def shown(self, seen: Seen) -> Any:
        """Rows alone."""
        return tf.constant(seen.rows)

    def sample(self, parameters: Parameters, rng: np.random.Generator) -> np.ndarray:
        """Draw around the mean; not cut to the bounds."""
        mean = parameters["loc"]
        noise = rng.standard_normal(mean.shape, np.float32)
        return np.asarray(mean + parameters["scale_diag"] * noise)


class ChoiceHead:
    """A ``Head``: a softmax over the legal actions, and a value that knows the state.

    With the state the value can tell how a battle stands that an agent sees little of, or
    nothing, being dead (Yu et al. 2022, MAPPO). Its entries, map units among them, are
    flattened to sign(x) log(1 + abs(x)).

    Observations are not normalised: TF-Agents would do it to the mask as well, and SMAX's
    are shares and distances within -1 to 1 as they are.
    """

    normalises = False
    parameters = ("logits",)

    def __init__(self, spec: ScenarioSpec, initial_gain: float) -> None:
        """Args: spec: sizes N, O and A; initial_gain: of the layer that logits come from."""
        self._initial_gain = initial_gain
        self._choices = spec.action_dim
        row, state = _row_spec(spec), tf.TensorSpec((spec.state_dim,), tf.float32)
        self.observation_spec = (row, tf.TensorSpec((spec.action_dim,), tf.bool), state)
        self._value_spec = tf.TensorSpec((row.shape[0] + spec.state_dim,), tf.float32)
        self.action_spec = tensor_spec.BoundedTensorSpec((), tf.int32, 0, spec.action_dim - 1)

    def actor(self, hidden: Sequence[int], seed: int) -> network.Network:
        """Dense layers to logits, and a categorical distribution over the legal ones.

        TF-Agents' own ``CategoricalProjectionNetwork`` fails with NumPy 2.
        """
        orthogonal = tf.keras.initializers.Orthogonal
        layers = [
            tf.keras.layers.Dense(width, "tanh", kernel_initializer=orthogonal(seed=seed + depth))
            for depth, width in enumerate(hidden)
        ]
        last = orthogonal(gain=self._initial_gain, seed=seed + len(layers))
        layers.append(tf.keras.layers.Dense(self._choices, kernel_initializer=last))
        as_it_is = tf.keras.layers.Lambda(tf.identity)
        return sequential.Sequential(
            [
                nest_map.NestMap((sequential.Sequential(layers), as_it_is, as_it_is)),
                tf.keras.layers.Lambda(lambda shown: _legal_choice(shown[0], shown[1])),
            ]
        )

    def value(self, hidden: Sequence[int], seed: int) -> network.Network:
        """TF-Agents' own, of the agent's row and the state."""
        return sequential.Sequential(
            [
                tf.keras.layers.Lambda(lambda shown: _row_and_state(shown[0], shown[2])),
                _value_network(self._value_spec, hidden, seed),
            ]
        )

    def shown(self, seen: Seen) -> Any:
        """Rows, mask and states."""
        return tuple(tf.constant(array) for array in seen)

    def sample(self, parameters: Parameters, rng: np.random.Generator) -> np.ndarray:
        """Draw by the softmax of the logits, which are hugely negative where illegal."""
        logits = parameters["logits"].astype(np.float64)
        weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return draw(weights, rng)


def _legal_choice(logits: tf.Tensor, legal: tf.Tensor) -> tfp.distributions.Categorical:
    # Not minus infinity, of which gradients are no numbers.
    masked = tf.where(legal, logits, tf.float32.min)
    return tfp.distributions.Categorical(logits=masked)


def _row_and_state(rows: tf.Tensor, states: tf.Tensor) -> tf.Tensor:
    return tf.concat([rows, tf.sign(states) * tf.math.log1p(tf.abs(states))], axis=-1)


def _value_network(
    spec: tf.TensorSpec, hidden: Sequence[int], seed: int
) -> value_network.ValueNetwork:
    value = value_network.ValueNetwork(
        spec,
        fc_layer_params=hidden,
        activation_fn=tf.keras.activations.tanh,
        kernel_initializer=tf.keras.initializers.Orthogonal(seed=seed + 1),
    )
    value.create_variables()
    # The last layer's is the one initialiser that ValueNetwork lets nobody seed.
    kernel = value.trainable_weights[-2]
    kernel.assign(generator(seed, "value").uniform(-0.03, 0.03, kernel.shape))
    return value


def _row_spec(spec: ScenarioSpec) -> tf.TensorSpec:
    return tf.TensorSpec((spec.observation_dim + spec.num_agents,), tf.float32)
