"""What a file of SMAC-like episodes does not say but its rows show."""

from __future__ import annotations

import math

import numpy as np

from logo_tf.data.formats.pymarl_rows import Block

# SMAC scales rewards so that an episode yields at most 20; on its small maps (3m, 8m)
# the bonus for winning is then above 10, and the field counts wins that way.
_SMAC_WIN_REWARD = 10.0


class Survey:
    """Gathers evidence block by block over all rows."""

    def __init__(self) -> None:
        self._dead_and_blind = 0
        self._dead_and_seeing = 0
        self._offsets: np.ndarray | None = None
        self._usual_reward = -math.inf
        self._final_rewards: list[np.ndarray] = []

    def add(self, block: Block) -> None:
        """Look at B more episodes."""
        idle = block.legal[..., 0] & ~block.legal[..., 1:].any(axis=-1) & block.filled[..., None]
        blind = ~block.observations.any(axis=-1)
        self._dead_and_blind += int(np.sum(idle & blind))
        self._dead_and_seeing += int(np.sum(idle & ~blind))
        self._narrow_offsets(block)
        self._add_rewards(block)

    @property
    def noop_action(self) -> int | None:
        """0 when agents left with action 0 alone never see anything (SMAC's dead units)."""
        return 0 if self._dead_and_blind and not self._dead_and_seeing else None

    @property
    def last_action_offset(self) -> int | None:
        """Where the state repeats the previous one-hot joint action after every transition."""
        if self._offsets is None or not len(self._offsets):
            return None
        return int(self._offsets[0])

    @property
    def win_reward(self) -> float | None:
        """The threshold that tells winning steps, when dead units say that this is SMAC.

        In SMAC a win ends the episode with a bonus far above any other step's reward.
        So final rewards of teams that still live are compared with all other rewards:
        the threshold is 10 where that lies between, as is usual for small maps, else
        the middle of the gap; None when no final reward is twice the usual maximum.
        """
        usual = max(self._usual_reward, 0.0)
        finals = np.concatenate(self._final_rewards) if self._final_rewards else np.zeros(0)
        wins = finals[finals > usual]
        if self.noop_action is None or not len(wins) or wins.min() < 2 * usual:
            return None
        low, high = usual, float(wins.min())
        return _SMAC_WIN_REWARD if low < _SMAC_WIN_REWARD <= high else (low + high) / 2

    def _narrow_offsets(self, block: Block) -> None:
        agents, count = block.legal.shape[-2:]
        width = agents * count
        if self._offsets is None:
            self._offsets = np.arange(block.state.shape[-1] - width + 1)
        if not len(self._offsets):
            return
        known = block.transitions[:, :-1]
        if block.invented:
            known = known & (np.arange(known.shape[1]) < block.lengths[:, None] - 1)
        taken = np.eye(count, dtype=np.float32)[block.actions[:, :-1][known]].reshape(-1, width)
        after = block.state[:, 1:][known]
        self._offsets = np.array(
            [o for o in self._offsets if np.array_equal(after[:, o : o + width], taken)], int
        )

    def _add_rewards(self, block: Block) -> None:
        episodes = np.arange(len(block.lengths))
        final = np.arange(block.rewards.shape[1]) == block.lengths[:, None] - 1
        survives = block.alive(0)[episodes, block.lengths].any(axis=-1)
        others = block.transitions & ~(final & survives[:, None])
        self._usual_reward = max(
            self._usual_reward, float(block.rewards[others].max(initial=-math.inf))
        )
        self._final_rewards.append(block.rewards[episodes, block.lengths - 1][survives])
