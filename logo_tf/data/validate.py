"""What must hold of every episode, checked before it is stored."""

from __future__ import annotations

import numpy as np

from logo_tf.episodes import Episode
from logo_tf.errors import LogoError
from logo_tf.specs import ScenarioSpec

# Bounds are compared with room for one float32 rounding of a clipped action.
_BOUND_TOLERANCE = 1e-5


def check_episode(episode: Episode, spec: ScenarioSpec, where: str) -> None:
    """Check one episode against the spec and against itself.

    Args:
      episode: T transitions over T+1 rows.
      spec: what its arrays must fit.
      where: names the episode in messages, such as ``part_0.h5: episode 3``.

    Raises:
      LogoError: names the episode, step and field of the first fault: no transition,
        wrong shapes or dtypes, a value that is not finite, padding that is not zero,
        an agent without a legal action, an alive mask that contradicts the legal
        actions, a dead agent that acts, an action that its own mask forbids, out of
        range or out of bounds.
    """
    if episode.length < 1:
        raise LogoError(f"{where}: has no transition; leave out empty episodes")
    try:
        episode.check(spec)
    except LogoError as error:
        raise LogoError(f"{where}: {error}") from None
    _check_dtypes(episode, spec, where)
    for field in ("observations", "state", "actions", "rewards"):
        values = getattr(episode, field)
        if values.dtype.kind == "f":
            _refuse(~np.isfinite(values), values, where, field, "is not finite")
    _check_padding(episode, spec, where)
    if spec.discrete:
        _check_discrete(episode, spec, where)
    else:
        _check_bounds(episode, spec, where)


def _check_dtypes(episode: Episode, spec: ScenarioSpec, where: str) -> None:
    expected = {
        "observations": np.dtype(np.float32),
        "state": np.dtype(np.float32),
        "actions": spec.action_dtype,
        "rewards": np.dtype(np.float32),
        "legal_actions": np.dtype(bool),
        "agent_mask": np.dtype(bool),
    }
    for field, dtype in expected.items():
        found = getattr(episode, field).dtype
        if found != dtype:
            raise LogoError(f"{where}: {field} has dtype {found}, expected {dtype}")


def _check_padding(episode: Episode, spec: ScenarioSpec, where: str) -> None:
    padded = (episode.observations != 0) & (spec.observation_mask == 0)
    _refuse(padded, episode.observations, where, "observations", "is padding and must be 0")


def _check_discrete(episode: Episode, spec: ScenarioSpec, where: str) -> None:
    actions, legal = episode.actions, episode.legal_actions
    counts = np.asarray(spec.action_dims)
    _refuse(
        (actions < 0) | (actions >= counts),
        actions,
        where,
        "actions",
        f"is out of range, the agents have {_listed(counts)} actions",
    )
    absent = legal & (spec.action_mask == 0)
    _refuse(absent, legal, where, "legal_actions", "allows an action that the agent does not have")
    stuck = np.logical_not(legal.any(axis=-1))
    _refuse(stuck, stuck, where, "legal_actions", "leaves the agent no legal action")
    taken = np.take_along_axis(legal[:-1], actions[..., None].astype(np.intp), axis=-1)[..., 0]
    _refuse(~taken, actions, where, "actions", "is an action that its own mask forbids")
    if spec.noop_action is not None:
        others = np.arange(spec.action_dim) != spec.noop_action
        able = legal[..., others].any(axis=-1)
        fault = "contradicts legal_actions: agents are alive that can do more than the no-op"
        _refuse(able != episode.agent_mask, episode.agent_mask, where, "agent_mask", fault)
        acts = (actions != spec.noop_action) & ~episode.agent_mask[:-1]
        _refuse(acts, actions, where, "actions", "is a dead agent's and must be the no-op")


def _check_bounds(episode: Episode, spec: ScenarioSpec, where: str) -> None:
    actions = episode.actions
    low = np.asarray(spec.action_low, np.float32)
    high = np.asarray(spec.action_high, np.float32)
    padded = (actions != 0) & (spec.action_mask == 0)
    _refuse(padded, actions, where, "actions", "is padding and must be 0")
    # In float64, for bounds may be as far apart as float32 reaches.
    slack = _BOUND_TOLERANCE * np.maximum(1.0, high.astype(np.float64) - low)
    outside = (actions < low - slack) | (actions > high + slack)
    _refuse(outside, actions, where, "actions", "is out of its bounds")


def _refuse(bad: np.ndarray, values: np.ndarray, where: str, field: str, fault: str) -> None:
    """Raise for the first True of ``bad``, whose leading axis is the step."""
    if not bad.any():
        return
    place = tuple(int(i) for i in np.argwhere(bad)[0])
    step, rest = place[0], place[1:]
    names = {"state": ("dimension",), "legal_actions": ("agent", "action")}.get(
        field, ("agent", "dimension")
    )
    inside = "".join(f", {name} {i}" for name, i in zip(names, rest, strict=False))
    shown = "" if values.dtype == bool else f" {values[place]:g}"
    raise LogoError(f"{where}, step {step}, {field}{inside}: value{shown} {fault}")


def _listed(counts: np.ndarray) -> str:
    return ", ".join(str(count) for count in counts)
