"""Trains the behaviour policies that datasets are collected with: TF-Agents' PPO, online.

One policy is shared by all agents. An agent's row is its observation and a one-hot of
who it is, so K scenario copies of N agents give K*N rows per step, and every row earns
the team's reward (independent PPO with shared parameters, de Witt et al. 2020).

Where agents choose, PPO may begin with lessons: the policy plays, a teacher says what it
would have done instead, and the policy learns that (DAgger, Ross et al. 2011), while its
value learns what its own play earns.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tf_agents.agents.ppo import ppo_clip_agent
from tf_agents.trajectories import time_step as ts
from tf_agents.trajectories import trajectory

from logo_tf.agents.behaviour_heads import action_head
from logo_tf.agents.behaviour_rollout import Parameters, Rollout, RolloutCollector, Seen
from logo_tf.errors import LogoError
from logo_tf.scenarios.protocol import Scenario, TeamPolicy
from logo_tf.seeds import derive, generator
from logo_tf.specs import ScenarioSpec

# What TF-Agents' observation normaliser does, which exports have to repeat.
NORMALIZED_CLIP = 5.0
NORMALIZED_EPSILON = 1e-3


@dataclasses.dataclass(frozen=True)
class PPOSettings:
    """Settings of the PPO run.

    The defaults were chosen on HalfCheetah-2x3 with 16 to 32 copies. A short horizon, a
    smaller discount and lambda, and above all a narrow policy to begin with (std .35,
    not .6 or 1) reached a return of 3000 in 200k steps, where discount .99, lambda .95
    and std .6 had reached 400.

    Attributes:
      horizon: T, steps of every scenario copy between two updates.
      epochs: passes over the collected rows per update.
      minibatch: rows per gradient step.
      hidden: widths of the hidden tanh layers, of the policy and of the value alike.
      learning_rate: Adam's, at the beginning; it falls linearly.
      final_learning_rate: what it has fallen to at the end of training.
      discount: per step.
      gae_lambda: lambda of generalised advantage estimation.
      clip: epsilon of the clipped surrogate objective.
      entropy: weight of the entropy bonus.
      gradient_norm: gradients are clipped to this norm.
      initial_std: standard deviation of the Gaussian policy at the beginning, in
        units of the action; it is learned, one number per action dimension.
      initial_gain: of the last layer where agents choose. With .01 choices begin near
        uniform, with 4 an agent begins with strong preferences of its own: what a young
        policy does wrong it then does on purpose and not by chance, so that an argmax, such
        as cloning takes, does not make it much better.
      lesson_epochs: passes over the rows of a lesson.
      lesson_rate: Adam's learning rate in lessons.
    """

    horizon: int = 64
    epochs: int = 10
    minibatch: int = 1024
    hidden: tuple[int, ...] = (64, 64)
    learning_rate: float = 6e-4
    final_learning_rate: float = 2e-5
    discount: float = 0.98
    gae_lambda: float = 0.92
    clip: float = 0.2
    entropy: float = 0.0
    gradient_norm: float = 0.5
    initial_std: float = 0.35
    initial_gain: float = 0.01
    lesson_epochs: int = 2
    lesson_rate: float = 1e-3


def default_settings(spec: ScenarioSpec) -> PPOSettings:
    """Return the settings of a scenario's kind of action.

    Those of choices were chosen on SMAX's 3m and 5m_vs_6m with 64 copies. Strong
    preferences to begin with did what a narrow Gaussian does for vectors: with them 5m_vs_6m
    is won in half of all battles after some 500k steps; without, after 1M steps that began
    with lessons, in 2 %.
    """
    if not spec.discrete:
        return PPOSettings()
    return PPOSettings(
        horizon=32,
        epochs=5,
        learning_rate=5e-4,
        final_learning_rate=3e-5,
        discount=0.99,
        gae_lambda=0.95,
        initial_gain=4.0,
    )


@dataclasses.dataclass(frozen=True)
class PolicyWeights:
    """A snapshot of the shared policy as NumPy arrays.

    Attributes:
      kernels: of the dense layers, the last one (width, A).
      biases: one per kernel.
      mean: (O+N,) mean of the rows seen so far; None where they are taken as they are.
      variance: (O+N,) their variance, or None likewise.
      exploration_std: (A,) the Gaussian's standard deviation; None where agents choose.
    """

    kernels: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]
    mean: np.ndarray | None = None
    variance: np.ndarray | None = None
    exploration_std: np.ndarray | None = None


@dataclasses.dataclass(frozen=True)
class Progress:
    """Where training stands after an update.

    Attributes:
      steps: environment steps taken so far, over all scenario copies.
      returns: the returns of the exploring episodes that ended in this round.
      weights: the policy that collects the next round.
    """

    steps: int
    returns: tuple[float, ...]
    weights: PolicyWeights


def train_behaviour(
    scenarios: Sequence[Scenario],
    steps: int,
    seed: int,
    settings: PPOSettings | None = None,
    teacher: TeamPolicy | None = None,
    lessons: int = 0,
) -> Iterator[Progress]:
    """Train with PPO, after lessons where asked for, and report after every update.

    The same seed, scenario copies and settings repeat the run on one machine, to the
    last bit if TensorFlow runs on one thread.

    Args:
      scenarios: K copies of one scenario; not closed.
      steps: environment steps to take, those of the lessons included; rounded up to whole
        rounds of K * horizon.
      seed: fixes initial weights, exploration, resets and minibatches.
      settings: defaults to ``default_settings(spec)``.
      teacher: whom the lessons imitate; it must tell what it would do from observations
        and legal actions alone.
      lessons: environment steps of them.

    Yields:
      ``Progress`` after each round.

    Raises:
      LogoError: no scenario, a round too small for a minibatch, lessons without a teacher
        or for actions that are vectors.
    """
    if not scenarios:
        raise LogoError("training a behaviour policy needs at least one scenario copy")
    spec = scenarios[0].spec
    settings = settings or default_settings(spec)
    rows = len(scenarios) * spec.num_agents * settings.horizon
    if rows < settings.minibatch:
        raise LogoError(
            f"one round gives {rows} rows, fewer than a minibatch of {settings.minibatch}; "
            "raise the horizon or the number of scenario copies"
        )
    if lessons and (teacher is None or not spec.discrete):
        raise LogoError(f"{spec.name} has no script that could give lessons; train with none")
    return _train(scenarios, spec, steps, seed, settings, teacher, lessons)


def _train(
    scenarios: Sequence[Scenario],
    spec: ScenarioSpec,
    steps: int,
    seed: int,
    settings: PPOSettings,
    teacher: TeamPolicy | None,
    lessons: int,
) -> Iterator[Progress]:
    learner = PPOLearner(spec, settings, derive(seed, "weights"))
    collector = RolloutCollector(
        scenarios,
        learner.predict,
        learner.sample,
        settings.discount,
        generator(seed, "collect"),
    )
    shuffle = generator(seed, "shuffle")
    asks = generator(seed, "teacher")
    done = 0
    while done < steps:
        rollout = collector.collect(settings.horizon)
        if teacher is not None and done < lessons:
            learner.imitate(rollout, _answers(teacher, spec, rollout, asks), shuffle)
        else:
            learner.update(rollout, (done - lessons) / (steps - lessons), shuffle)
        done += len(scenarios) * settings.horizon
        yield Progress(done, rollout.returns, learner.weights())


def _answers(
    teacher: TeamPolicy, spec: ScenarioSpec, rollout: Rollout, rng: np.random.Generator
) -> np.ndarray:
    """(R, T+1) int32 what the teacher would have done where the policy was."""

    def joint(values: np.ndarray) -> np.ndarray:
        by_agent = values.reshape(-1, spec.num_agents, *values.shape[1:])
        return by_agent.swapaxes(1, 2).reshape(-1, spec.num_agents, values.shape[-1])

    rows, steps = rollout.alive.shape
    actions = teacher.act(
        joint(rollout.seen.rows[..., : spec.observation_dim]), joint(rollout.seen.legal), rng
    )
    by_copy = actions.reshape(rows // spec.num_agents, steps, spec.num_agents)
    return by_copy.swapaxes(1, 2).reshape(rows, steps)


class PPOLearner:
    """TF-Agents' ``PPOClipAgent`` behind NumPy calls, one graph call per round."""

    def __init__(self, spec: ScenarioSpec, settings: PPOSettings, seed: int) -> None:
        """Build the agent.

        Args:
          spec: sizes N, O and A, and the action bounds.
          settings: the PPO settings.
          seed: of the initial weights.
        """
        self._settings = settings
        self._head = action_head(spec, settings.initial_gain)
        self.sample = self._head.sample
        self._value = self._head.value(settings.hidden, seed)
        self._learning_rate = tf.Variable(settings.learning_rate, trainable=False)
        self._agent = ppo_clip_agent.PPOClipAgent(
            ts.time_step_spec(self._head.observation_spec),
            self._head.action_spec,
            # The legacy Adam runs one fused op per variable.
            optimizer=tf.keras.optimizers.legacy.Adam(lambda: self._learning_rate, epsilon=1e-5),
            actor_net=self._head.actor(settings.hidden, seed),
            value_net=self._value,
            importance_ratio_clipping=settings.clip,
            lambda_value=settings.gae_lambda,
            discount_factor=settings.discount,
            entropy_regularization=settings.entropy,
            num_epochs=1,  # epochs and minibatches are ours, see _update_graph
            use_gae=True,
            use_td_lambda_return=True,
            normalize_observations=self._head.normalises,
            normalize_rewards=False,  # scaled by the collector, by the returns' spread
            gradient_clipping=settings.gradient_norm,
            compute_value_and_advantage_in_train=False,
            update_normalizers_in_train=False,
            aggregate_losses_across_replicas=False,
            train_step_counter=tf.Variable(0, dtype=tf.int64, trainable=False),
        )
        self._agent.initialize()
        if self._head.normalises:
            self._log_std().assign(
                tf.fill([spec.action_dim], float(np.log(np.expm1(settings.initial_std))))
            )
        self._teaching = tf.keras.optimizers.legacy.Adam(settings.lesson_rate, epsilon=1e-5)
        self._predict = tf.function(self._predict_graph)  # one trace: R never changes
        # Where agents die, rounds differ in how many minibatches they give.
        self._update = tf.function(self._update_graph, reduce_retracing=True)
        self._imitate = tf.function(self._imitate_graph, reduce_retracing=True)

    def predict(self, seen: Seen) -> tuple[Parameters, np.ndarray]:
        """Return the parameters of the actions' distributions and the values.

        Args:
          seen: by R rows.

        Returns:
          ``loc`` and ``scale_diag``, or ``logits``, each (R, A); and (R,).
        """
        parameters, value = self._predict(self._head.shown(seen))
        return {name: array.numpy() for name, array in parameters.items()}, value.numpy()

    def update(self, rollout: Rollout, done: float, rng: np.random.Generator) -> None:
        """Learn from one round.

        Args:
          rollout: R rows over T steps and the row after the last.
          done: share of the training that is over, 0 to 1; sets the learning rate.
          rng: shuffles the minibatches.
        """
        settings = self._settings
        rate = settings.learning_rate
        self._learning_rate.assign(rate + done * (settings.final_learning_rate - rate))
        order = self._order(rollout, settings.epochs, rng)
        self._update(self._experience(rollout), order)

    def imitate(self, rollout: Rollout, answers: np.ndarray, rng: np.random.Generator) -> None:
        """Learn to do what a teacher would have done, and what the policy's play is worth.

        Args:
          rollout: R rows over T steps and the row after the last.
          answers: (R, T+1) int32, the teacher's actions; entry T is not used.
          rng: shuffles the minibatches.
        """
        order = self._order(rollout, self._settings.lesson_epochs, rng)
        self._imitate(self._experience(rollout), tf.constant(answers), order)

    def _order(self, rollout: Rollout, epochs: int, rng: np.random.Generator) -> tf.Tensor:
        """(M, minibatch) int32 which rows of R*T each minibatch holds: of the living alone."""
        size = self._settings.minibatch
        living = np.flatnonzero(rollout.alive[:, :-1])
        order = np.concatenate(
            [rng.permutation(living)[: len(living) // size * size] for _ in range(epochs)]
        )
        return tf.constant(order.reshape(-1, size), tf.int32)

    def _experience(self, rollout: Rollout) -> trajectory.Trajectory:
        parameters = {name: tf.constant(rollout.parameters[name]) for name in self._head.parameters}
        return trajectory.Trajectory(
            step_type=tf.constant(rollout.step_type),
            observation=self._head.shown(rollout.seen),
            action=tf.constant(rollout.actions),
            policy_info={
                "dist_params": parameters,
                "value_prediction": tf.constant(rollout.values),
            },
            next_step_type=tf.constant(rollout.next_step_type),
            reward=tf.constant(rollout.rewards),
            discount=tf.constant(rollout.discounts),
        )

    def weights(self) -> PolicyWeights:
        """Return a snapshot of the policy."""
        arrays = [v.numpy() for v in self._agent.actor_net.trainable_weights]
        kernels = tuple(array for array in arrays if array.ndim == 2)
        biases = tuple(arrays[1 : 2 * len(kernels) : 2])
        if not self._head.normalises:
            return PolicyWeights(kernels, biases)
        normalizer = self._agent.collect_policy.observation_normalizer
        (mean,), (variance,) = normalizer._get_mean_var_estimates()  # no public accessor
        return PolicyWeights(
            kernels,
            biases,
            mean=mean.numpy(),
            variance=np.asarray(variance),
            # Rounded here, so that what is measured is what the index can hold.
            exploration_std=np.round(np.log1p(np.exp(self._log_std().numpy())), 4),
        )

    def _log_std(self) -> tf.Variable:
        # Dense layers come first, kernel then bias; the standard deviation is the last.
        return self._agent.actor_net.trainable_weights[-1]

    def _predict_graph(self, shown: Any) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        count = tf.nest.flatten(shown)[0].shape[0]
        step = self._agent.collect_policy.distribution(ts.restart(shown, count))
        parameters = step.info["dist_params"]
        chosen = {name: parameters[name] for name in self._head.parameters}
        return chosen, step.info["value_prediction"]

    def _flat(self, experience: trajectory.Trajectory) -> trajectory.Trajectory:
        """Rows of one step, (R*T, 1, ...), with returns and advantages."""
        processed = self._agent.preprocess_sequence(experience)
        # The last step of each row only lent its value; the others become rows of one step.
        return tf.nest.map_structure(
            lambda x: tf.reshape(x[:, :-1], tf.concat([[-1, 1], tf.shape(x)[2:]], 0)), processed
        )

    def _update_graph(self, experience: trajectory.Trajectory, order: tf.Tensor) -> None:
        flat = self._flat(experience)
        for i in tf.range(tf.shape(order)[0]):
            chosen = order[i]
            batch = tf.nest.map_structure(lambda x: tf.gather(x, chosen), flat)  # noqa: B023
            self._agent.train(batch)
        # Only now, so that the stored means and the new ones saw the same inputs.
        self._agent.update_observation_normalizer(experience.observation)

    def _imitate_graph(
        self, experience: trajectory.Trajectory, answers: tf.Tensor, order: tf.Tensor
    ) -> None:
        flat = self._flat(experience)
        labels = tf.reshape(answers[:, :-1], [-1])
        actor, value = self._agent.actor_net, self._value
        variables = actor.trainable_weights + value.trainable_weights
        for i in tf.range(tf.shape(order)[0]):
            chosen = order[i]
            shown = tuple(tf.gather(x[:, 0], chosen) for x in flat.observation)
            target = tf.gather(flat.policy_info["return"][:, 0], chosen)
            with tf.GradientTape() as tape:
                choice, _ = actor(shown)
                worth, _ = value(shown)
                loss = tf.reduce_mean(-choice.log_prob(tf.gather(labels, chosen)))
                loss += 0.5 * tf.reduce_mean(tf.square(worth - target))
            gradients = tape.gradient(loss, variables)
            self._teaching.apply_gradients(zip(gradients, variables, strict=True))
