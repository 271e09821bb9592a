"""Whether a dataset fits a scenario, said before anyone trains on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from logo_tf.data.check import Check, verdict
from logo_tf.data.plausibility import plausible
from logo_tf.data.store import Dataset
from logo_tf.scenarios.registry import make_scenario
from logo_tf.specs import ScenarioSpec

_SIZES = {
    "action_kind": "kind of actions",
    "agents": "agents",
    "observation_dims": "observation widths",
    "state_dim": "state width",
    "action_dims": "action widths",
}


def check_fit(
    dataset: Dataset, scenario_name: str, episodes: int = 3, seed: int = 0
) -> list[Check]:
    """Compare a dataset with a scenario, first by what both say of themselves.

    Shapes can agree by accident (HalfCheetah's and Walker2d's do), so the scenario is
    also begun and played at random, if the shapes agree: see ``plausible``.

    Args:
      dataset: the dataset.
      scenario_name: one of ``scenario_names()``.
      episodes: how many to play; with 0 the specs alone are compared.
      seed: fixes what is played.

    Raises:
      LogoError: unknown scenario, its packages are missing, or it cannot be played.
    """
    scenario = make_scenario(scenario_name)
    try:
        checks = [*_sizes(dataset.spec, scenario.spec)]
        alike = all(check.verdict == "fits" for check in checks)
        checks += _meanings(dataset, scenario.spec)
        if alike and episodes > 0:
            checks += plausible(dataset, scenario, episodes, seed)
    finally:
        scenario.close()
    return checks


def _sizes(ours: ScenarioSpec, theirs: ScenarioSpec) -> Iterator[Check]:
    """What fixes the shapes of arrays."""
    for field, (mine, yours) in ours.compared(theirs).items():
        if field in _SIZES:
            yield Check(_SIZES[field], verdict(mine == yours), _text(mine), _text(yours))


def _meanings(dataset: Dataset, theirs: ScenarioSpec) -> Iterator[Check]:
    """What fixes what their numbers mean, as far as specs say it."""
    ours = dataset.spec
    if ours.discrete and theirs.discrete:
        yield _noop(ours.noop_action, theirs.noop_action)
    elif ours.action_dims == theirs.action_dims and not ours.discrete and not theirs.discrete:
        pairs = [(spec.action_low, spec.action_high) for spec in (ours, theirs)]
        yield Check("action bounds", verdict(pairs[0] == pairs[1]), _bounds(ours), _bounds(theirs))
    limit, lengths = theirs.episode_limit, dataset.lengths
    said = f"{lengths.min()} to {lengths.max()} steps"
    yield Check("episode lengths", verdict(lengths.max() <= limit), said, f"at most {limit} steps")
    yield _environment(ours, theirs)


def _noop(mine: int | None, yours: int | None) -> Check:
    """Datasets in which nobody died know of no action of the dead."""
    said = [f"action {action}" if action is not None else "none" for action in (mine, yours)]
    if mine is None and yours is not None:
        return Check("action of the dead", "cannot tell", "none seen", said[1])
    return Check("action of the dead", verdict(mine == yours), *said)


def _environment(ours: ScenarioSpec, theirs: ScenarioSpec) -> Check:
    """Other versions of the same environment may behave alike; what is played will show."""
    name, said = "environment", (ours.environment, theirs.environment)
    if not ours.records_environment:
        return Check(name, "cannot tell", *said)
    (mine, _, my_versions), (yours, _, your_versions) = (text.partition(" (") for text in said)
    if mine != yours and not yours.endswith(f" {mine}"):
        return Check(name, "does not fit", mine, yours)
    if my_versions != your_versions:
        return Check(name, "cannot tell", *said)
    return Check(name, "fits", mine, yours)


def _bounds(spec: ScenarioSpec) -> str:
    """Each agent's, dimension by dimension; those that all share once."""
    each = [
        ", ".join(dict.fromkeys(f"{a:g} to {b:g}" for a, b in zip(low[:n], high[:n], strict=True)))
        for low, high, n in zip(spec.action_low, spec.action_high, spec.action_dims, strict=True)
    ]
    return "; ".join(dict.fromkeys(each))


def _text(value: Any) -> str:
    """Each agent's; what all share once."""
    if not isinstance(value, tuple):
        return str(value)
    return f"{value[0]} each" if len(set(value)) == 1 else ", ".join(map(str, value))
