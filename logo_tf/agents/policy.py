"""A trained policy, read back from its artefact."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from logo_tf import artifacts
from logo_tf.agents.actor import Gru, TeamActor
from logo_tf.agents.config import PolicyConfig
from logo_tf.agents.offline_agent import UNSCALED, AgentSetup, OfflineAgent, RewardScale
from logo_tf.agents.registry import build_agent
from logo_tf.agents.team_policy import graph_policy, greedy_actions
from logo_tf.agents.units import action_range
from logo_tf.artifacts import Manifest
from logo_tf.config import from_dict
from logo_tf.errors import LogoError
from logo_tf.imagination.rollout import GraphPolicy
from logo_tf.shapes import check_shapes
from logo_tf.specs import ScenarioSpec

WEIGHTS = "weights/networks"
REWARDS = "rewards.json"


class AgentFunction(tf.Module):
    """One agent's own policy in plain ops, for export: nothing of TF-Agents or the others.

    Continuous: raw observations (B, O_i) -> actions (B, A_i) within the agent's bounds.
    Discrete: raw observations (B, O_i) -> logits or values (B, A_i), unmasked: the caller,
    who knows what is legal, takes the largest legal one.

    With a memory it also takes (B, M), zeros as an episode begins, and returns the next one.
    """

    def __init__(self, spec: ScenarioSpec, actor: TeamActor, index: int) -> None:
        """Copy agent ``index``'s weights out of the shared actor."""
        super().__init__(name=f"agent_{index}")
        self.observation_dim = spec.observation_dims[index]
        self.action_dim = spec.action_dims[index]
        self.memory_dim = actor.memory_dim
        self._discrete = spec.discrete
        layers = actor.agent_layers(index)
        self._hidden = [(_fixed(kernel), _fixed(bias)) for kernel, bias in layers.hidden]
        self._gru = None if layers.gru is None else Gru(*map(_fixed, layers.gru))
        self._kernel, self._bias = map(_fixed, layers.output)
        if not spec.discrete:
            centre, half = action_range(spec)
            self._centre = tf.constant(centre[index, : self.action_dim])
            self._half = tf.constant(half[index, : self.action_dim])

    def __call__(self, observations: tf.Tensor, memory: Any = ()) -> tuple[tf.Tensor, Any]:
        """(B, O_i) raw float32 and (B, M), if it has one -> (B, A_i) float32 and (B, M)."""
        (kernel, bias), *hidden = self._hidden
        features = tf.linalg.matmul(observations, kernel) + bias
        outputs, memory = _above(features, hidden, self._gru, (self._kernel, self._bias), memory)
        if not self._discrete:
            outputs = self._centre + self._half * tf.tanh(outputs)
        return outputs, memory


class SharedFunction(tf.Module):
    """Any agent's policy in plain ops, for export: all that agents share is there once.

    Raw observations (B, O), padded with zeros, and who sees them, (B,) int32, -> actions
    (B, A), zero where padded, or logits or values (B, A), unmasked. With a memory it also
    takes (B, M) and returns the next one.
    """

    def __init__(self, spec: ScenarioSpec, actor: TeamActor) -> None:
        """Copy the weights out of the actor."""
        super().__init__(name="shared")
        self._discrete = spec.discrete
        layers = actor.shared_layers()
        self._mean, self._std, self._agent_bias = map(_fixed, layers.agents)
        (kernel, bias), *hidden = layers.hidden
        self._first = _fixed(kernel), _fixed(bias)
        self._hidden = [(_fixed(kernel), _fixed(bias)) for kernel, bias in hidden]
        self._gru = None if layers.gru is None else Gru(*map(_fixed, layers.gru))
        self._output = tuple(map(_fixed, layers.output))
        self._mask = tf.constant(spec.observation_mask)
        if not spec.discrete:
            self._centre, self._half = map(tf.constant, action_range(spec))

    def __call__(
        self, observations: tf.Tensor, agent: tf.Tensor, memory: Any = ()
    ) -> tuple[tf.Tensor, Any]:
        """(B, O) raw float32, (B,) int32 and (B, M), if it has one -> (B, A) and (B, M)."""

        def own(table: tf.Tensor) -> tf.Tensor:
            return tf.gather(table, agent)

        standard = (observations - own(self._mean)) / own(self._std) * own(self._mask)
        kernel, bias = self._first
        features = tf.linalg.matmul(standard, kernel) + bias + own(self._agent_bias)
        outputs, memory = _above(features, self._hidden, self._gru, self._output, memory)
        if not self._discrete:
            outputs = own(self._centre) + own(self._half) * tf.tanh(outputs)
        return outputs, memory


def _above(
    features: tf.Tensor,
    hidden: Sequence[tuple[tf.Tensor, tf.Tensor]],
    gru: Gru | None,
    output: tuple[tf.Tensor, tf.Tensor],
    memory: Any,
) -> tuple[tf.Tensor, Any]:
    """What stands above the first layer, whose sums (B, W) come without their relu."""
    features = tf.nn.relu(features)
    for kernel, bias in hidden:
        features = tf.nn.relu(tf.linalg.matmul(features, kernel) + bias)
    if gru is not None:
        features = memory = _gru_step(gru, features, memory)
    kernel, bias = output
    return tf.linalg.matmul(features, kernel) + bias, memory


def _gru_step(gru: Gru, inputs: tf.Tensor, memory: tf.Tensor) -> tf.Tensor:
    """One step of ``tf_keras``'s GRU cell in plain ops."""
    of_inputs = tf.linalg.matmul(inputs, gru.kernel) + gru.bias[0]
    of_memory = tf.linalg.matmul(memory, gru.recurrent) + gru.bias[1]
    update, reset, candidate = tf.split(of_inputs, 3, axis=-1)
    update_m, reset_m, candidate_m = tf.split(of_memory, 3, axis=-1)
    keep = tf.sigmoid(update + update_m)
    new = tf.tanh(candidate + tf.sigmoid(reset + reset_m) * candidate_m)
    return keep * memory + (1.0 - keep) * new


def _fixed(value: np.ndarray) -> tf.Variable:
    return tf.Variable(value, trainable=False)


class TrainedPolicy:
    """A team's policy: acts in scenarios (``TeamPolicy``), in imagination, and leaves as exports.

    Attributes:
      spec: the scenario spec.
      manifest: of the artefact.
      config: what it was trained with.
      actor: the shared actor.
      networks: by name: the actor, and the networks of values where there are any.
      value: what the team may still earn, or None (behaviour cloning learns none).
      rewards: how its training scaled rewards; None in artefacts that do not say.
      memory_dim: M, what each agent remembers; 0 is nothing.
    """

    def __init__(
        self,
        manifest: Manifest,
        config: PolicyConfig,
        agent: OfflineAgent,
        rewards: RewardScale | None = None,
    ) -> None:
        """Store the parts; ``load_policy`` is the usual way here."""
        actor = agent.actor
        self.spec = manifest.scenario
        self.manifest = manifest
        self.config = config
        self.actor = actor
        self.networks = agent.networks
        self.value = agent.team_value
        self.rewards = rewards
        self.memory_dim = actor.memory_dim
        spec = self.spec

        @tf.function(
            input_signature=[
                tf.TensorSpec((None, spec.num_agents, spec.observation_dim), tf.float32),
                tf.TensorSpec((None, spec.num_agents, spec.legal_dim), tf.bool),
                tf.TensorSpec((None, spec.num_agents, actor.memory_dim), tf.float32),
            ],
            autograph=False,
        )
        def act(
            observations: tf.Tensor, legal_actions: tf.Tensor, memory: tf.Tensor
        ) -> tuple[tf.Tensor, tf.Tensor]:
            return greedy_actions(spec, actor, observations, legal_actions, memory)

        self._act = act

    @property
    def graph_policy(self) -> GraphPolicy:
        """The greedy policy as a graph function."""
        return graph_policy(self.spec, self.actor)

    def exploring(self, exploration: float | tf.Tensor) -> GraphPolicy:
        """The policy as a graph function with exploration: see ``team_policy.graph_policy``."""
        return graph_policy(self.spec, self.actor, exploration)

    def agent_function(self, index: int) -> AgentFunction:
        """Agent ``index``'s own policy, for export.

        Raises:
          LogoError: there is no such agent.
        """
        if not 0 <= index < self.spec.num_agents:
            raise LogoError(
                f"{self.spec.name} has agents 0 to {self.spec.num_agents - 1}, not {index}"
            )
        return AgentFunction(self.spec, self.actor, index)

    def shared_function(self) -> SharedFunction:
        """The policy of any agent, which is told who acts, for export."""
        return SharedFunction(self.spec, self.actor)

    def act(
        self, observations: np.ndarray, legal_actions: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """Choose joint actions as an episode begins, or at any time without a memory.

        Args:
          observations: (B, N, O) float32, raw units.
          legal_actions: (B, N, L) bool.
          rng: unused.

        Returns:
          (B, N) int32 or (B, N, A) float32 within the bounds.

        Raises:
          LogoError: shapes that are not the scenario's.
        """
        nothing = np.zeros((len(observations), self.spec.num_agents, self.memory_dim), np.float32)
        return self.act_on(observations, legal_actions, nothing, rng)[0]

    def act_on(
        self,
        observations: np.ndarray,
        legal_actions: np.ndarray,
        memory: np.ndarray,
        rng: np.random.Generator,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Choose joint actions, all teams in one compiled call; nothing is drawn.

        Args:
          observations: (B, N, O) float32, raw units.
          legal_actions: (B, N, L) bool.
          memory: (B, N, M) float32, what the last call returned, zeros as an episode begins.
          rng: unused.

        Returns:
          (B, N) int32 or (B, N, A) float32 within the bounds, and the memory after them.

        Raises:
          LogoError: shapes that are not the scenario's, or not this policy's.
        """
        del rng
        spec = self.spec
        check_shapes(
            {"observations": observations, "legal_actions": legal_actions, "memory": memory},
            {"observations": "BNO", "legal_actions": "BNL", "memory": "BNM"},
            N=spec.num_agents,
            O=spec.observation_dim,
            L=spec.legal_dim,
            M=self.memory_dim,
        )
        actions, after = self._act(
            tf.constant(observations, tf.float32),
            tf.constant(legal_actions, tf.bool),
            tf.constant(memory, tf.float32),
        )
        return actions.numpy(), after.numpy()


def load_policy(path: str | Path) -> TrainedPolicy:
    """Read a policy artefact; it acts exactly as it did when it was trained.

    Raises:
      LogoError: not a policy artefact, or a file is missing or was changed.
    """
    path = Path(path)
    manifest = artifacts.verify(path, "policy")
    config = from_dict(PolicyConfig, manifest.config, str(path / artifacts.MANIFEST))
    rewards = None
    if REWARDS in manifest.files:
        rewards = RewardScale(**json.loads((path / REWARDS).read_text(encoding="utf-8")))
    setup = AgentSetup(
        spec=manifest.scenario,
        config=config,
        seed=0,  # of initial weights, which are all replaced
        train_step=tf.Variable(0, dtype=tf.int64, trainable=False),
        rewards=rewards or UNSCALED,
    )
    agent = build_agent(setup)
    status = tf.train.Checkpoint(**agent.networks).read(str(path / WEIGHTS))
    status.assert_consumed()
    return TrainedPolicy(manifest, config, agent, rewards)
