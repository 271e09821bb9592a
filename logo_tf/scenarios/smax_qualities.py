"""How often the scripted SMAX team errs, by scenario and quality."""

from __future__ import annotations

# The share of random actions that brings the script's mean return down to about two thirds
# of the way from random play to the script's own (128 to 256 battles at each of 7 shares).
_MEDIUM = {
    "smax/27m_vs_30m": 0.5,
    "smax/2s3z": 0.16,
    "smax/3m": 0.2,
    "smax/3s_vs_5z": 0.18,
    "smax/5m_vs_6m": 0.2,
    "smax/8m": 0.16,
}
# Players that medium-replay mixes, from random ones to medium ones.
_REPLAY_PLAYERS = 5


def scripted_epsilons(scenario_name: str, quality: str) -> tuple[float, ...] | None:
    """Return the shares of random actions that a quality mixes in equal parts.

    ``expert`` never errs, ``medium`` errs so often that its return lies two thirds of
    the way from random to expert, ``medium-expert`` is those two, and ``medium-replay``
    goes in five equal steps from 1, all at random, to medium's.

    Args:
      scenario_name: such as ``smax/3m``.
      quality: medium-replay, medium, medium-expert or expert.

    Returns:
      Shares in 0..1; None where no script plays the scenario, or not that quality.
    """
    if scenario_name not in _MEDIUM:
        return None
    medium = _MEDIUM[scenario_name]
    step = (1.0 - medium) / (_REPLAY_PLAYERS - 1)
    return {
        "medium-replay": tuple(round(1.0 - i * step, 6) for i in range(_REPLAY_PLAYERS)),
        "medium": (medium,),
        "medium-expert": (medium, 0.0),
        "expert": (0.0,),
    }.get(quality)
