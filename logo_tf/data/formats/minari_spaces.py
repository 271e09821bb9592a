"""Gymnasium spaces as Minari writes them into JSON, as far as teams of agents need them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from logo_tf.errors import LogoError


class Space(NamedTuple):
    """What a dataset's two spaces say of its N agents.

    Attributes:
      agents: their names.
      keys: what follows ``observations`` in an agent's array: ``/name``, ``/_index_0``,
        or nothing where there is one agent.
      counts: each agent's number of actions, where all choose.
      starts: each agent's first action's number; 0 for vectors.
      bounds: each agent's lower and upper bounds (A_i,), where all act by vectors and
        all bounds are finite.
    """

    agents: tuple[str, ...]
    keys: tuple[str, ...]
    counts: tuple[int, ...] | None
    starts: tuple[int, ...]
    bounds: tuple[tuple[np.ndarray, np.ndarray], ...] | None


def space_of(observation: dict[str, Any], action: dict[str, Any], where: str) -> Space:
    """Read both spaces.

    Raises:
      LogoError: they name different agents, or hold another kind of space.
    """
    seen, acted = _agents(observation, where), _agents(action, where)
    if list(seen) != list(acted):
        raise LogoError(
            f"{where}: observations are of {', '.join(seen) or 'nobody'}, actions of "
            f"{', '.join(acted) or 'nobody'}; both spaces must have one entry for each agent"
        )
    for agent, space in seen.items():
        if space.get("type") not in ("Box", "Discrete", "MultiBinary", "MultiDiscrete"):
            raise LogoError(f"{where}: {agent} observes a {space.get('type')}, expected numbers")
    kinds = {space.get("type") for space in acted.values()}
    if kinds not in ({"Box"}, {"Discrete"}):
        raise LogoError(
            f"{where}: actions are {', '.join(sorted(map(str, kinds)))}; expected all Box or all "
            "Discrete"
        )
    prefix = {"Dict": "/", "Tuple": "/_index_"}.get(str(observation.get("type")))
    keys = tuple("" if prefix is None else f"{prefix}{agent}" for agent in seen)
    if prefix == "/_index_":
        seen = {f"agent_{i}": space for i, space in seen.items()}
    if kinds == {"Discrete"}:
        counts = tuple(_whole(space.get("n"), 1, where) for space in acted.values())
        starts = tuple(_whole(space.get("start", 0), None, where) for space in acted.values())
        return Space(tuple(seen), keys, counts, starts, None)
    limits = [_bounds(space, where) for space in acted.values()]
    finite = all(np.isfinite(bound).all() for pair in limits for bound in pair)
    return Space(tuple(seen), keys, None, (0,) * len(seen), tuple(limits) if finite else None)


def _agents(space: dict[str, Any], where: str) -> dict[str, dict[str, Any]]:
    inner = space.get("subspaces")
    if space.get("type") == "Dict" and isinstance(inner, dict) and inner:
        found = inner
    elif space.get("type") == "Tuple" and isinstance(inner, list) and inner:
        found = {str(i): subspace for i, subspace in enumerate(inner)}
    elif space.get("type") in ("Dict", "Tuple"):
        raise LogoError(f"{where}: a {space['type']} space without subspaces")
    else:
        return {"agent_0": space}
    for agent, subspace in found.items():
        if not isinstance(subspace, dict) or "/" in agent or agent.startswith("."):
            raise LogoError(f"{where}: the space of {agent!r} is not one")
    return found


def _whole(value: Any, least: int | None, where: str) -> int:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or abs(value) > 2**31 or (least is not None and value < least):
        raise LogoError(f"{where}: a Discrete space has n or start {value!r}")
    return int(value)


def _bounds(space: dict[str, Any], where: str) -> tuple[np.ndarray, np.ndarray]:
    try:
        low, high = (np.asarray(space[side], np.float32).reshape(-1) for side in ("low", "high"))
    except (KeyError, ValueError, TypeError, OverflowError):
        raise LogoError(f"{where}: a Box space without readable bounds") from None
    if low.shape != high.shape or not low.size or (low > high).any():
        raise LogoError(f"{where}: a Box space whose bounds contradict each other")
    return low, high
