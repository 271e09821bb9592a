"""All pictures of a world model in one folder, and a page that says how to read them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from logo_tf import disk
from logo_tf.data.standardisation import standardisation
from logo_tf.data.store import Dataset
from logo_tf.evaluation.model_plots import (
    draw_agents,
    draw_calibration,
    draw_curves,
    draw_dimensions,
    draw_uncertainty,
)
from logo_tf.evaluation.report import Picture, Section, Text, Tiles, page
from logo_tf.evaluation.trajectories import (
    ForeseenStates,
    choose_dimensions,
    choose_windows,
    foreseen_states,
    trajectory,
)
from logo_tf.evaluation.trajectory_plots import animate, draw_strip
from logo_tf.world_model.judging.errors import state_scale
from logo_tf.world_model.judging.foresight import draw_windows, foresee
from logo_tf.world_model.protocol import WorldModel

PAGE = "diagnostics.html"
_STARTS = 2000
_STRETCHES = 3
_DIMENSIONS = 6
_CAPTIONS = {
    "curves.png": "How errors grow when the model is fed with its own predictions under the logged "
    "actions. Left, 1 is what predicting 'nothing changes' (persistence) would cost at the same "
    "step; right, the same errors in standard deviations of the data.",
    "dimensions_1.png": "One dot a held-out transition: how far each state dimension moved, and "
    "how far the model said. NRMSE compares with predicting no change (1), R² is 1 - NRMSE².",
    "dimensions_far.png": "The same at the farthest open-loop step: which dimensions drift.",
    "agents.png": "Error of what each agent will observe, while it lives. An agent that stands out "
    "is one whose surroundings the model has not learned.",
    "uncertainty.png": "What the model says of its own error against that error. Where the median "
    "rises, sampling by u avoids bad imagination; a flat line means that u tells nothing.",
    "calibration.png": "Left: how often the truth lies inside the predicted Gaussian interval. The "
    "others, where the model has a calibration: how often the state's error stays below the bound "
    "that u states, by level and by step.",
    "strip.png": "Held-out stretches, imagined from their first row alone, over the state "
    "dimensions that move most in them, the worst predicted on top. The band is the predicted "
    "spread of one step, not of all that has piled up; the last row is the error of the whole "
    "state and the bound on it that u states.",
    "trajectory.gif": "The longest of these stretches, in time: pale is what is still to come.",
}


def write_diagnostics(
    out: Path,
    label: str,
    model: WorldModel,
    dataset: Dataset,
    episodes: np.ndarray | None,
    said: str,
    figures: Mapping[str, Mapping[str, Any]],
    seed: int,
) -> list[Path]:
    """Draw what a person should look at before trusting a world model.

    Args:
      out: the folder, made if need be; files of the same names are replaced.
      label: of the model, in the pictures.
      model: the world model.
      dataset: where the episodes are.
      episodes: indices of the episodes that the figures are of; None means all.
      said: what these episodes are, in words.
      figures: label -> what ``evaluate_model`` returned on them, of this model first, then
        of each rival.
      seed: fixes the windows that are drawn.

    Returns:
      The pictures, and last ``diagnostics.html``, which holds all of them.

    Raises:
      LogoError: the disk refuses.
    """
    found = figures[label]
    horizon = len(found["curve"]["step"])
    scale = state_scale(standardisation(dataset), dataset.spec)

    def states(length: int) -> ForeseenStates:
        windows = draw_windows(dataset, episodes, length, _STARTS, seed, model.context)
        return foreseen_states(foresee(model, windows), scale, model.calibration)

    # Twice as far as is measured: a person sees where it goes wrong.
    seen = states(2 * horizon)
    steps = sorted({1, horizon} if seen.mask[horizon - 1].any() else {1})
    curves = {name: values["curve"] for name, values in figures.items()}
    by_agent = found["obs_rmse_by_agent"]
    files = [
        draw_curves(out / "curves.png", curves),
        draw_dimensions(out / "dimensions_1.png", *seen.changes(1), seen.dims, 1),
    ]
    if len(steps) > 1:
        far = out / "dimensions_far.png"
        files.append(draw_dimensions(far, *seen.changes(horizon), seen.dims, horizon))
    files += [
        draw_agents(
            out / "agents.png",
            {k: by_agent[k] for k in ("1", "5", str(horizon)) if k in by_agent},
            dataset.spec.agents,
        ),
        draw_uncertainty(out / "uncertainty.png", {k: seen.ranked(k) for k in steps}),
        draw_calibration(out / "calibration.png", found["reliability"], found["coverage"]),
        *_trajectories(out, seen, steps[-1]),
    ]
    text = page(f"World model {label}", _sections(label, found, said, files), "")
    disk.write_text(out / PAGE, text)
    return [*files, out / PAGE]


def _trajectories(out: Path, seen: ForeseenStates, step: int) -> list[Path]:
    chosen = choose_windows(seen, step, _STRETCHES)
    places = choose_dimensions(seen, chosen, step, _DIMENSIONS)
    names = [f"state {dim}" for dim in seen.dims[places]]
    stretches = [trajectory(seen, int(window), places) for window in chosen]
    return [
        draw_strip(out / "strip.png", stretches, names),
        animate(out / "trajectory.gif", max(stretches, key=lambda one: len(one.true)), names),
    ]


def _sections(label: str, found: Mapping[str, Any], said: str, files: list[Path]) -> list[Section]:
    far = str(found["horizons"][-1])
    coverage = found["coverage"]
    tiles = [
        (_told(found["state_nrmse"]["1"]), "state error after one step; 1 is persistence"),
        (_told(found["state_nrmse"][far]), f"the same after {far} steps"),
        (_told(found["obs_nrmse"]["1"]), "observation error after one step"),
        (_told(found["uncertainty_spearman"]), "rank correlation of u and true error"),
        (_told(found["state_nll"]), "nats per state dimension; 1.42 knows nothing"),
        (
            _told(coverage["coverage"][0]) if coverage else "none",
            f"of errors below the bound; {coverage['nominal']:g} promised"
            if coverage
            else "calibration in this model",
        ),
    ]
    lead = f"{found['starts']} open-loop predictions of {label}, from episodes {said}."
    pictures = [Picture(f.name, f.read_bytes(), _CAPTIONS[f.name]) for f in files]
    return [Section("", [Text(lead, "lead"), Tiles(tiles)]), Section("Pictures", pictures)]


def _told(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
