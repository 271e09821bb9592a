"""What a run's report says: the sections of ``report.html``, made from the artefacts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from logo_tf import disk
from logo_tf.artifacts import Manifest
from logo_tf.config import to_dict
from logo_tf.evaluation.report import (
    Block,
    Figure,
    Folded,
    Section,
    Strip,
    Table,
    Text,
    Tiles,
    page,
    page_digest,
)
from logo_tf.evaluation.returns import shown
from logo_tf.experiments.clock import StageClock
from logo_tf.experiments.config import RunConfig
from logo_tf.experiments.evaluate import read_part

REPORT = "report.html"


class _Plot(NamedTuple):
    """A plot of logged metrics: whose they are, which (name -> label), and what they mean."""

    stage: str
    metrics: Mapping[str, str]
    ylabel: str
    caption: str


_MEASURES = {
    "starts": "predictions begun",
    "reward_mae": "reward: mean absolute error, one step",
    "reward_rmse": "reward: root mean square error, one step",
    "reward_rmse_std": "the same, in standard deviations of the reward",
    "uncertainty_spearman": "uncertainty and true error: Spearman's rank correlation",
    "termination_f1": "endings: F1",
    "legal_actions_accuracy": "legal actions: share of living agents whose whole mask is right",
}
_TRAINING = (
    _Plot(
        "policy",
        {"q_data": "the data's actions", "q_policy": "its own actions"},
        "value",
        "Policy: value of the data's joint actions and of its own, in scaled rewards.",
    ),
    _Plot(
        "policy",
        {"critic_loss": "loss", "td_error": "temporal difference"},
        "loss",
        "Policy: the critics' losses.",
    ),
    _Plot("policy", {"actor_loss": "loss"}, "loss", "Policy: the actor's loss."),
    _Plot("policy", {"cloning": "distance"}, "distance", "Policy: how far it acts from the data."),
    _Plot("policy", {"conservative": "loss"}, "loss", "Policy: the conservative term."),
    _Plot(
        "bc",
        {"cloning": "distance"},
        "distance",
        "Behaviour cloning: how far it acts from the data.",
    ),
)


def write_report(
    config: RunConfig,
    manifests: Mapping[str, Manifest],
    places: Mapping[str, Path],
    summary: Mapping[str, Any],
    out: Path,
    clock: StageClock,
) -> bool:
    """Write ``report.html`` unless the one that is there was made from the same.

    Args:
      config: the run's settings.
      manifests: of every stage, by name.
      places: where every stage's artefact stands.
      summary: the run's figures.
      out: the run's folder.
      clock: counts the time.

    Returns:
      Whether it was written.
    """
    file = out / REPORT
    # Times are left out: they change when nothing else has.
    told = {name: value for name, value in summary.items() if name != "seconds"}
    digest = hashlib.sha256(json.dumps([told, to_dict(config)]).encode()).hexdigest()
    if file.is_file() and page_digest(file.read_text(encoding="utf-8")) == digest:
        return False
    with clock.running("report"):
        sections = [
            _overview(summary),
            _returns(manifests, places),
            _acting(places["evaluation"]),
            _world_model(places, summary),
            _imagination(places, summary),
            _training(places),
            _provenance(config, manifests, places, summary),
        ]
        disk.write_text(file, page(f"LOGO on {config.scenario}", sections, digest))
    return True


def _overview(summary: Mapping[str, Any]) -> Section:
    policy, base = summary["policy"], summary["baselines"]
    model, imagined = summary["world_model"], summary["imagination"]

    def text(value: float) -> str:
        return shown(value, policy["return_max"])

    spread = f"{text(policy['return_mean'])} ± {text(policy['return_std'])}"
    lead = (
        f"A team trained offline by {policy['algorithm']} with imagined data earns {spread} an "
        f"episode (mean ± standard deviation over {policy['episodes']} episodes, one seed). The "
        f"data it learned from earn {text(base['behaviour']['return_mean'])}, behaviour cloning "
        f"{text(base['bc']['return_mean'])}, random actions "
        f"{text(base['random']['return_mean'])}."
    )
    errors = " / ".join(f"{model['state_nrmse'][k]:.2f}" for k in ("1", "5", "15"))
    tiles = Tiles(
        [
            (spread, f"return of the policy, lowest {text(policy['return_min'])}"),
            (text(policy["return_mean"] - base["behaviour"]["return_mean"]), "above the data"),
            (errors, "state error after 1 / 5 / 15 steps; 1 is persistence"),
            (
                f"{model['uncertainty_spearman']:.2f}",
                "rank correlation of uncertainty and true error",
            ),
            (f"{imagined['ess_fraction']:.2f}", "effective sample size of imagined data"),
            (f"{sum(summary['seconds'].values()) / 60:.1f} min", "of computing before this page"),
        ]
    )
    return Section("", [Text(lead, "lead"), tiles])


def _returns(manifests: Mapping[str, Manifest], places: Mapping[str, Path]) -> Section:
    from logo_tf.data.store import load_dataset
    from logo_tf.evaluation.plots import curves_plot, returns_plot

    data = load_dataset(places["dataset"], check="manifest").returns.tolist()
    parts = {
        "policy": read_part(places["evaluation"], "policy")["returns"],
        "behaviour cloning": read_part(places["evaluation"], "bc")["returns"],
        "behaviour (data)": data,
        "random": read_part(places["evaluation"], "random")["returns"],
    }
    table = Table(
        ("", "mean", "std", "lowest", "highest", "episodes"),
        [(name, *_spread(values)) for name, values in parts.items()],
        "Undiscounted return of whole episodes. Policy, cloning and random begin in the same "
        "states.",
    )
    blocks: list[Block] = [Figure(returns_plot(parts), "Return of each episode, by who acts.")]
    curves: dict[str, tuple[list[float], list[float]]] = {}
    for stage, label in (("policy", "policy"), ("bc", "behaviour cloning")):
        curves |= _curves(read_metrics(places[stage]), {"return_mean": label})
    if curves:
        levels = {"behaviour (data)": sum(data) / len(data)}
        blocks.append(
            Figure(
                curves_plot("curve", curves, "mean return", levels=levels),
                "Return while the policies are trained, a few episodes each. It is shown, not "
                "used: nothing was chosen by it.",
            )
        )
    blocks += [
        Figure(
            curves_plot(
                "behaviour", {"episode": (list(range(len(data))), data)}, "return", "episode"
            ),
            "The data: return of each episode, in the order they were collected.",
        ),
        table,
    ]
    return Section("Returns", blocks)


def _acting(evaluation: Path) -> Section:
    part = read_part(evaluation, "frames")
    if part["reason"]:
        return Section("The team acting", [Text(f"No pictures: {part['reason']}.")])
    pictures = [
        ((evaluation / name).read_bytes(), f"step {step}")
        for name, step in zip(part["frames"], part["steps"], strict=True)
    ]
    return Section("The team acting", [Strip(pictures, "The beginning of one episode.")])


def _world_model(places: Mapping[str, Path], summary: Mapping[str, Any]) -> Section:
    from logo_tf.evaluation.plots import curves_plot, horizon_plot

    part = read_part(places["evaluation"], "world_model")
    lines = read_metrics(places["world_model"])
    held_out = {
        "validation_state_rmse": "state",
        "validation_observations_rmse": "observations",
        "validation_reward_rmse": "reward",
    }
    blocks: list[Block] = [
        Text(
            "Errors are of test episodes, which the model never saw: root mean square error over "
            "that of persistence (predicting no change), so 1 means nothing was learned and 0 is "
            "perfect."
        ),
        Figure(
            horizon_plot({"state": part["state_nrmse"], "observations": part["obs_nrmse"]}),
            "Open-loop error after k steps, under the logged actions.",
        ),
    ]
    for name, curves, ylabel, caption in (
        (
            "model-held-out",
            _curves(lines, held_out),
            "RMSE, standardised",
            "Held-out open-loop error during training; the best weights are kept.",
        ),
        (
            "model-loss",
            _curves(lines, {"loss": "loss"}),
            "loss",
            "Training loss; it jumps where training on several steps at once begins.",
        ),
    ):
        if curves:
            blocks.append(Figure(curves_plot(name, curves, ylabel, logarithmic=True), caption))
    numbers = [
        (_MEASURES.get(name, name.replace("_", " ")), value)
        for name, value in part.items()
        if isinstance(value, int | float)
    ]
    blocks.append(Table(("measure", "value"), numbers, "On test episodes."))
    return Section("World model", blocks)


def _imagination(places: Mapping[str, Path], summary: Mapping[str, Any]) -> Section:
    from logo_tf.evaluation.plots import curves_plot, histogram_plot, scatter_plot, uncertainty_plot

    part = read_part(places["evaluation"], "imagination")
    curve = read_part(places["evaluation"], "world_model").get("uncertainty_curve")
    steps = part["uncertainty_by_step"]
    blocks: list[Block] = []
    if curve:
        blocks.append(
            Figure(
                uncertainty_plot(curve["uncertainty"], curve["error"]),
                "Test transitions sorted by uncertainty: does more of it mean more error? Spearman "
                f"{summary['world_model']['uncertainty_spearman']:.2f}.",
            )
        )
    blocks += [
        Figure(
            histogram_plot("weights", part["weights"], "weight of an imagined transition (mean 1)"),
            f"Weights the sampler gives; effective sample size {part['ess_fraction']:.2f} of "
            f"{part['transitions']} transitions imagined by the final policy.",
        ),
        Figure(
            scatter_plot(
                "weight-of-u", part["uncertainty"], part["weights"], "uncertainty u", "weight"
            ),
            "Each imagined transition's weight over its uncertainty.",
        ),
        Figure(
            curves_plot(
                "u-by-step",
                {"median u": (list(range(1, len(steps) + 1)), steps)},
                "uncertainty u",
                "imagined step",
            ),
            "Uncertainty along imagined branches.",
        ),
    ]
    lines = read_metrics(places["policy"])
    for name, ylabel, caption in (
        (
            "ess_fraction",
            "effective sample size",
            "Share of imagined transitions that count, over the policy's training.",
        ),
        ("uncertainty", "mean u", "Uncertainty of what is imagined, over the policy's training."),
    ):
        curves = _curves(lines, {name: ylabel})
        if curves:
            blocks.append(Figure(curves_plot(name, curves, ylabel), caption))
    return Section("Uncertainty and imagined data", blocks)


def _training(places: Mapping[str, Path]) -> Section:
    from logo_tf.evaluation.plots import curves_plot

    lines = {stage: read_metrics(places[stage]) for stage in ("policy", "bc")}
    blocks: list[Block] = []
    for plot in _TRAINING:
        curves = _curves(lines[plot.stage], plot.metrics)
        # A term that the algorithm does not have is zero throughout.
        curves = {label: curve for label, curve in curves.items() if any(curve[1])}
        if curves:
            name = f"{plot.stage}-{next(iter(plot.metrics))}"
            svg = curves_plot(name, curves, plot.ylabel)
            blocks.append(Figure(svg, plot.caption))
    return Section("Training the policies", blocks)


def _provenance(
    config: RunConfig,
    manifests: Mapping[str, Manifest],
    places: Mapping[str, Path],
    summary: Mapping[str, Any],
) -> Section:
    lineage = [
        (name, manifest.kind, manifest.hash, ", ".join(sorted(manifest.parents)) or "–")
        for name, manifest in manifests.items()
    ]
    exports = list(summary["exports"].items())
    times = [(name, value) for name, value in summary["seconds"].items() if name != "report"]
    first = next(iter(manifests.values()))
    return Section(
        "How it was made",
        [
            Text(f"Environment: {first.scenario.environment}. logo_tf {first.logo_tf}."),
            Table(("stage", "seconds"), times, "Time per stage, over all parts of the run."),
            Table(("export", "where"), exports),
            Table(("stage", "kind", "sha256 of its manifest", "made from"), lineage, "Lineage."),
            Folded("Every setting", Table(("setting", "value"), list(_dotted(to_dict(config))))),
        ],
    )


def read_metrics(place: Path) -> list[dict[str, float]]:
    """Read an artefact's metrics and its curve; what was logged twice counts once."""
    lines: dict[tuple[float, tuple[str, ...]], dict[str, float]] = {}
    for file in (place / "metrics.jsonl", place / "curve.jsonl"):
        for text in file.read_text(encoding="utf-8").splitlines() if file.is_file() else ():
            line = json.loads(text)
            lines[line["step"], tuple(sorted(line))] = line
    return sorted(lines.values(), key=lambda line: line["step"])


def _curves(
    lines: list[dict[str, float]], labels: Mapping[str, str]
) -> dict[str, tuple[list[float], list[float]]]:
    from logo_tf.evaluation.plots import as_series

    found = {label: as_series(lines, name) for name, label in labels.items()}
    return {name: series for name, series in found.items() if series[0]}


def _spread(values: list[float]) -> tuple[float, float, float, float, int]:
    import numpy as np

    return (
        float(np.mean(values)),
        float(np.std(values)),
        float(np.min(values)),
        float(np.max(values)),
        len(values),
    )


def _dotted(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from _dotted(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", json.dumps(value)
