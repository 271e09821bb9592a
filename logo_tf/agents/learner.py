"""Trains a policy from a dataset, and from what a world model imagines, into an artefact."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras
from tf_agents.agents import tf_agent
from tf_agents.train.learner import Learner

from logo_tf import artifacts, disk
from logo_tf.agents.config import PolicyConfig
from logo_tf.agents.experience import experience_stream, imagined_share
from logo_tf.agents.imagining import Imagining
from logo_tf.agents.offline_agent import AgentSetup, OfflineAgent, reward_scale
from logo_tf.agents.policy import REWARDS, WEIGHTS, TrainedPolicy
from logo_tf.agents.portions import Portion
from logo_tf.agents.probe import Look, Probe
from logo_tf.agents.registry import algorithm, build_agent, portion_of
from logo_tf.agents.replicated import replicated
from logo_tf.agents.telemetry import HealthCheck, RunningMeans, Selected
from logo_tf.artifacts import Manifest
from logo_tf.config import require, to_dict
from logo_tf.data.standardisation import standardisation
from logo_tf.data.store import Dataset, split_episodes
from logo_tf.data.tables import plain_failures
from logo_tf.metrics import ConsoleLogger, JsonlLogger, Loggers, MetricLogger, forget_after
from logo_tf.replicas import ALONE, Replicas
from logo_tf.reproducible import reproducible_graphs
from logo_tf.seeds import derive
from logo_tf.world_model.artifact import load_world_model

METRICS = "metrics.jsonl"
CURVE = "curve.jsonl"
_CHECKPOINTS = "checkpoints"
_SHOWN = ("td_error", "q_data", "q_policy", "cloning", "ess_fraction")
# Scaled rewards have a standard deviation of about 1: no policy earns a hundred of them
# at every step.
_VALUE_LIMIT = 100.0


def train_policy(
    dataset: Dataset,
    config: PolicyConfig,
    seed: int,
    out: str | Path,
    world_model: str | Path | None = None,
    loggers: Sequence[MetricLogger] | None = None,
    probe: Probe | None = None,
    strategy: Replicas | None = None,
) -> Path:
    """Train a policy; an interrupted call is continued by the same call.

    With a world model, and an algorithm that learns from imagined data, a share of each
    batch is imagined (``imagination.share``): every ``imagination.refresh_every`` steps
    the model is rolled out from real states with the current policy. Otherwise all of
    it is real.

    Args:
      dataset: what to learn from; its training episodes are used (``split_episodes``
        with this seed, so that validation and test episodes stay unseen).
      config: the algorithm and its settings.
      seed: fixes initial weights, batches and every draw.
      out: where the artefact (kind ``policy``) will stand.
      world_model: a world-model artefact of the same scenario.
      loggers: where metrics go beside ``metrics.jsonl``; None is a progress bar.
      probe: what to measure on the way, for ``curve.jsonl``; it changes no weight.
      strategy: the devices that share each batch (``make_replicas``); None is one. Every
        worker makes the same call, imagines the same branches and reads its own rows of
        each batch; the first logs and writes.

    Returns:
      ``out``.

    Raises:
      LogoError: the algorithm does not fit the action kind or the settings, the world
        model does not fit the dataset, a term needs imagined rows and there would be none,
        ``out`` exists or holds other work, the training diverged, a file of the dataset
        was cut short, or a worker is gone.
    """
    out = Path(out)
    replicas = strategy or ALONE
    entry = algorithm(config.algorithm, dataset.spec)
    portion = portion_of(config, dataset.spec)
    parents = {"dataset": dataset.manifest.hash}
    model = None
    if entry.imagination == "none" or config.imagination.share == 0:
        world_model = None
    require(
        config.cql_rows != "imagined" or _counts(config, portion, world_model is not None)[1] > 0,
        "policy.cql_rows is 'imagined', but no row of a batch would be: give a world model, an "
        "algorithm that learns from it and batches of at least two windows, or choose 'all' or "
        "'real'",
    )
    if world_model is not None:
        manifest = artifacts.verify(world_model, "world_model")
        dataset.spec.require_fits(
            manifest.scenario, f"the dataset {dataset.path}", f"the world model {world_model}"
        )
        portion.require_branches()
        model = load_world_model(world_model)
        parents["world_model"] = manifest.hash
    fingerprint = {"config": to_dict(config), "seed": seed, "parents": parents}
    with replicas.writing(out, fingerprint) as aside, plain_failures(dataset):
        training = _Training(dataset, config, seed, aside, portion, model, replicas)
        with reproducible_graphs():
            figures = training.run(loggers, probe)
        if not replicas.chief:
            return out
        tf.train.Checkpoint(**training.agent.networks).write(str(aside / WEIGHTS))
        disk.write_text(aside / REWARDS, json.dumps(training.rewards._asdict()) + "\n")
        artifacts.publish(
            out,
            Manifest(
                kind="policy",
                spec=dataset.spec.to_dict(),
                config=to_dict(config),
                parents=parents,
                provenance={"seed": seed},
                figures=figures,
            ),
            scratch=(_CHECKPOINTS,),
        )
    return out


class _Training:
    """One training: the agent, its data, and TF-Agents' learner around them."""

    def __init__(
        self,
        dataset: Dataset,
        config: PolicyConfig,
        seed: int,
        folder: Path,
        portion: Portion,
        model: Any,
        replicas: Replicas,
    ) -> None:
        episodes = split_episodes(dataset, seed).train
        known = standardisation(dataset, episodes)
        terminates = bool(np.any(dataset.terminated[episodes]))
        self._config = config
        self._folder = folder
        self._replicas = replicas
        # Layers are numbered on through a process, and their names stand in the weights' file:
        # counted anew, equal trainings leave equal bytes.
        tf_keras.backend.reset_uids()
        self.rewards = reward_scale(known, terminates)
        with replicas.scope():
            self._train_step = tf.Variable(0, dtype=tf.int64, trainable=False, name="train_step")
            self.agent = build_agent(
                AgentSetup(
                    dataset.spec,
                    config,
                    derive(seed, "policy"),
                    self._train_step,
                    known,
                    self.rewards,
                )
            )
        start = _resume_step(folder)
        self._portion = portion
        self._imagining: Imagining | None = None
        self._real, self._imagined = _counts(config, portion, model is not None)
        replicas.require_shares(self._real + self._imagined, portion.unit)
        if model is not None:
            self._imagining = Imagining(
                model,
                self.agent.actor,
                dataset,
                episodes,
                config,
                seed,
                folder / _CHECKPOINTS,
                self._portion,
            )
            self._imagining.restore(start)
        self._data_seed = derive(seed, "real batches")
        self._dataset, self._episodes, self._start = dataset, episodes, start

    def run(self, loggers: Sequence[MetricLogger] | None, probe: Probe | None) -> dict[str, Any]:
        """Train to the last step; returns the figures of the manifest."""
        config = self._config
        logger, curve = self._logger(loggers), self._curve(probe)
        try:
            health = self._train(logger, probe, curve)
        finally:
            logger.close()
            curve.close()
        figures: dict[str, Any] = {
            "steps": config.steps,
            "real_transitions": len(self._dataset.transitions(self._episodes)),
            "parameters": _parameters(self.agent),
            **health.latest,
        }
        if self._imagining is not None:
            figures |= self._imagining.figures()
        return figures

    def _logger(self, loggers: Sequence[MetricLogger] | None) -> Loggers:
        """Of the chief; other workers see the same numbers, and keep them to themselves."""
        if not self._replicas.chief:
            return Loggers([])
        forget_after(self._folder / METRICS, self._start)
        if loggers is None:
            label = f"policy {self._config.algorithm}"
            bar = ConsoleLogger(label, self._config.steps, self._start)
            loggers = [Selected(bar, _SHOWN)]
        return Loggers([*loggers, JsonlLogger(self._folder / METRICS)])

    def _curve(self, probe: Probe | None) -> Loggers:
        """Of the chief, which alone looks."""
        if not self._replicas.chief:
            return Loggers([])
        forget_after(self._folder / CURVE, self._start)
        return Loggers([] if probe is None else [JsonlLogger(self._folder / CURVE)])

    def _train(self, logger: MetricLogger, probe: Probe | None, curve: MetricLogger) -> HealthCheck:
        config = self._config
        probed = Manifest(kind="policy", spec=self._dataset.spec.to_dict())
        policy = TrainedPolicy(probed, config, self.agent, self.rewards)
        means = RunningMeans((*self.agent.metric_names, "imagined_share"))
        health = HealthCheck(
            means,
            logger,
            config.log_every,
            config.steps,
            _VALUE_LIMIT / (1.0 - config.gamma),
            self._imagining.metrics if self._imagining else dict,
        )

        def observe(sample: Any, loss_info: tf_agent.LossInfo) -> None:
            share = self._replicas.run(lambda own: imagined_share(own, config.burn_in), sample[0])
            means.add([*loss_info.extra, share])

        chief = self._replicas.chief
        # Before the learner's own checkpoint: an agent is never saved without its store, nor
        # without the look at it that is due.
        saves = [self._save_imagined] if self._imagining and chief else []
        looks = [Look(probe, policy, curve)] if probe is not None and chief else []
        stream = self._experience()
        self.agent.train = replicated(self.agent, self._replicas, stream.element_spec[0])
        learner = Learner(
            str(self._folder / _CHECKPOINTS),
            self._train_step,
            self.agent,
            experience_dataset_fn=lambda: stream,
            after_train_strategy_step_fn=tf.autograph.experimental.do_not_convert(observe),
            triggers=[health, *looks, *saves],
            # All resume from the chief's.
            checkpoint_interval=config.checkpoint_every if chief else 0,
            summary_interval=0,
            max_checkpoints_to_keep=2,
        )
        step = int(self._train_step.numpy())
        while step < config.steps:
            stops = [config.steps, _next_multiple(step, config.log_every)]
            if self._imagining is not None:
                refresh_every = config.imagination.refresh_every
                if step % refresh_every == 0:
                    self._imagining.refresh(step // refresh_every)
                stops.append(_next_multiple(step, refresh_every))
            if probe is not None:
                stops.append(_next_multiple(step, probe.every))
            learner.run(iterations=min(stops) - step)
            step = int(self._train_step.numpy())
        return health

    def _experience(self) -> tf.data.Dataset:
        real = self._portion.real(
            self._dataset,
            self._episodes,
            self._real,
            self._data_seed,
            self._start,
            self._replicas.rows(self._real),
        )
        if self._imagining is None:
            return experience_stream(real)
        only = self._replicas.rows(self._imagined, first=self._real)
        imagined = self._imagining.stream(self._imagined, self._start, only)
        return experience_stream(real, imagined, self._portion.context)

    def _save_imagined(self, step: int, force_trigger: bool = False) -> None:
        if self._imagining is not None and int(step) % self._config.checkpoint_every == 0:
            self._imagining.save(int(step))


def _counts(config: PolicyConfig, portion: Portion, imagines: bool) -> tuple[int, int]:
    """How many portions of a batch are real, and how many imagined."""
    both = portion.count(config.batch_size)
    if not imagines:
        return both, 0
    imagined = min(portion.count(round(config.batch_size * config.imagination.share)), both - 1)
    return both - imagined, imagined


def _resume_step(folder: Path) -> int:
    """The step of the newest checkpoint, 0 where there is none."""
    latest = tf.train.latest_checkpoint(str(folder / _CHECKPOINTS / "train" / "checkpoints"))
    if latest is None:
        return 0
    return int(tf.train.load_variable(latest, "train_step/.ATTRIBUTES/VARIABLE_VALUE"))


def _next_multiple(step: int, every: int) -> int:
    return (step // every + 1) * every


def _parameters(agent: OfflineAgent) -> int:
    return sum(
        int(np.prod(variable.shape))
        for net in agent.networks.values()
        for variable in net.trainable_variables
    )
