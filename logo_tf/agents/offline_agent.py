"""What all offline algorithms share: the TF-Agents agent around one shared actor."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tf_keras
from tf_agents.agents import tf_agent
from tf_agents.networks import network
from tf_agents.trajectories import trajectory
from tf_agents.utils import common

from logo_tf.agents.actor import TeamActor
from logo_tf.agents.config import PolicyConfig
from logo_tf.agents.experience import action_spec, experience_spec, time_step_spec
from logo_tf.agents.held_rows import HELD_ROWS, HeldRows
from logo_tf.agents.team_network import TeamNetwork
from logo_tf.agents.team_policy import GreedyTeamPolicy
from logo_tf.agents.team_value import TeamValue
from logo_tf.data.statistics import Standardisation
from logo_tf.replicas import one_of_several
from logo_tf.seeds import derive, pair
from logo_tf.specs import ScenarioSpec


class RewardScale(NamedTuple):
    """Training sees (r - shift) / scale."""

    shift: float = 0.0
    scale: float = 1.0

    def raw_value(self, value: tf.Tensor, gamma: float) -> tf.Tensor:
        """A discounted return without end of such rewards, (...), in the scenario's own units."""
        return self.scale * value + self.shift / (1.0 - gamma)


UNSCALED = RewardScale()


Scale = tuple[np.ndarray | None, np.ndarray | None]


@dataclasses.dataclass(frozen=True)
class AgentSetup:
    """What an agent is built from.

    Attributes:
      spec: the scenario spec.
      config: the algorithm and its hyper-parameters.
      seed: fixes initial weights and every draw of training.
      train_step: () int64, counts gradient steps; draws are pure functions of it.
      standardisation: of the training episodes; None leaves observations and state as
        they are (a network that is restored brings its own).
      rewards: how rewards are scaled.
    """

    spec: ScenarioSpec
    config: PolicyConfig
    seed: int
    train_step: tf.Variable
    standardisation: Standardisation | None = None
    rewards: RewardScale = UNSCALED

    @property
    def observation_scale(self) -> Scale:
        """Mean and standard deviation of the observations, (N, O) each, where known."""
        known = self.standardisation
        return (None, None) if known is None else (known.observation_mean, known.observation_std)

    @property
    def state_scale(self) -> Scale:
        """Likewise of the state, (S,) each."""
        known = self.standardisation
        return (None, None) if known is None else (known.state_mean, known.state_std)


def reward_scale(standardisation: Standardisation, terminates: bool) -> RewardScale:
    """Choose the scaling of rewards.

    Centred rewards learn faster, but where episodes can end, a shift changes what is
    best: with negative rewards it pays to end early. So they are only divided there.

    Args:
      standardisation: of the training episodes.
      terminates: whether any of them was ended by the scenario.
    """
    mean, std = float(standardisation.reward_mean), float(standardisation.reward_std)
    return RewardScale(0.0 if terminates else mean, std if std > 0.0 else 1.0)


def build_actor(setup: AgentSetup, purpose: str = "actor") -> TeamActor:
    """Build the actor, or another network of its form, and its variables."""
    actor = TeamActor(
        setup.spec,
        setup.config.width,
        setup.config.depth,
        derive(setup.seed, purpose),
        *setup.observation_scale,
        setup.config.memory,
    )
    actor.create_variables()
    return actor


def build_team_network(setup: AgentSetup, units: int, purpose: str) -> TeamNetwork:
    """Build a network of ``units`` values an agent, and its variables."""
    net = TeamNetwork(
        setup.spec,
        units,
        setup.config.width,
        setup.config.depth,
        derive(setup.seed, purpose),
        *setup.observation_scale,
        setup.config.memory,
    )
    net.create_variables()
    return net


def improve(
    optimizer: tf_keras.optimizers.legacy.Optimizer,
    gradients: Sequence[tf.Tensor | None],
    variables: Sequence[tf.Variable],
) -> None:
    """Move variables by gradients of the whole batch (``global_gradients``)."""
    pairs = zip(gradients, variables, strict=True)
    if one_of_several():
        optimizer.apply_gradients(pairs, experimental_aggregate_gradients=False)
    else:
        optimizer.apply_gradients(pairs)


def adam(learning_rate: float) -> tf_keras.optimizers.legacy.Adam:
    """Adam. The legacy one is a single fused op per variable: on a CPU the train step is 1.8x."""
    return tf_keras.optimizers.legacy.Adam(learning_rate)


class OfflineAgent(tf_agent.TFAgent):
    """An algorithm that learns the shared actor from batches of ``experience_spec``.

    Subclasses define ``_train`` and ``_loss``; what they return in ``LossInfo.extra`` is
    a NamedTuple of scalars, which the learner averages and logs.

    Attributes:
      metric_names: the fields of that NamedTuple.
    """

    metric_names: tuple[str, ...]

    def __init__(self, setup: AgentSetup, actor: TeamActor) -> None:
        """Args: setup: what to build from; actor: with variables."""
        self._setup = setup
        self._actor = actor
        policy = GreedyTeamPolicy(setup.spec, actor)
        super().__init__(
            time_step_spec(setup.spec),
            action_spec(setup.spec),
            policy,
            # Nothing is collected: the data are fixed.
            collect_policy=policy,
            train_sequence_length=None,
            num_outer_dims=1,
            training_data_spec=experience_spec(setup.spec),
            train_step_counter=setup.train_step,
        )

    @property
    def improves_every(self) -> int:
        """Every how many steps ``_train`` does more than in others; 1: all are alike.

        Else it takes ``improves``, which says so: replicas cannot meet within a ``tf.cond``.
        """
        return 1

    @property
    def actor(self) -> TeamActor:
        """The policy's network."""
        return self._actor

    @property
    def networks(self) -> dict[str, network.Network]:
        """What a finished policy keeps: the actor, and the critics where there are any."""
        return {"actor": self._actor}

    @property
    def followed(self) -> tuple[tuple[network.Network, network.Network], ...]:
        """Pairs of a network and the target that follows it."""
        return ()

    @property
    def team_value(self) -> TeamValue | None:
        """What it says the team may still earn, in raw units; None where it learns no value."""
        return None

    def rewards(self, experience: trajectory.Transition) -> tf.Tensor:
        """(B,) or (B, T): the scaled rewards."""
        shift, scale = self._setup.rewards
        return (experience.next_time_step.reward - shift) / scale

    def held_rows(self, experience: trajectory.Transition, counts: tf.Tensor) -> HeldRows:
        """Of the rows that count, (B,) or (B, T), those of a conservative term, by ``cql_rows``."""
        rows = HELD_ROWS[self._setup.config.cql_rows]
        return rows(counts, experience.action_step.info["synthetic"])

    def raw_value(self, value: tf.Tensor) -> tf.Tensor:
        """Undo ``rewards`` for a discounted return, (B,)."""
        return self._setup.rewards.raw_value(value, self._setup.config.gamma)

    def draw_seed(self, purpose: str) -> tf.Tensor:
        """(2,) seed of this step's draws for one purpose: a function of seed and step alone."""
        key = tf.constant(pair(self._setup.seed, purpose), tf.int64)
        return key + tf.stack([self.train_step_counter, tf.zeros((), tf.int64)])

    def _initialize(self) -> None:
        """Copy the networks to their targets."""
        self._move_targets(1.0)

    def _move_targets(self, tau: float) -> None:
        def move(strategy: tf.distribute.Strategy | None = None) -> None:
            del strategy
            for source, target in self.followed:
                common.soft_variables_update(
                    source.trainable_variables, target.trainable_variables, tau
                )

        if one_of_several():
            tf.distribute.get_replica_context().merge_call(move)
        else:
            move()

    def _row_weights(self, experience: trajectory.Transition, weights: Any) -> tf.Tensor:
        """(B,) the weights given to ``train``, or ones."""
        rewards = experience.next_time_step.reward
        return tf.ones_like(rewards) if weights is None else tf.ones_like(rewards) * weights

    def _real_agents(self, experience: trajectory.Transition, weights: Any) -> tf.Tensor:
        """(B, N): 1 for living agents in rows that were really observed."""
        real = 1.0 - experience.action_step.info["synthetic"]
        rows = self._row_weights(experience, weights) * real
        return rows[:, None] * experience.time_step.observation["agent_mask"]


def target_of(source: network.Network) -> network.Network:
    """A network of the same form, with variables of its own."""
    target = source.copy(name=f"Target{source.name}")
    target.create_variables()
    return target
