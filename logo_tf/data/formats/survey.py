"""From raw episodes to a scenario spec and padded episodes, in two passes over a file.

The first pass looks at every episode and infers what the file does not say; the second
hands the episodes out. Agents may differ in width: what they lack is padded with zeros,
and the spec's masks say so. A file may pad with minus infinity (OG-MARL): such columns
at the end of an agent's row are taken for padding and cut off.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from logo_tf.data.formats.protocol import Found, Imported, ImportOptions
from logo_tf.data.formats.pymarl_rows import Block
from logo_tf.data.formats.pymarl_survey import Survey as SmacSurvey
from logo_tf.data.formats.raw import RawEpisode
from logo_tf.data.formats.tidy import MAX_ACTIONS, MAX_EPISODE_BYTES, Tidier, Widths
from logo_tf.episodes import Episode
from logo_tf.errors import LogoError
from logo_tf.specs import ScenarioSpec, unrecorded


@dataclasses.dataclass(frozen=True)
class Known:
    """What a file says of its scenario; None where it does not.

    Attributes:
      name: the scenario's name.
      source: what the data come from.
      environment: id and version of the environment that was played.
      agents: the agents' names.
      action_counts: discrete only, each agent's number of actions.
      bounds: continuous only, each agent's lower and upper bounds, (A_i,) both.
      episode_limit: the time limit in steps.
      spec: the whole spec, where this package wrote the file.
    """

    name: str
    source: str
    environment: str | None = None
    agents: tuple[str, ...] | None = None
    action_counts: tuple[int, ...] | None = None
    bounds: tuple[tuple[np.ndarray, np.ndarray], ...] | None = None
    episode_limit: int | None = None
    spec: ScenarioSpec | None = None


class Pending(NamedTuple):
    """An episode that is read when it is asked for."""

    where: str
    load: Callable[[], RawEpisode]


def survey(
    episodes: Callable[[], Iterable[Pending]],
    count: int,
    known: Known,
    options: ImportOptions,
    provenance: dict[str, Any],
) -> Imported:
    """Survey all episodes once, then hand them out on a second pass.

    Args:
      episodes: makes a new pass over the file.
      count: how many episodes a pass has.
      known: what the file says of itself.
      options: what the caller knows better.
      provenance: of the file; what was inferred is added.

    Raises:
      LogoError: a bad episode (unless the options drop those), or none that is good.
    """
    found = Survey(known, options)
    first: LogoError | None = None
    for pending in episodes():
        try:
            found.add(pending.load())
        except LogoError as error:
            if options.on_error == "refuse":
                raise
            first = first or error
    if found.empty:
        reason = f"every episode was dropped; the first: {first}" if first else "it has no episode"
        raise LogoError(f"{known.source}: {reason}")
    spec = found.spec()

    def hand_out() -> Iterator[Found]:
        for pending in episodes():
            content: Episode | LogoError
            try:
                content = found.episode(pending.load(), spec)
            except LogoError as error:
                content = error
            yield Found(pending.where, content)

    return Imported(spec, hand_out(), count, {**provenance, "inferred": found.inferred(spec)})


class Survey:
    """Gathers what all raw episodes have in common."""

    def __init__(self, known: Known, options: ImportOptions) -> None:
        self._known = known
        self._options = options
        self._smac = SmacSurvey()
        if max(known.action_counts or (1,)) > MAX_ACTIONS:
            raise LogoError(
                f"{known.source}: {max(known.action_counts or ())} actions, "
                f"at most {MAX_ACTIONS} are read"
            )
        self._tidy = Tidier(
            len(known.agents) if known.agents else None, known.action_counts, options.team_reward
        )
        self._shared: np.ndarray | None = None  # (S,) state dimensions on which all agents agree
        self._low: list[np.ndarray] = []
        self._high: list[np.ndarray] = []
        self._count = 0  # the largest discrete action in use, plus 1
        self._limit = 0

    @property
    def empty(self) -> bool:
        """Whether no episode was good."""
        return self._tidy.widths is None

    def add(self, raw: RawEpisode) -> None:
        """Look at one more episode.

        Raises:
          LogoError: it breaks a rule, or does not resemble the first; it counts for nothing then.
        """
        raw = self._tidy(raw)
        self._limit = max(self._limit, raw.length)
        self._add_state(raw)
        if self._discrete:
            self._count = max(self._count, *(int(a.max()) + 1 for a in raw.actions))
            self._add_smac(raw)
        elif not self._low:
            self._low = [a.min(axis=0) for a in raw.actions]
            self._high = [a.max(axis=0) for a in raw.actions]
        else:
            self._low = [
                np.minimum(m, a.min(0)) for m, a in zip(self._low, raw.actions, strict=True)
            ]
            self._high = [
                np.maximum(m, a.max(0)) for m, a in zip(self._high, raw.actions, strict=True)
            ]

    def spec(self) -> ScenarioSpec:
        """Return what the good episodes hold.

        Raises:
          LogoError: the file carries a spec, and its episodes do not fit it.
        """
        known, widths = self._known, self._widths
        agents = known.agents or tuple(f"agent_{i}" for i in range(len(widths.observations)))
        name = self._options.scenario or known.name
        low, high = self._bounds()
        if self._options.win_reward == "detect":
            win = self._smac.win_reward
        else:
            win = None if self._options.win_reward == "none" else float(self._options.win_reward)
        spec = ScenarioSpec(
            name=name,
            environment=self._options.environment or known.environment or unrecorded(known.source),
            agents=agents,
            observation_dims=widths.observations,
            state_dim=self._state_dim,
            action_kind="discrete" if self._discrete else "continuous",
            action_dims=self._action_dims,
            action_low=low,
            action_high=high,
            episode_limit=max(known.episode_limit or 0, self._limit),
            noop_action=self._smac.noop_action,
            last_action_offset=self._smac.last_action_offset,
            win_reward=win,
        )
        if known.spec is None:
            return spec
        noted = dataclasses.replace(
            known.spec,
            name=self._options.scenario or known.spec.name,
            environment=self._options.environment or known.spec.environment,
        )
        if self._options.win_reward != "detect":
            noted = dataclasses.replace(noted, win_reward=win)
        noted.require_fits(
            # Bounds cannot be seen in the episodes: the noted ones hold.
            dataclasses.replace(spec, action_low=noted.action_low, action_high=noted.action_high),
            f"{known.source}: its own scenario spec",
            "its episodes",
        )
        return noted

    def inferred(self, spec: ScenarioSpec) -> dict[str, Any]:
        """What the spec holds that the file did not say, for the provenance."""
        return {
            "noop_action": spec.noop_action,
            "last_action_offset": spec.last_action_offset,
            "win_reward": spec.win_reward,
            "episode_limit": spec.episode_limit,
            "cut_as_padding": self._tidy.padded,
        }

    def episode(self, raw: RawEpisode, spec: ScenarioSpec) -> Episode:
        """Pad one episode to the widest agent.

        Raises:
          LogoError: as ``add``.
        """
        raw = self._tidy(raw)
        legal = self._legal(raw, spec.action_dims) if spec.discrete else None
        state = self._state(raw)
        if raw.invented and spec.last_action_offset is not None:
            # The invented row follows the last action, so that is what it must repeat.
            taken = np.eye(spec.action_dim, dtype=np.float32)[[int(a[-1]) for a in raw.actions]]
            start = spec.last_action_offset
            state[-1, start : start + taken.size] = taken.reshape(-1)
        return Episode(
            observations=_joined(raw.observations),
            state=state,
            actions=_joined(raw.actions),
            rewards=raw.rewards,
            legal_actions=np.zeros((raw.length + 1, raw.num_agents, 0), bool)
            if legal is None
            else legal,
            agent_mask=self._alive(raw, legal, spec),
            terminated=raw.terminated,
        )

    @property
    def _widths(self) -> Widths:
        assert self._tidy.widths is not None
        return self._tidy.widths

    @property
    def _discrete(self) -> bool:
        return 0 in self._widths.actions

    @property
    def _action_dims(self) -> tuple[int, ...]:
        widths = self._widths
        if not self._discrete:
            return widths.actions
        if widths.legal is not None:
            return widths.legal
        return self._known.action_counts or (self._count,) * len(widths.actions)

    @property
    def _state_dim(self) -> int:
        widths = self._widths
        if widths.state is None:
            return sum(widths.observations)
        if self._shared is None:
            return widths.state[0]
        own = int(np.sum(~self._shared))
        return int(np.sum(self._shared)) + widths.state[0] * own

    def _add_state(self, raw: RawEpisode) -> None:
        if raw.state is not None and raw.state.ndim == 3:
            same = (raw.state == raw.state[:, :1]).all(axis=(0, 1))
            self._shared = same if self._shared is None else self._shared & same

    def _state(self, raw: RawEpisode) -> np.ndarray:
        """(T+1, S): of the file, or what all agents observe; views are joined without repeats."""
        if raw.state is None:
            return np.concatenate(raw.observations, axis=1)
        if raw.state.ndim == 2:
            return np.array(raw.state)
        shared = np.ones(raw.state.shape[-1], bool) if self._shared is None else self._shared
        own = raw.state[:, :, ~shared].reshape(len(raw.state), -1)
        return np.concatenate([raw.state[:, 0, shared], own], axis=1)

    def _legal(self, raw: RawEpisode, counts: Sequence[int]) -> np.ndarray:
        """(T+1, N, A) bool; all actions an agent has where the file has no masks."""
        if raw.legal is not None:
            return _joined(raw.legal)
        if (raw.length + 1) * raw.num_agents * max(counts) > MAX_EPISODE_BYTES:
            raise LogoError(f"{raw.where}: too long for masks of {max(counts)} actions; split it")
        mask = np.arange(max(counts)) < np.asarray(counts)[:, None]
        return np.broadcast_to(mask, (raw.length + 1, *mask.shape)).copy()

    def _alive(self, raw: RawEpisode, legal: np.ndarray | None, spec: ScenarioSpec) -> np.ndarray:
        if raw.alive is not None:
            return raw.alive
        if legal is None or spec.noop_action is None:
            return np.ones((raw.length + 1, raw.num_agents), bool)
        others = np.arange(legal.shape[-1]) != spec.noop_action
        return np.asarray(legal[..., others].any(axis=-1))

    def _add_smac(self, raw: RawEpisode) -> None:
        """Look for what SMAC-like files repeat: idle dead, last actions, rewards of winning."""
        if raw.legal is None:
            return
        legal = self._legal(raw, ())
        last = np.zeros((1, raw.num_agents), np.int32)
        state = self._state(raw) if raw.state is None or raw.state.ndim == 2 else np.zeros(0)
        self._smac.add(
            Block(
                observations=_joined(raw.observations)[None],
                state=state.reshape(1, raw.length + 1, -1),
                actions=np.concatenate([_joined(raw.actions), last])[None],
                legal=legal[None],
                rewards=np.append(raw.rewards, np.float32(0))[None],
                lengths=np.array([raw.length]),
                invented=raw.invented,
            )
        )

    def _bounds(self) -> tuple[tuple[tuple[float, ...], ...], ...]:
        """Lower and upper bounds, N rows of A: the file's, -1 to 1, or what was seen."""
        if self._discrete:
            return (), ()
        if self._known.bounds is not None:
            pairs = list(self._known.bounds)
            if tuple(len(low) for low, _ in pairs) != self._widths.actions:
                raise LogoError(
                    f"{self._known.source}: actions are {self._widths.actions} wide, their "
                    f"bounds {tuple(len(low) for low, _ in pairs)}"
                )
        else:
            pairs = list(zip(self._low, self._high, strict=True))
            if max(np.abs(bound).max() for pair in pairs for bound in pair) <= 1:
                pairs = [(-np.ones_like(low), np.ones_like(low)) for low, _ in pairs]
        width = max(self._widths.actions)
        low, high = (
            tuple(
                tuple(float(v) for v in np.pad(pair[side], (0, width - len(pair[side]))))
                for pair in pairs
            )
            for side in (0, 1)
        )
        return low, high


def _joined(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """(rows, N) or (rows, N, widest), padded with zeros."""
    if arrays[0].ndim == 1:
        return np.stack(arrays, axis=1)
    width = max(values.shape[1] for values in arrays)
    padded = [np.pad(values, ((0, 0), (0, width - values.shape[1]))) for values in arrays]
    return np.stack(padded, axis=1)
