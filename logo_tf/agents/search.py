"""The cross-entropy method over joint action sequences, imagined in a world model."""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

from logo_tf.agents.config import PlannerConfig
from logo_tf.agents.proposals import make_proposal
from logo_tf.agents.team_value import TeamValue
from logo_tf.imagination.rollout import Branch, Rollout, rows_first, unroll
from logo_tf.imagination.sampling import masked_median
from logo_tf.world_model.protocol import Prediction, Simulator


class Plan(NamedTuple):
    """The best sequence that was imagined for each of B teams.

    actions: (B, h, N) or (B, h, N, A) joint actions; score: (B,) in units of reward;
    policy_score: (B,) that of the policy's own sequence, never above ``score``.
    """

    actions: tf.Tensor
    score: tf.Tensor
    policy_score: tf.Tensor


class Imagined(NamedTuple):
    """h imagined steps of sequences (...).

    actions: (..., h, N[, A]); rewards: (..., h); alive: (..., h + 1), 1 until the scenario
    is predicted to have ended; uncertainty: (..., h); value: (...) of where they lead.
    """

    actions: tf.Tensor
    rewards: tf.Tensor
    alive: tf.Tensor
    uncertainty: tf.Tensor
    value: tf.Tensor


class CrossEntropySearch:
    """Looks for the joint actions of the next h steps that a world model finds best.

    Sequences are drawn around the policy's own (``proposals``), imagined, and the
    distribution is moved towards the elites, for some rounds. The policy's own sequence is
    among the candidates of every round, and the best of all rounds is kept, so that no plan
    is scored below the policy. ``plan_scores`` says what a sequence is worth.

    Uncertainty counts in units of its median over the steps that the team imagines in the
    first round, and its weight in standard deviations of the reward, both as in
    ``imagination.sampling``: so one beta means the same on every scenario.

    A model that deals rows among members (``Simulator.routes``) imagines each candidate
    once with every member, and the mean counts: else luck with members would decide.

    References: Rubinstein, "The Cross-Entropy Method for Combinatorial and Continuous
    Optimization", 1999; Chua et al., "Deep Reinforcement Learning in a Handful of Trials"
    (PETS), 2018.
    """

    def __init__(
        self,
        model: Simulator,
        value: TeamValue,
        config: PlannerConfig,
        gamma: float,
        reward_std: float,
    ) -> None:
        """Put the parts together.

        Args:
          model: the world model.
          value: of where sequences lead.
          config: of the search.
          gamma: discount per step, that of the value.
          reward_std: standard deviation of one step's reward.
        """
        self._model = model
        self._value = value
        self._config = config
        self._gamma = gamma
        self._penalty = config.beta * reward_std
        self._proposal = make_proposal(model.spec, config)

    def __call__(self, start: Branch, own: tf.Tensor, seeds: tf.Tensor) -> Plan:
        """Search, inside of a graph function.

        Args:
          start: where B teams stand, ``memories.policy`` being the value's.
          own: (B, h, N[, A]), the policy's sequences.
          seeds: (B, 2) int32; a team's draws are a function of its own.
        """
        config, proposal = self._config, self._proposal
        branches = repeated(start, config.candidates * self._model.routes)

        def imagine(number: tf.Tensor, fitted: Any) -> Imagined:
            return self._imagine(branches, proposal.plans(fitted, own, self._noise(seeds, number)))

        def settle(imagined: Imagined, fitted: Any) -> tuple[Any, Plan]:
            scores = self._scores(imagined, unit)
            top = tf.math.top_k(scores, config.elites)
            elites = tf.gather(imagined.actions, top.indices, batch_dims=1)
            found = Plan(elites[:, 0, 0], top.values[:, 0], scores[:, 0])
            return proposal.refit(fitted, _of_all_members(elites)), found

        def advance(number: tf.Tensor, fitted: Any, best: Plan) -> tuple[tf.Tensor, Any, Plan]:
            fitted, found = settle(imagine(number, fitted), fitted)
            return number + 1, fitted, _better(best, found)

        fitted = proposal.first(own)
        imagined = imagine(tf.constant(0), fitted)
        unit = _median_uncertainty(imagined)
        _, _, best = tf.while_loop(
            lambda number, *_: number < config.rounds,
            advance,
            (tf.constant(1), *settle(imagined, fitted)),
        )
        return best

    def _noise(self, seeds: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
        """(B, D, h, N, A) for a round's draws, each team's from its own seed."""
        config, spec = self._config, self._model.spec
        # The policy's plan and the middle one are not drawn.
        shape = (config.candidates - 2, config.horizon, spec.num_agents, spec.action_dim)
        return tf.map_fn(
            lambda seed: self._proposal.noise(shape, tf.random.fold_in(seed, number)),
            seeds,
            fn_output_signature=tf.TensorSpec(shape, tf.float32),
        )

    def _imagine(self, branches: Branch, plans: tf.Tensor) -> Imagined:
        """Each plan (B, C, h, N, A) with each of P members: sequences (B, C, P)."""
        horizon, routes = self._config.horizon, self._model.routes
        rows = tf.repeat(tf.reshape(plans, (-1, *plans.shape[2:])), routes, axis=0)

        def choose(t: tf.Tensor, now: Branch) -> tuple[tf.Tensor, tf.Tensor]:
            actions = self._proposal.actions(tf.gather(rows, t, axis=1), now.legal_actions)
            return actions, self._valued(now)[1]

        def each(field: tf.Tensor, *axes: int) -> tf.Tensor:
            return tf.reshape(field, (-1, self._config.candidates, routes, *axes))

        last, steps = unroll(self._model, choose, branches, horizon, _what_counts)
        actions, rewards, running, uncertainty = (rows_first(field) for field in steps)
        alive = tf.concat([running, last.running[:, None]], axis=1)
        return Imagined(
            actions=each(actions, horizon, *self._model.spec.action_shape),
            rewards=each(rewards, horizon),
            alive=each(alive, horizon + 1),
            uncertainty=each(uncertainty, horizon),
            value=each(self._valued(last)[0]),
        )

    def _valued(self, now: Branch) -> tuple[tf.Tensor, tf.Tensor]:
        return self._value.estimate(
            now.state, now.observations, now.legal_actions, now.memories.policy
        )

    def _scores(self, imagined: Imagined, unit: tf.Tensor) -> tf.Tensor:
        """(B, C), the mean over members."""
        relative = tf.math.divide_no_nan(imagined.uncertainty, unit[:, None, None, None])
        each = plan_scores(imagined._replace(uncertainty=relative), self._gamma, self._penalty)
        return tf.reduce_mean(each, axis=-1)


def plan_scores(imagined: Imagined, gamma: float, penalty: float) -> tf.Tensor:
    """What imagined sequences are worth.

    ::

        sum_k alive_k (gamma^k r_k - penalty u_k) + alive_h gamma^h V

    Args:
      imagined: sequences (...), with the uncertainty as it is to be counted.
      gamma: discount per step.
      penalty: in units of reward, per unit of uncertainty.

    Returns:
      (...) in units of reward.
    """
    horizon = imagined.rewards.shape[-1]
    discounts = tf.constant([gamma**k for k in range(horizon)])
    steps = discounts * imagined.rewards - penalty * imagined.uncertainty
    along = tf.reduce_sum(imagined.alive[..., :-1] * steps, axis=-1)
    return along + gamma**horizon * imagined.alive[..., -1] * imagined.value


def repeated(branches: Branch, times: int) -> Branch:
    """Every branch so many times, side by side."""
    return tf.nest.map_structure(lambda field: tf.repeat(field, times, axis=0), branches)


def _what_counts(step: Rollout, predicted: Prediction) -> tuple[Any, ...]:
    """Of a step: actions, reward, whether it counts, and how unsure the model is."""
    return step.transitions.actions, step.transitions.rewards, step.valid, step.uncertainty


def _median_uncertainty(imagined: Imagined) -> tf.Tensor:
    """(B,): over the steps that count of all that a team imagines."""
    alive = imagined.alive[..., :-1]
    flat = (tf.shape(alive)[0], -1)
    return masked_median(tf.reshape(imagined.uncertainty, flat), tf.reshape(alive, flat) > 0)


def _of_all_members(elites: tf.Tensor) -> tf.Tensor:
    """(B, K, P, ...) -> (B, K * P, ...)."""
    count, members = elites.shape[1:3]
    return tf.reshape(elites, (-1, count * members, *elites.shape[3:]))


def _better(ours: Plan, theirs: Plan) -> Plan:
    """Of each team the plan of the larger score, ours where they tie."""
    wins = theirs.score > ours.score

    def pick(new: tf.Tensor, old: tf.Tensor) -> tf.Tensor:
        return tf.where(tf.reshape(wins, (-1, *[1] * (len(new.shape) - 1))), new, old)

    return tf.nest.map_structure(pick, theirs, ours)
