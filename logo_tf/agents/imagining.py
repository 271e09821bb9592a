"""Imagination inside policy training: rolls out, keeps and streams what was imagined."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from logo_tf.agents.actor import TeamActor
from logo_tf.agents.config import PolicyConfig
from logo_tf.agents.portions import Portion
from logo_tf.agents.team_policy import graph_policy
from logo_tf.data.store import Dataset
from logo_tf.errors import LogoError
from logo_tf.imagination.rollout import make_imagine, make_remember
from logo_tf.seeds import derive, pair
from logo_tf.world_model.protocol import Simulator


class Imagining:
    """D_m of one training: filled with the current policy, drawn from by its batches.

    All it draws is a function of (seed, round) or (seed, step), so nothing but the store
    has to be saved to resume.
    """

    def __init__(
        self,
        model: Simulator,
        actor: TeamActor,
        dataset: Dataset,
        episodes: np.ndarray,
        config: PolicyConfig,
        seed: int,
        folder: Path,
        portion: Portion,
    ) -> None:
        """Build the rollout and an empty store.

        Args:
          model: the world model.
          actor: the policy's network, whose newest weights every round reads.
          dataset: where branches start.
          episodes: of these episodes.
          config: of the policy; its ``imagination`` and ``exploration`` are used.
          seed: fixes starts, exploration and draws.
          folder: where the store is saved.
          portion: what the policy learns from at a time.
        """
        self._config = config.imagination
        policy = graph_policy(dataset.spec, actor, config.exploration)
        self._imagine = make_imagine(model, policy, self._config.horizon)
        self._remember = make_remember(model, policy)
        self._portion = portion
        self._store = portion.store(dataset.spec)
        self._seed = seed
        self._dataset = dataset
        self._episodes = episodes
        self._starts: Any = None
        self._imagined = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._manager = tf.train.CheckpointManager(
            tf.train.Checkpoint(store=self._store, imagined=self._imagined),
            str(folder / "imagined"),
            max_to_keep=2,
        )

    def refresh(self, number: int) -> None:
        """Imagine round ``number`` with the current policy and put it into the store."""
        if self._starts is None:
            seed = derive(self._seed, "branch starts")
            stream = self._portion.starts(
                self._dataset, self._episodes, self._config.branches, seed, number
            )
            self._starts = iter(stream)
        noise = tf.constant(pair(self._seed, "imagined round", number), tf.int32)
        start, before = next(self._starts)
        memories = self._remember(*before) if before else None
        rollout = self._imagine(start, noise, memories)
        self._store.add(rollout, before or None)
        self._imagined.assign_add(tf.cast(tf.reduce_sum(rollout.valid), tf.int64))

    def stream(self, count: int, start: int, only: np.ndarray | None = None) -> tf.data.Dataset:
        """Imagined batches from number ``start`` on, each drawn when it is asked for.

        ``only``: (b,) which of each batch's ``count`` to read; None means all.
        """
        seed = derive(self._seed, "imagined batches")
        return self._portion.imagined(self._store, count, seed, start, only)

    def metrics(self) -> dict[str, float]:
        """What to log: how evenly the sampler draws, and how sure the model is of it.

        The ``relative`` ones are means of u / median(u): a draw below what is stored is what
        weighting buys.
        """
        stored, drawn = self._store.relative_uncertainty
        return {
            "effective_sample_size": float(self._store.effective_sample_size),
            "ess_fraction": float(self._store.ess_fraction),
            "uncertainty": float(tf.reduce_mean(self._store.uncertainty)),
            "relative_uncertainty_stored": float(stored),
            "relative_uncertainty_drawn": float(drawn),
        }

    def figures(self) -> dict[str, Any]:
        """What the artefact tells of its imagination."""
        return {
            "horizon": self._config.horizon,
            "imagined_transitions": int(self._imagined.numpy()),
        }

    def save(self, step: int) -> None:
        """Save the store as it is at ``step``."""
        self._manager.save(checkpoint_number=step)

    def restore(self, step: int) -> None:
        """Read back the store that was saved at ``step``; step 0 is the empty one.

        Raises:
          LogoError: there is none of that step.
        """
        if step == 0:
            return
        path = str(Path(self._manager.directory) / f"ckpt-{step}")
        if path not in self._manager.checkpoints:
            raise LogoError(
                f"{self._manager.directory}: the imagined data of step {step} are missing; "
                "remove the .partial folder to start over"
            )
        self._manager.checkpoint.restore(path).assert_consumed()
