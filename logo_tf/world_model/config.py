"""How a world model is built and trained: every number and every reading of the paper."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

from logo_tf.config import require

# How the uncertainties of a branch make one signal at each of its steps: ``judging/accumulation``.
Accumulation = Literal["step", "max", "sum", "rms"]


def _require_shares(config: Any, *names: str) -> None:
    for name in names:
        value = getattr(config, name)
        require(0 <= value <= 1, f"world model config: {name} must be in 0..1, got {value}")


def _require_weights(config: Any) -> None:
    for field in dataclasses.fields(config):
        if field.name.endswith(("_weight", "_reconstruction")):
            value = getattr(config, field.name)
            require(value >= 0, f"world model config: {field.name} is negative: {value}")


@dataclasses.dataclass(frozen=True)
class LogoConfig:
    """LOGO's own settings: where the paper leaves a choice, its readings are selectable.

    Attributes:
      decoder_share: width of the decoders D_p and D_d, as a share of ``width``.
      local_share: width of what E_p does for each agent, as a share of ``width``: with
        many agents it is what a step costs.
      local_heads: whether agents have E_p's output layer in common (``shared``) or one
        each (``own``), for agents that see different things, such as the joints of a body.
      memory: units of a GRU that remembers what each agent saw and did, for scenarios
        whose state does not tell; 0 is no memory.
      burn_in: rows before a window's first one that fill the memory in training and
        evaluation; unused without a memory.
      auxiliary: whether E_s has layers of its ``own`` or goes on from E_p's trunk over
        (s, a), ``shared``, which is nearly free.
      local_action: what E_p sees, its ``own`` action or the ``joint`` one, without which
        E_s cannot share.
      deductive_input: what E_d sees: ``observations`` (o' alone, as written in the
        paper) or ``all`` (o', s and a: some rewards are differences of states).
      deductive_training: which o' train E_d one step ahead: ``real`` (as written),
        ``predicted`` (ô' with the gradient stopped), or ``mixed`` (every other row each).
        Open-loop steps always train it on ô'.
      predicted_weight: weight of rows with ô' against rows with real o', where mixed.
      feedback: the state that a step returns and feeds back: ``fused``
        (ŝ' + s̄') / 2, ``deduced`` s̄' or ``auxiliary`` ŝ'.
      observation_feedback: the o' that a step returns and feeds back: ``predicted`` ô', or
        ``fused``, a mixture of ô' and of what D_d sees in the returned state, in a
        proportion learned for each agent's each dimension.
      uncertainty: what a step says of its error: the ``discrepancy`` of ŝ' and s̄' (Eq. 5),
        the ``spread`` predicted for s', or the root of ``both`` squares. Within the data the
        spread ranks errors better (3m, after 1 and 15 steps: rank correlation .82 and .41
        against .72 and .37; both .83 and .43), and the discrepancy tells other actions from
        the logged ones (AUC .85 against .54; both .65).
      fusion_weight: weight of what is fused, beside the errors of the parts.
      regularisation: reading of Eq. 4: ``states`` (D_d turns ŝ' into o', which also
        trains E_s) or ``observations`` (ô' through E_d and D_d gives o' back).
      local_reconstruction: weight of D_p's loss in Eq. 2; at 1 it bends ô'.
      deductive_reconstruction: weight of D_d's loss in Eq. 3.
      regularisation_weight: weight of Eq. 4.
    """

    decoder_share: float = 0.2
    local_share: float = 0.5
    local_heads: Literal["shared", "own"] = "own"
    memory: int = 0
    burn_in: int = 8
    auxiliary: Literal["own", "shared"] = "shared"
    local_action: Literal["own", "joint"] = "joint"
    deductive_input: Literal["observations", "all"] = "all"
    deductive_training: Literal["real", "predicted", "mixed"] = "mixed"
    predicted_weight: float = 2.0
    feedback: Literal["fused", "deduced", "auxiliary"] = "fused"
    observation_feedback: Literal["predicted", "fused"] = "fused"
    uncertainty: Literal["discrepancy", "spread", "both"] = "discrepancy"
    fusion_weight: float = 1.0
    regularisation: Literal["states", "observations"] = "states"
    local_reconstruction: float = 0.02
    deductive_reconstruction: float = 0.1
    regularisation_weight: float = 0.1

    def __post_init__(self) -> None:
        _require_shares(self, "decoder_share", "local_share")
        _require_weights(self)
        require(
            self.auxiliary == "own" or self.local_action == "joint",
            "world model config: logo.auxiliary must be own where logo.local_action is own, "
            "which leaves the trunk that E_s would share without the actions",
        )
        for name in ("memory", "burn_in"):
            value = getattr(self, name)
            require(value >= 0, f"world model config: {name} must not be negative, got {value}")


@dataclasses.dataclass(frozen=True)
class MonolithicConfig:
    """Settings of the monolithic rival.

    Attributes:
      inputs: what it sees beside the joint action: the ``state`` or
        ``state_observations``.
      trunks: ``one`` network for everything, or ``split``: the state has a network of
        its own, beside that of the observations, the reward and the ending.
    """

    inputs: Literal["state", "state_observations"] = "state"
    trunks: Literal["one", "split"] = "split"


@dataclasses.dataclass(frozen=True)
class EnsembleConfig:
    """Settings of the ensemble of monolithic models.

    Attributes:
      members: K.
      elites: how many members, the best on held-out episodes, predict.
      propagation: who predicts a row: one elite member (``routed``), or their ``mean``
        with the variance of their mixture.
      penalty: its uncertainty: the largest ``aleatoric`` std of a member (MOPO), the
        ``deviation`` of the members' means, or their largest ``pairwise`` distance.
      bootstrap: whether members weigh rows differently, by ``poisson`` draws that
        stay the same for the whole training, or not (``none``).
    """

    members: int = 5
    elites: int = 3
    propagation: Literal["routed", "mean"] = "routed"
    penalty: Literal["aleatoric", "deviation", "pairwise"] = "deviation"
    bootstrap: Literal["poisson", "none"] = "poisson"

    def __post_init__(self) -> None:
        require(
            1 <= self.elites <= self.members,
            f"world model config: ensemble.elites must be in 1..{self.members}, got {self.elites}",
        )


@dataclasses.dataclass(frozen=True)
class MambaConfig:
    """Settings of the MAMBA rival.

    Attributes:
      memory: units of each agent's GRU.
      groups: categorical latents of each agent.
      classes: of each latent.
      heads: of the attention between agents.
      layer_share: width of all other layers, as a share of ``width``.
      latents: in training on real rows: the ``soft`` probabilities, or one-hot draws
        (``sampled``, straight through) as MAMBA's, which is no better; a step always
        takes probabilities.
      burn_in: rows before a window's first one that fill the memory in training and
        evaluation.
      reconstruction_weight: weight of what is decoded from the posterior.
      kl_weight: weight of the divergence of posterior and prior.
      free_nats: divergence per agent and step that costs nothing.
    """

    memory: int = 64
    groups: int = 16
    classes: int = 8
    heads: int = 2
    layer_share: float = 0.42
    latents: Literal["soft", "sampled"] = "soft"
    burn_in: int = 8
    reconstruction_weight: float = 1.0
    kl_weight: float = 0.03
    free_nats: float = 0.1

    def __post_init__(self) -> None:
        _require_weights(self)
        for name in ("memory", "groups", "classes", "heads", "layer_share"):
            value = getattr(self, name)
            require(value > 0, f"world model config: mamba.{name} must be above 0, got {value}")
        for name in ("burn_in", "free_nats"):
            value = getattr(self, name)
            require(
                value >= 0, f"world model config: mamba.{name} must not be negative, got {value}"
            )


@dataclasses.dataclass(frozen=True)
class WorldModelConfig:
    """Settings of a world model.

    Attributes:
      kind: which world model, a name of ``registry``.
      width: units of each hidden layer.
      depth: hidden layers of each trunk.
      activation: of the hidden layers.
      logo: settings of LOGO alone, and so on for each rival.
      monolithic: of the monolithic model, and of the ensemble's members.
      ensemble: of the ensemble.
      mamba: of the MAMBA rival.
      reward_weight: weight of the reward's squared error, in standard deviations.
      termination_weight: weight of the ending's cross-entropy.
      legal_weight: weight of the legal actions' cross-entropy.
      spread_weight: weight of the variance heads' likelihood; it moves nothing else.
      unroll: open-loop steps trained in the last part of the training.
      unroll_share: the share of the steps that part takes.
      unroll_weight: weight of the further open-loop steps against one-step errors.
      unroll_gradient: whether gradients pass from one open-loop step to the one
        before (``through``) or not (``stopped``).
      steps: gradient steps.
      batch_size: transitions per gradient step (windows times their length).
      learning_rate: Adam's, at its highest.
      warmup_steps: steps over which it rises from 0; then it falls as a cosine.
      final_learning_rate: where the cosine ends, as a share of the highest.
      clip_norm: largest norm of one weight's gradient.
      log_every: steps between two lines of metrics.
      validate_every: steps between validations, each of which leaves a checkpoint.
      validation_windows: held-out windows that a validation predicts.
      validation_horizon: open-loop steps that a validation predicts.
      patience: validations without a better one after which training stops.
      validation_share: share of the episodes held out to stop and select by.
      test_share: share of the episodes never seen in training.
      data_share: share of the training and of the validation episodes that is used, to
        see what a model makes of less data; the test episodes stay the same.
    """

    kind: Literal["logo", "monolithic", "ensemble", "mamba", "persistence"] = "logo"
    width: int = 192
    depth: int = 2
    activation: Literal["relu", "silu", "elu", "gelu"] = "silu"
    logo: LogoConfig = LogoConfig()
    monolithic: MonolithicConfig = MonolithicConfig()
    ensemble: EnsembleConfig = EnsembleConfig()
    mamba: MambaConfig = MambaConfig()
    reward_weight: float = 0.3
    termination_weight: float = 1.0
    legal_weight: float = 1.0
    spread_weight: float = 1.0
    unroll: int = 4
    unroll_share: float = 0.25
    unroll_weight: float = 1.0
    unroll_gradient: Literal["through", "stopped"] = "through"
    steps: int = 6000
    batch_size: int = 256
    learning_rate: float = 8e-3
    warmup_steps: int = 100
    final_learning_rate: float = 0.01
    clip_norm: float = 10.0
    log_every: int = 100
    validate_every: int = 500
    validation_windows: int = 256
    validation_horizon: int = 5
    patience: int = 8
    validation_share: float = 0.1
    test_share: float = 0.1
    data_share: float = 1.0

    def __post_init__(self) -> None:
        positive = (
            "width",
            "depth",
            "unroll",
            "steps",
            "batch_size",
            "learning_rate",
            "log_every",
            "validate_every",
            "validation_windows",
            "validation_horizon",
            "patience",
            "clip_norm",
        )
        for name in positive:
            value = getattr(self, name)
            require(value > 0, f"world model config: {name} must be above 0, got {value}")
        _require_shares(self, "unroll_share", "final_learning_rate", "data_share")
        _require_weights(self)
        require(
            self.warmup_steps >= 0,
            f"world model config: warmup_steps must not be negative, got {self.warmup_steps}",
        )
        require(
            self.batch_size >= 2 * self.unroll,
            f"world model config: batch_size {self.batch_size} is too small for windows of "
            f"unroll {self.unroll}; it must be at least {2 * self.unroll}",
        )
        burn_in = {"mamba": self.mamba.burn_in, "logo": self.logo.burn_in * bool(self.logo.memory)}
        shown = burn_in.get(self.kind, 0) + self.unroll
        require(
            self.batch_size >= shown,
            f"world model config: batch_size {self.batch_size} is too small for windows of "
            f"{shown - self.unroll} rows of burn-in and {self.unroll} more; it must be at least "
            f"{shown}",
        )
        require(
            self.validate_every % self.log_every == 0,
            f"world model config: validate_every {self.validate_every} must be a multiple of "
            f"log_every {self.log_every}",
        )

    @property
    def loss_weights(self) -> dict[str, float]:
        """Weights of the losses that all kinds have, by name; what is not here weighs 1."""
        return {
            "legal_actions": self.legal_weight,
            "reward": self.reward_weight,
            "termination": self.termination_weight,
            "spread": self.spread_weight,
        }

    @property
    def unroll_start(self) -> int:
        """The first step that trains open loop; ``steps`` where none does."""
        if self.unroll == 1:
            return self.steps
        return round(self.steps * (1 - self.unroll_share))
