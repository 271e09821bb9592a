"""Trains the behaviour policies that datasets are collected with: TF-Agents' PPO, online.

One policy is shared by all agents. An agent's row is its observation and a one-hot of
who it is, so K scenario copies of N agents give K*N rows per step, and every row earns
the team's reward (independent PPO with shared parameters, de Witt et al. 2020).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf
from tf_agents.agents.ppo import ppo_actor_network, ppo_clip_agent
from tf_agents.networks import value_network
from tf_agents.specs import tensor_spec
from tf_agents.trajectories import time_step as ts
from tf_agents.trajectories import trajectory

from logo_tf.agents.behaviour_rollout import Rollout, RolloutCollector
from logo_tf.errors import LogoError
from logo_tf.scenarios.protocol import Scenario
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


@dataclasses.dataclass(frozen=True)
class PolicyWeights:
    """A snapshot of the shared policy as NumPy arrays.

    Attributes:
      kernels: of the dense layers, the last one (width, A).
      biases: one per kernel.
      mean: (O+N,) mean of the rows seen so far.
      variance: (O+N,) their variance.
      exploration_std: (A,) the Gaussian's standard deviation.
    """

    kernels: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]
    mean: np.ndarray
    variance: np.ndarray
    exploration_std: np.ndarray


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


def shared_bounds(spec: ScenarioSpec) -> tuple[np.ndarray, np.ndarray]:
    """Return the bounds (A,), (A,) of a policy all agents share: the widest of them."""
    low = np.min(np.asarray(spec.action_low, np.float32), axis=0)
    return low, np.max(np.asarray(spec.action_high, np.float32), axis=0)


def train_behaviour(
    scenarios: Sequence[Scenario], steps: int, seed: int, settings: PPOSettings | None = None
) -> Iterator[Progress]:
    """Train with PPO and report after every update.

    The same seed, scenario copies and settings repeat the run on one machine, to the
    last bit if TensorFlow runs on one thread.

    Args:
      scenarios: K copies of one scenario with continuous actions; not closed.
      steps: environment steps to take; rounded up to whole rounds of K * horizon.
      seed: fixes initial weights, exploration, resets and minibatches.
      settings: defaults to ``PPOSettings()``.

    Yields:
      ``Progress`` after each round.

    Raises:
      LogoError: no scenario, discrete actions, or a round too small for a minibatch.
    """
    settings = settings or PPOSettings()
    if not scenarios:
        raise LogoError("training a behaviour policy needs at least one scenario copy")
    spec = scenarios[0].spec
    if spec.discrete:
        raise LogoError(
            f"{spec.name} has discrete actions; behaviour policies are trained for "
            "continuous actions only"
        )
    rows = len(scenarios) * spec.num_agents * settings.horizon
    if rows < settings.minibatch:
        raise LogoError(
            f"one round gives {rows} rows, fewer than a minibatch of {settings.minibatch}; "
            "raise the horizon or the number of scenario copies"
        )
    return _train(scenarios, spec, steps, seed, settings)


def _train(
    scenarios: Sequence[Scenario], spec: ScenarioSpec, steps: int, seed: int, settings: PPOSettings
) -> Iterator[Progress]:
    learner = PPOLearner(spec, settings, derive(seed, "weights"))
    collector = RolloutCollector(
        scenarios, learner.predict, settings.discount, generator(seed, "collect")
    )
    shuffle = generator(seed, "shuffle")
    done = 0
    while done < steps:
        rollout = collector.collect(settings.horizon)
        learner.update(rollout, done / steps, shuffle)
        done += len(scenarios) * settings.horizon
        yield Progress(done, rollout.returns, learner.weights())


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
        row_spec = tf.TensorSpec((spec.observation_dim + spec.num_agents,), tf.float32)
        action_spec = tensor_spec.BoundedTensorSpec(
            (spec.action_dim,), tf.float32, *shared_bounds(spec)
        )
        actor = ppo_actor_network.PPOActorNetwork().create_sequential_actor_net(
            settings.hidden, action_spec, seed=seed
        )
        value = value_network.ValueNetwork(
            row_spec,
            fc_layer_params=settings.hidden,
            activation_fn=tf.keras.activations.tanh,
            kernel_initializer=tf.keras.initializers.Orthogonal(seed=seed + 1),
        )
        self._learning_rate = tf.Variable(settings.learning_rate, trainable=False)
        self._agent = ppo_clip_agent.PPOClipAgent(
            ts.time_step_spec(row_spec),
            action_spec,
            # The legacy Adam runs one fused op per variable.
            optimizer=tf.keras.optimizers.legacy.Adam(lambda: self._learning_rate, epsilon=1e-5),
            actor_net=actor,
            value_net=value,
            importance_ratio_clipping=settings.clip,
            lambda_value=settings.gae_lambda,
            discount_factor=settings.discount,
            entropy_regularization=settings.entropy,
            num_epochs=1,  # epochs and minibatches are ours, see _update_graph
            use_gae=True,
            use_td_lambda_return=True,
            normalize_rewards=False,  # scaled by the collector, by the returns' spread
            gradient_clipping=settings.gradient_norm,
            compute_value_and_advantage_in_train=False,
            update_normalizers_in_train=False,
            aggregate_losses_across_replicas=False,
            train_step_counter=tf.Variable(0, dtype=tf.int64, trainable=False),
        )
        self._agent.initialize()
        # The value's last layer is the one initialiser that ValueNetwork lets nobody seed.
        head = value.trainable_weights[-2]
        head.assign(generator(seed, "value").uniform(-0.03, 0.03, head.shape))
        self._log_std().assign(
            tf.fill([spec.action_dim], float(np.log(np.expm1(settings.initial_std))))
        )
        self._predict = tf.function(self._predict_graph)  # one trace: R never changes
        self._update = tf.function(self._update_graph)

    def predict(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the Gaussian's mean (R, A) and std (R, A), and values (R,), of R rows."""
        mean, std, value = self._predict(tf.constant(rows))
        return mean.numpy(), std.numpy(), value.numpy()

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
        count = rollout.actions.shape[0] * (rollout.actions.shape[1] - 1)
        per_epoch = count // settings.minibatch
        order = np.stack([rng.permutation(count) for _ in range(settings.epochs)])
        order = order[:, : per_epoch * settings.minibatch].reshape(-1, settings.minibatch)
        experience = trajectory.Trajectory(
            step_type=rollout.step_type,
            observation=rollout.rows,
            action=rollout.actions,
            policy_info={
                "dist_params": {"loc": rollout.mean, "scale_diag": rollout.std},
                "value_prediction": rollout.values,
            },
            next_step_type=rollout.next_step_type,
            reward=rollout.rewards,
            discount=rollout.discounts,
        )
        self._update(tf.nest.map_structure(tf.constant, experience), tf.constant(order, tf.int32))

    def weights(self) -> PolicyWeights:
        """Return a snapshot of the policy."""
        arrays = [v.numpy() for v in self._agent.actor_net.trainable_weights]
        normalizer = self._agent.collect_policy.observation_normalizer
        (mean,), (variance,) = normalizer._get_mean_var_estimates()  # no public accessor
        return PolicyWeights(
            kernels=tuple(array for array in arrays if array.ndim == 2),
            biases=tuple(arrays[1:-1:2]),
            mean=mean.numpy(),
            variance=np.asarray(variance),
            # Rounded here, so that what is measured is what the index can hold.
            exploration_std=np.round(np.log1p(np.exp(self._log_std().numpy())), 4),
        )

    def _log_std(self) -> tf.Variable:
        # Dense layers come first, kernel then bias; the standard deviation is the last.
        return self._agent.actor_net.trainable_weights[-1]

    def _predict_graph(self, rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        step = self._agent.collect_policy.distribution(ts.restart(rows, rows.shape[0]))
        parameters = step.info["dist_params"]
        return parameters["loc"], parameters["scale_diag"], step.info["value_prediction"]

    def _update_graph(self, experience: trajectory.Trajectory, order: tf.Tensor) -> None:
        processed = self._agent.preprocess_sequence(experience)
        # The last step of each row only lent its value; the others become rows of one step.
        flat = tf.nest.map_structure(
            lambda x: tf.reshape(x[:, :-1], tf.concat([[-1, 1], tf.shape(x)[2:]], 0)), processed
        )
        for i in tf.range(tf.shape(order)[0]):
            chosen = order[i]
            batch = tf.nest.map_structure(lambda x: tf.gather(x, chosen), flat)  # noqa: B023
            self._agent.train(batch)
        # Only now, so that the stored means and the new ones saw the same inputs.
        self._agent.update_observation_normalizer(experience.observation)
