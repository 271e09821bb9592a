"""The settings of policy training, and of planning with what was trained."""

from __future__ import annotations

import dataclasses
from typing import Literal

from logo_tf.config import require
from logo_tf.imagination.config import ImaginationConfig


@dataclasses.dataclass(frozen=True)
class PolicyConfig:
    """How a policy is trained.

    Attributes:
      algorithm: an entry of ``agents/registry.py``.
      width: of each hidden layer, of actor and critics.
      depth: hidden layers, of actor and critics.
      memory: units of each agent's GRU, before its output layer; 0 is none. For
        algorithms that learn from windows.
      critic_norm: normalisation before each relu of the critics.
      mixer_width: of QMIX's mixer's hidden layer.
      hyper_width: of the layer by which the state chooses the mixer's weights.
      steps: gradient steps.
      batch_size: rows a step; a share of them imagined where a world model is given.
      window: rows of a window on which losses stand, for algorithms that learn from
        windows of an episode; a batch is ``batch_size`` / ``window`` of them.
      burn_in: rows before them that only fill memories.
      actor_learning_rate: Adam's.
      critic_learning_rate: Adam's.
      gradient_clip: largest global norm of the critics' gradient.
      gamma: discount per step.
      trace: lambda of TD(lambda), along windows.
      tau: how far target networks move at each update of the actor.
      actor_every: critic steps per update of actor and targets.
      target_noise: standard deviation of the noise on the target's actions, in half
        widths of the bounds (target policy smoothing); 0 is none.
      target_noise_clip: where that noise is cut.
      q_weight: matd3bc: weight of the value against cloning (TD3+BC's alpha).
      cql_alpha: macql, cfcql, omar: weight of the conservative term.
      cql_states: macql, cfcql, omar: how many of the batch's rows each mean of the
        conservative term uses, and OMAR's search (discrete cfcql: all of them).
      cql_actions: macql, cfcql, omar: actions drawn per state and kind (uniform, pi(o),
        pi(o'); discrete macql: uniform alone; discrete cfcql: none, it sums over all).
      cql_sigma: macql, cfcql, omar: standard deviation of the draws around pi, in half
        widths; continuous cfcql: also of the Gaussians whose KL is compared.
      cql_rows: macql, cfcql, omar: which rows the conservative term is about: ``all``, as
        one MACQL update on the mixture has it, ``real`` ones alone, or ``imagined``, where
        values are pushed down while up stays with real rows' logged actions (COMBO); for
        the last a world model is needed.
      cfcql_temperature: cfcql: how much more the term is about agents that are far from the
        data; 0 is about all alike.
      omar_weight: omar: tau, 0 to 1, weight of the pull to the best action that was found;
        the gradient of the value has the rest. The authors' for medium HalfCheetah.
      omar_rounds: omar: how often the draws of its search are fitted anew.
      omar_samples: omar: actions drawn in each, for every state and agent.
      omar_sigma: omar: standard deviation of the first round's, in half widths.
      omar_beta: omar: temperature of the weights exp(Q / beta) by which they are fitted.
      icq_beta: icq: temperature of the policy's weights exp(A / beta).
      icq_value_beta: icq: that of the targets' weights.
      omiga_alpha: omiga: temperature of both; small ones trust the values more.
      exploration: noise on the policy's actions while it imagines (``graph_policy``).
      imagination: how transitions are imagined; unused without a world model. The
        default departs from the paper's horizon of 15 and half-and-half batches. Measured
        on HalfCheetah 2x3, medium-replay, 20 000 steps, mean returns over 20 fresh
        episodes: 5 steps and a quarter imagined 3924, 3957, 4013 (seeds 0 to 2); without
        a model 3770, 3714 (seeds 0, 1); 1 step and half imagined 3627, 5 steps and half
        imagined 3614 (seed 0). Runs that differ in rounding alone differ by up to 200, so
        these tie. With 8000 steps and a world model trained for 4000, 5 steps and half
        imagined left the team on its back in half of the episodes.
      log_every: steps between two lines of metrics, which are means over these steps.
      checkpoint_every: steps between two checkpoints, a multiple of ``log_every``.
    """

    algorithm: Literal["bc", "matd3bc", "macql", "cfcql", "omar", "icq", "omiga"] = "matd3bc"
    width: int = 128
    depth: int = 2
    memory: int = 0
    critic_norm: Literal["layer", "none"] = "layer"
    mixer_width: int = 32
    hyper_width: int = 64
    steps: int = 8000
    batch_size: int = 256
    window: int = 1
    burn_in: int = 0
    actor_learning_rate: float = 1e-3
    critic_learning_rate: float = 1e-3
    gradient_clip: float = 10.0
    gamma: float = 0.99
    trace: float = 0.6
    tau: float = 0.01
    actor_every: int = 2
    target_noise: float = 0.2
    target_noise_clip: float = 0.5
    q_weight: float = 2.5
    cql_alpha: float = 1.0
    cql_states: int = 64
    cql_actions: int = 4
    cql_sigma: float = 0.2
    cql_rows: Literal["all", "real", "imagined"] = "all"
    cfcql_temperature: float = 1.0
    omar_weight: float = 0.7
    omar_rounds: int = 2
    omar_samples: int = 10
    omar_sigma: float = 2.0
    omar_beta: float = 1.0
    icq_beta: float = 0.1
    icq_value_beta: float = 1000.0
    omiga_alpha: float = 1.0
    exploration: float = 0.1
    imagination: ImaginationConfig = dataclasses.field(
        default_factory=lambda: ImaginationConfig(horizon=5, share=0.25)
    )
    log_every: int = 200
    checkpoint_every: int = 2000

    def __post_init__(self) -> None:
        positive = (
            "width",
            "depth",
            "mixer_width",
            "hyper_width",
            "steps",
            "window",
            "actor_learning_rate",
            "critic_learning_rate",
            "gradient_clip",
            "actor_every",
            "cql_states",
            "cql_actions",
            "cql_sigma",
            "omar_rounds",
            "omar_samples",
            "omar_sigma",
            "omar_beta",
            "icq_beta",
            "icq_value_beta",
            "omiga_alpha",
            "log_every",
            "checkpoint_every",
        )
        for name in positive:
            value = getattr(self, name)
            require(value > 0, f"policy.{name} must be positive, got {value}")
        not_negative = (
            "memory",
            "burn_in",
            "target_noise",
            "target_noise_clip",
            "q_weight",
            "cql_alpha",
            "cfcql_temperature",
            "exploration",
        )
        for name in not_negative:
            value = getattr(self, name)
            require(value >= 0, f"policy.{name} must not be negative, got {value}")
        require(
            self.batch_size >= 2, f"policy.batch_size must be at least 2, got {self.batch_size}"
        )
        require(0 < self.tau <= 1, f"policy.tau must be in (0, 1], got {self.tau}")
        require(0 <= self.gamma < 1, f"policy.gamma must be in [0, 1), got {self.gamma}")
        require(0 <= self.trace <= 1, f"policy.trace must be in [0, 1], got {self.trace}")
        require(
            0 <= self.omar_weight <= 1,
            f"policy.omar_weight must be in [0, 1], got {self.omar_weight}",
        )
        require(
            self.cql_rows != "imagined" or self.imagination.share > 0,
            "policy.cql_rows is 'imagined', but policy.imagination.share is 0: raise it, or choose "
            "'all' or 'real'",
        )
        require(
            self.checkpoint_every % self.log_every == 0,
            f"policy.checkpoint_every must be a multiple of policy.log_every, "
            f"got {self.checkpoint_every} and {self.log_every}",
        )


@dataclasses.dataclass(frozen=True)
class PlannerConfig:
    """How ``agents/planner.py`` searches for the next joint action.

    Attributes:
      horizon: h, imagined steps of a plan; the world model errs more the further it looks.
      candidates: joint action sequences imagined a round: the policy's own, the one in the
        middle of the proposals, and draws.
      elites: how many of the best ones proposals are fitted to.
      rounds: of drawing, imagining and fitting.
      initial_std: continuous: standard deviation of the first proposals around the policy's
        actions, in half widths of each action's bounds.
      initial_uniform: discrete: the share of a uniform draw in the first proposals, the
        rest being the policy's choice.
      beta: what one unit of relative uncertainty costs, in standard deviations of the reward.
      smoothing: how much of a proposal survives a round; the rest is fitted to its elites.
    """

    horizon: int = 5
    candidates: int = 64
    elites: int = 8
    rounds: int = 3
    initial_std: float = 0.2
    initial_uniform: float = 0.2
    beta: float = 0.25
    smoothing: float = 0.25

    def __post_init__(self) -> None:
        for name, least in (("horizon", 1), ("candidates", 3), ("elites", 1), ("rounds", 1)):
            value = getattr(self, name)
            require(value >= least, f"planner.{name} must be at least {least}, got {value}")
        require(
            self.elites <= self.candidates,
            f"planner.elites must be at most planner.candidates, got {self.elites} and "
            f"{self.candidates}",
        )
        require(
            self.initial_std > 0, f"planner.initial_std must be positive, got {self.initial_std}"
        )
        require(
            0 < self.initial_uniform <= 1,
            f"planner.initial_uniform must be in (0, 1], got {self.initial_uniform}",
        )
        require(self.beta >= 0, f"planner.beta must not be negative, got {self.beta}")
        require(
            0 <= self.smoothing < 1, f"planner.smoothing must be in [0, 1), got {self.smoothing}"
        )


@dataclasses.dataclass(frozen=True)
class PlanningConfig:
    """Planning as settings write it: ``planner.horizon=3``.

    Attributes:
      planner: how it searches.
    """

    planner: PlannerConfig = dataclasses.field(default_factory=PlannerConfig)
