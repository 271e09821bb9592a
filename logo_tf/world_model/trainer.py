"""Trains a world model: resumable to the bit, stopped early by held-out open-loop error."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from logo_tf import artifacts, disk, seeds
from logo_tf.config import to_dict
from logo_tf.data import pipeline
from logo_tf.data.standardisation import Standardisation, standardisation
from logo_tf.data.store import Dataset, Split
from logo_tf.data.tables import plain_failures
from logo_tf.errors import LogoError
from logo_tf.metrics import (
    ConsoleLogger,
    JsonlLogger,
    Loggers,
    MetricLogger,
    forget_after,
    require_finite,
)
from logo_tf.replicas import ALONE, Replicas, global_gradients
from logo_tf.reproducible import reproducible_graphs
from logo_tf.world_model.artifact import KIND, save_weights, split_of
from logo_tf.world_model.calibration import calibrate, coverage_of
from logo_tf.world_model.config import WorldModelConfig
from logo_tf.world_model.diagnostics import evaluate_model
from logo_tf.world_model.judging.errors import errors_of, rmse
from logo_tf.world_model.judging.foresight import draw_windows, foresee
from logo_tf.world_model.optimizer import Adam, learning_rate
from logo_tf.world_model.protocol import WorldModel
from logo_tf.world_model.registry import build
from logo_tf.world_model.temperature import fit_temperature

METRICS = "metrics.jsonl"
_CHECKPOINTS = "checkpoints"


def train_world_model(
    dataset: Dataset,
    config: WorldModelConfig,
    seed: int,
    out: str | Path,
    loggers: Sequence[MetricLogger] | None = None,
    strategy: Replicas | None = None,
) -> Path:
    """Train a world model on a dataset and leave it as an artefact.

    The episodes are split into training, validation and test ones. Every
    ``validate_every`` steps the held-out open-loop error decides which weights are kept
    and leaves a checkpoint beside ``out``; a call that was killed at any moment and is
    made again ends with the weights, to the bit, of one that was not.

    When training has ended, the validation episodes also set the temperatures of the
    predicted spreads and the calibration of the uncertainty. They gave no gradients, but
    they chose the checkpoint, so its errors there are a little too small; the check is
    the coverage on the test episodes, which nothing else looks at: the figures'
    ``test_coverage``, or why there is no calibration. The other figures are of the
    validation episodes.

    Args:
      dataset: the data.
      config: the model and its training.
      seed: fixes the split, the initial weights and the batches.
      out: where the artefact will stand.
      loggers: where metrics go besides ``metrics.jsonl``; None is a progress bar.
        They are closed at the end. Logging changes no weight.
      strategy: the devices that share each batch (``make_replicas``); None is one. Every
        worker makes the same call; the first logs and writes.

    Returns:
      ``out``.

    Raises:
      LogoError: ``out`` exists or is being written, too few episodes, a loss stopped being
        finite, a file of the dataset was cut short, or a worker is gone (the last good
        checkpoint is kept).
    """
    out = Path(out)
    replicas = strategy or ALONE
    fingerprint = {
        "config": to_dict(config),
        "seed": seed,
        "dataset": dataset.manifest.hash,
    }
    with (
        replicas.writing(out, fingerprint) as aside,
        plain_failures(dataset),
        reproducible_graphs(),
    ):
        split = split_of(dataset, config, seed)
        units = standardisation(dataset, split.train)
        folder = aside / _CHECKPOINTS
        training = _Training(dataset, config, split, units, seed, folder, replicas)
        start = training.restore()
        if not replicas.chief:
            training.run(Loggers([]))
            return out
        forget_after(aside / METRICS, start)
        shown = [_Brief("world model", config.steps, start)] if loggers is None else loggers
        everything = Loggers([JsonlLogger(aside / METRICS), *shown])
        try:
            training.run(everything)
        finally:
            everything.close()
        model = training.best()
        fit_temperature(model, dataset, split.validation, seeds.derive(seed, "temperature"))
        figures = evaluate_model(
            model, dataset, split.validation, seed=seeds.derive(seed, "figures")
        )
        figures["best_step"] = int(training.best_step)
        figures["test_coverage"] = _calibrate(model, dataset, split, seed)
        save_weights(model, units, aside)
        artifacts.publish(
            out,
            artifacts.Manifest(
                kind=KIND,
                spec=dataset.spec.to_dict(),
                config={"model": to_dict(config), "seed": seed},
                parents={"dataset": dataset.manifest.hash},
                figures=figures,
            ),
            scratch=(_CHECKPOINTS,),
        )
    return out


def _calibrate(
    model: WorldModel, dataset: Dataset, split: Split, seed: int
) -> dict[str, Any] | str:
    """Give the model its calibration; return the coverage it reaches, or why it has none."""
    try:
        model.calibration = calibrate(
            model, dataset, split.validation, seeds.derive(seed, "calibration")
        )
    except LogoError as error:
        return str(error)
    seed = seeds.derive(seed, "coverage")
    return coverage_of(model, model.calibration, dataset, split.test, seed)


class _Training(tf.Module):
    """Everything a checkpoint holds, and the loop that moves it."""

    def __init__(
        self,
        dataset: Dataset,
        config: WorldModelConfig,
        split: Split,
        units: Standardisation,
        seed: int,
        folder: Path,
        replicas: Replicas = ALONE,
    ) -> None:
        super().__init__(name="training")
        self._replicas = replicas
        self._dataset, self._config, self._split, self._seed = dataset, config, split, seed
        self._units = units
        with replicas.scope():
            self.model = build(config, dataset.spec, units, seeds.derive(seed, "weights"))
            weights = self.model.trainable_variables
            self.optimizer = Adam(weights, config.clip_norm)
            self.step = tf.Variable(0, dtype=tf.int64, trainable=False)
        self.best_weights = [tf.Variable(weight, trainable=False) for weight in weights]
        members = len(self.model.members())
        self.best_score = tf.Variable([np.inf] * members, dtype=tf.float32, trainable=False)
        self.best_step = tf.Variable(0, dtype=tf.int64, trainable=False)
        self.waited = tf.Variable(0, dtype=tf.int64, trainable=False)
        saved = tf.train.Checkpoint(
            weights=list(weights),
            optimizer=self.optimizer,
            best_weights=self.best_weights,
            step=self.step,
            best_score=self.best_score,
            best_step=self.best_step,
            waited=self.waited,
        )
        self._checkpoints = tf.train.CheckpointManager(saved, str(folder), max_to_keep=2)

    def restore(self) -> int:
        """Continue from the last checkpoint, if there is one; return the step reached."""
        latest = self._checkpoints.latest_checkpoint
        if latest:
            self._checkpoints.checkpoint.restore(latest).assert_consumed()
        return int(self.step.numpy())

    def best(self) -> WorldModel:
        """The model with each member's best weights so far."""
        for weight, best in zip(self.model.trainable_variables, self.best_weights, strict=True):
            weight.assign(best)
        self.model.select(self.best_score.numpy())
        return self.model

    def run(self, loggers: Loggers) -> None:
        """Train to the end, or until validation stops improving."""
        config = self._config
        validate = self._validator()
        first, second = config.unroll_start, config.steps
        for begin, end, unroll in ((0, first, 1), (first, second, config.unroll)):
            if int(self.step.numpy()) >= end or self._finished():
                continue
            batches = self._batches(unroll, int(self.step.numpy()) - begin)
            steps = self._steps(unroll)
            while int(self.step.numpy()) < end and not self._finished():
                metrics = self._advance(steps, batches, end)
                step = int(self.step.numpy())
                if step % config.validate_every == 0 or step == config.steps:
                    metrics |= self._validate(validate)
                    # Logged before it is saved: lines after the checkpoint are written again.
                    loggers.write(step, metrics)
                    self._save(step)
                else:
                    loggers.write(step, metrics)

    def _save(self, step: int) -> None:
        if self._replicas.chief:
            with disk.guarded(self._checkpoints.directory):
                self._checkpoints.save(checkpoint_number=step)

    def _finished(self) -> bool:
        return int(self.waited) >= self._config.patience

    def _batches(self, unroll: int, start: int) -> Iterator[Any]:
        count = self._config.batch_size // (self.model.context + unroll)
        self._replicas.require_shares(count, f"windows of {self.model.context + unroll} rows")
        stream = pipeline.windows(
            self._dataset,
            self._split.train,
            unroll,
            count,
            seeds.derive(self._seed, "batches", unroll),
            start,
            self.model.context,
            self._replicas.rows(count),
        )
        return iter(stream)

    def _advance(self, steps: GradientSteps, batches: Iterator[Any], end: int) -> dict[str, float]:
        """Take steps up to the next line of metrics, and return their means."""
        begin = int(self.step.numpy())
        until = min((begin // self._config.log_every + 1) * self._config.log_every, end)
        table = steps(batches, tf.constant(until - begin)).numpy()
        for row in np.flatnonzero(~np.isfinite(table).all(axis=1))[:1]:
            values = dict(zip(steps.names, table[row], strict=True))
            require_finite(begin + int(row) + 1, values, "world model")
        return dict(zip(steps.names, table.mean(axis=0).tolist(), strict=True))

    def _steps(self, unroll: int) -> GradientSteps:
        return GradientSteps(
            self.model, self.optimizer, self.step, self._config, unroll, self._replicas
        )

    def _validator(self) -> Callable[[], dict[str, np.ndarray]]:
        """A function that measures each member's (K,) open-loop error on fixed held-out windows."""
        config, units, spec = self._config, self._units, self._dataset.spec
        windows = draw_windows(
            self._dataset,
            self._split.validation,
            config.validation_horizon,
            config.validation_windows,
            seeds.derive(self._seed, "validation"),
            self.model.context,
        )

        def member_errors(member: WorldModel) -> dict[str, float]:
            seen = foresee(member, windows)
            errors = errors_of(seen, units, spec)
            reward = np.square((seen.predicted.reward - seen.true.rewards) / units.reward_std)
            return {
                "validation_state_rmse": _rmse(errors.state, errors.rows),
                "validation_observations_rmse": _rmse(errors.observations, errors.seen),
                "validation_reward_rmse": _rmse(reward, seen.mask),
            }

        def measure() -> dict[str, np.ndarray]:
            each = [member_errors(member) for member in self.model.members()]
            # Machines may round differently, but must stop together.
            return {
                name: self._replicas.of_chief(np.array([errors[name] for errors in each]))
                for name in each[0]
            }

        return measure

    def _validate(self, measure: Callable[[], dict[str, np.ndarray]]) -> dict[str, float]:
        """Measure, and keep the weights of each member that is the best it has been."""
        errors = measure()
        found = {name: float(np.mean(value)) for name, value in errors.items()}
        step = int(self.step.numpy())
        require_finite(step, found, "world model")
        # The state and what agents see of it; reward errors are too noisy to select by.
        scores = errors["validation_state_rmse"] + errors["validation_observations_rmse"]
        best_scores = self.best_score.numpy()
        better = scores < best_scores
        if better.any():
            self.best_score.assign(np.minimum(scores, best_scores))
            self.best_step.assign(step)
            self.waited.assign(0)
        else:
            self.waited.assign_add(1)
        kept = iter(self.best_weights)
        for member, is_better in zip(self.model.members(), better, strict=True):
            for weight in member.trainable_variables:
                best = next(kept)
                if is_better:
                    best.assign(weight)
        return found


class _Brief(ConsoleLogger):
    """A progress bar that shows the loss and the last validation, not every part."""

    _shown = ("loss", "validation_state_rmse", "validation_observations_rmse")

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        """Move the bar to ``step``."""
        super().write(step, {name: metrics[name] for name in self._shown if name in metrics})


class GradientSteps:
    """Many gradient steps in one graph call.

    Attributes:
      names: of the losses, in the order of the columns that a call returns.
    """

    def __init__(
        self,
        model: WorldModel,
        optimizer: Adam,
        step: tf.Variable,
        config: WorldModelConfig,
        unroll: int,
        replicas: Replicas = ALONE,
    ) -> None:
        self.names: list[str] = []
        self._replicas = replicas
        self._model, self._optimizer, self._step = model, optimizer, step
        self._config, self._unroll = config, unroll
        # Nothing here needs autograph, which triples the time that tracing takes.
        self._graph = tf.function(self._many, autograph=False)

    def __call__(self, batches: Iterator[Any], count: tf.Tensor) -> tf.Tensor:
        """Take ``count`` steps; returns each step's losses, (count, losses)."""
        return self._graph(batches, count)

    def _many(self, batches: Any, count: tf.Tensor) -> tf.Tensor:
        def advance(i: tf.Tensor, losses: tf.TensorArray) -> tuple[tf.Tensor, tf.TensorArray]:
            return i + 1, losses.write(i, self._replicas.run(self._one, batches.get_next()))

        kept = tf.TensorArray(tf.float32, count)
        _, kept = tf.while_loop(lambda i, _: i < count, advance, (tf.constant(0), kept))
        return kept.stack()

    def _one(self, windows: tuple[Any, tf.Tensor]) -> tf.Tensor:
        batch, mask = windows
        config, weights = self._config, self._model.trainable_variables
        with tf.GradientTape() as tape:
            losses = self._model.losses(batch, mask, self._unroll)
        gradients = global_gradients(tape.gradient(losses["loss"], weights))
        rate = learning_rate(
            self._step,
            config.steps,
            config.learning_rate,
            config.warmup_steps,
            config.final_learning_rate,
        )
        self._optimizer.apply(gradients, self._step, rate)
        self._step.assign_add(1)
        self.names[:] = list(losses)
        return tf.stack(list(losses.values()))


def _rmse(squares: np.ndarray, weights: np.ndarray) -> float:
    """Root of the mean over the steps (T, ...) of each step's mean squared error."""
    steps = [rmse(*step) or 0.0 for step in zip(squares, weights, strict=True)]
    return float(np.sqrt(np.mean(np.square(steps))))
