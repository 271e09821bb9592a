"""How the shared behaviour policy acts: a Gaussian over vectors, or a choice among legal actions.

A head says what TF-Agents' networks are shown, builds the actor, draws actions from what
it answers and reads its weights. The rest of the training knows neither kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import tensorflow as tf
from tf_agents.agents.ppo import ppo_actor_network
from tf_agents.networks import (
    actor_distribution_network,
    mask_splitter_network,
    network,
    value_network,
)
from tf_agents.specs import tensor_spec

from logo_tf.scenarios.drawing import draw
from logo_tf.seeds import generator
from logo_tf.specs import ScenarioSpec

Parameters = dict[str, np.ndarray]


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

    def value(self, inner: network.Network) -> network.Network:
        """Wrap a value network of rows so that it takes all that is shown."""

    def shown(self, rows: Any, legal: Any) -> Any:
        """Return what the networks are shown of (..., O+N) rows and (..., L) legal actions."""

    def sample(self, parameters: Parameters, rng: np.random.Generator) -> np.ndarray:
        """Draw R actions: (R, A) float32 or (R,) int32."""


def shared_bounds(spec: ScenarioSpec) -> tuple[np.ndarray, np.ndarray]:
    """Return the bounds (A,), (A,) of a policy all agents share: the widest of them."""
    low = np.min(np.asarray(spec.action_low, np.float32), axis=0)
    return low, np.max(np.asarray(spec.action_high, np.float32), axis=0)


def action_head(spec: ScenarioSpec) -> Head:
    """Return the head of a scenario's kind of action."""
    return ChoiceHead(spec) if spec.discrete else GaussianHead(spec)


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

    def value(self, inner: network.Network) -> network.Network:
        """Rows are all that is shown."""
        return inner

    def shown(self, rows: Any, legal: Any) -> Any:
        """Rows alone."""
        del legal
        return rows

    def sample(self, parameters: Parameters, rng: np.random.Generator) -> np.ndarray:
        """Draw around the mean; not cut to the bounds."""
        mean = parameters["loc"]
        noise = rng.standard_normal(mean.shape, np.float32)
        return np.asarray(mean + parameters["scale_diag"] * noise)


class ChoiceHead:
    """A ``Head``: a softmax over the legal actions.

    Observations are not normalised: TF-Agents would do it to the mask as well, and SMAX's
    are shares and distances within -1 to 1 as they are.
    """

    normalises = False
    parameters = ("logits",)

    def __init__(self, spec: ScenarioSpec) -> None:
        """Args: spec: sizes N, O and A."""
        self._row_spec = _row_spec(spec)
        self.observation_spec = (self._row_spec, tf.TensorSpec((spec.action_dim,), tf.bool))
        self.action_spec = tensor_spec.BoundedTensorSpec((), tf.int32, 0, spec.action_dim - 1)

    def actor(self, hidden: Sequence[int], seed: int) -> network.Network:
        """A categorical network behind TF-Agents' mask splitter."""
        inner = actor_distribution_network.ActorDistributionNetwork(
            self._row_spec,
            self.action_spec,
            fc_layer_params=hidden,
            activation_fn=tf.keras.activations.tanh,
            kernel_initializer=tf.keras.initializers.Orthogonal(seed=seed),
        )
        actor = self._masked(inner, passes=True)
        actor.create_variables()
        # The logits' layer is one that nobody may seed; small weights begin near uniform.
        kernel = actor.trainable_weights[-2]
        kernel.assign(generator(seed, "logits").normal(0.0, 0.01, kernel.shape))
        return actor

    def value(self, inner: value_network.ValueNetwork) -> network.Network:
        """Drop the mask."""
        return self._masked(inner, passes=False)

    def shown(self, rows: Any, legal: Any) -> Any:
        """Rows and mask."""
        return rows, legal

    def sample(self, parameters: Parameters, rng: np.random.Generator) -> np.ndarray:
        """Draw by the softmax of the logits, which are hugely negative where illegal."""
        logits = parameters["logits"].astype(np.float64)
        weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return draw(weights, rng)

    def _masked(self, inner: network.Network, passes: bool) -> network.Network:
        return mask_splitter_network.MaskSplitterNetwork(
            lambda shown: shown,
            inner,
            passthrough_mask=passes,
            input_tensor_spec=self.observation_spec,
        )


def _row_spec(spec: ScenarioSpec) -> tf.TensorSpec:
    return tf.TensorSpec((spec.observation_dim + spec.num_agents,), tf.float32)
