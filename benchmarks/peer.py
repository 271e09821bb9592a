"""Training LOGO and its rivals, side by side with mbrl-lib's ensemble in PyTorch."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from processes import Worker, alternate
from recording import figure, machine, record
from side_by_side import (
    ENSEMBLE,
    LABELS,
    LOGO,
    MODELS,
    MONOLITHIC,
    PEER,
    WITHOUT,
    export,
    make_environment,
    memory,
    open_dataset,
    own,
    parser,
    peer,
    rates,
    ratio,
)

from logo_tf.data.standardisation import standardisation
from logo_tf.data.store import Dataset, Split
from logo_tf.world_model.artifact import split_of
from logo_tf.world_model.config import WorldModelConfig

CONFIG = WorldModelConfig()
ONE_STEP, UNROLLED, WHOLE = "one-step", "unrolled", "whole training"
JUDGED = (LOGO, MONOLITHIC, ENSEMBLE)


def main() -> None:
    """Measure everything and write the result file."""
    options = parser(__doc__)
    options.add_argument("--steps", type=int, default=200, help="of each turn")
    options.add_argument("--seeds", type=int, default=3, help="of the held-out errors")
    options.add_argument("--model-steps", type=int, default=CONFIG.steps, help="for an error")
    options.add_argument(
        "--peer-share",
        type=int,
        default=4,
        help="how many times as many steps the peer may take for its second error",
    )
    arguments = options.parse_args()
    judged, unroll = JUDGED, CONFIG.unroll
    if arguments.quick:
        unroll = 2
        arguments.steps, arguments.rounds = 3, 2
        arguments.seeds, arguments.model_steps, judged = 1, 10, (LOGO,)
    python = make_environment(arguments.peer_venv, arguments.pip)
    dataset = open_dataset(arguments.dataset)
    where = machine()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), dataset, python, arguments.threads)
        figures = bench.speed(unroll, arguments.steps, arguments.rounds)
        peer_steps = (arguments.model_steps, arguments.peer_share * arguments.model_steps)
        figures |= bench.errors(judged, arguments.seeds, arguments.model_steps, peer_steps)
    settings = {
        "dataset": dataset.manifest.hash,
        "transitions": dataset.num_transitions,
        "threads": arguments.threads,
        "rounds": arguments.rounds,
        "steps of each turn": arguments.steps,
        "rows of a step": CONFIG.batch_size,
        "unroll": unroll,
        "share of unrolled steps": CONFIG.unroll_share,
        "steps for an error": arguments.model_steps,
        "steps of the peer for an error": peer_steps,
        "peer": bench.about_peer,
    }
    record("peer", where, figures, settings, arguments.results)


class Bench:
    """The measurements on one dataset."""

    def __init__(self, folder: Path, dataset: Dataset, python: Path, threads: int) -> None:
        """Args: folder: for files that pass between processes; python: the peer's."""
        self._folder, self._dataset = folder, dataset
        self._python, self._threads = python, threads
        self.about_peer: dict[str, Any] = {}

    def speed(self, unroll: int, steps: int, rounds: int) -> dict[str, Any]:
        """Training rates, what they are to each other, and the memory they take."""
        unrolls = {ONE_STEP: 1, UNROLLED: unroll}
        data = self._folder / "seed-0.npz"
        export(self._dataset, self._split(0), data)
        found: dict[str, Any] = {}
        with ExitStack() as stack:
            workers: dict[str, Worker] = {}
            for name in MODELS:
                for label, length in unrolls.items():
                    worker = own(
                        self._dataset,
                        self._threads,
                        "train",
                        model=name,
                        unroll=length,
                        steps=steps,
                    )
                    workers[f"{LABELS[name]}, {label}"] = stack.enter_context(worker)
            worker = peer(self._python, data, self._threads, "train", steps=steps)
            workers[LABELS[PEER]] = stack.enter_context(worker)
            answers = alternate(workers, rounds)
        for name, told in answers.items():
            found[name] = figure(rates(told), "steps/s")
            found[f"{name}, rows"] = figure([r * CONFIG.batch_size for r in rates(told)], "rows/s")
        each = {
            label: {name: rates(answers[f"{LABELS[name]}, {label}"]) for name in MODELS}
            for label in unrolls
        }
        each[WHOLE] = {name: _mixed(each[ONE_STEP][name], each[UNROLLED][name]) for name in MODELS}
        against = rates(answers[LABELS[PEER]])
        for label, own_rates in each.items():
            for name in JUDGED:
                found[f"{LABELS[name]} over mbrl, {label}"] = ratio(own_rates[name], against)
            found[f"price of uncertainty, {label}"] = ratio(own_rates[WITHOUT], own_rates[LOGO])
            found[f"LOGO's time over the ensemble's, {label}"] = ratio(
                own_rates[ENSEMBLE], own_rates[LOGO]
            )
        for name, told in answers.items():
            found[f"peak memory, {name}"] = memory(told)
        return found

    def errors(
        self, names: tuple[str, ...], seeds: int, model_steps: int, peer_steps: tuple[int, ...]
    ) -> dict[str, Any]:
        """One-step errors on the test episodes, in standard deviations of the training ones.

        A seed fixes the split, the initial weights and the batches.

        Args:
          names: of the models that are trained, beside the peer.
          seeds: how many.
          model_steps: of each model's training.
          peer_steps: after which the peer is judged.
        """
        state: dict[str, list[float]] = {}
        reward: dict[str, list[float]] = {}
        for seed in range(seeds):
            split = self._split(seed)
            files = {LABELS[name]: self._file(f"{name}-{seed}.npy") for name in names}
            for name in names:
                with own(self._dataset, self._threads, "error", model=name) as worker:
                    worker.answer()
                    worker.ask(steps=model_steps, seed=seed, predictions=files[LABELS[name]])
            curve = {str(steps): self._file(f"mbrl-{seed}-{steps}.npy") for steps in peer_steps}
            data = self._folder / f"seed-{seed}.npz"
            export(self._dataset, split, data)
            with peer(self._python, data, self._threads, "error") as worker:
                self.about_peer = worker.answer()
                worker.ask(data=str(data), seed=seed, steps=peer_steps, predictions=curve)
            files |= {f"{LABELS[PEER]}, {steps} steps": file for steps, file in curve.items()}
            for name, file in files.items():
                predicted = np.load(file)
                if name.startswith(LABELS[PEER]):
                    predicted = self._absolute(predicted, split)
                of_state, of_reward = self._error(predicted, split)
                state.setdefault(name, []).append(of_state)
                reward.setdefault(name, []).append(of_reward)
        found = {f"state error, {name}": figure(e, "std") for name, e in state.items()}
        found |= {f"reward error, {name}": figure(e, "std") for name, e in reward.items()}
        return found

    def _split(self, seed: int) -> Split:
        return split_of(self._dataset, CONFIG, seed)

    def _file(self, name: str) -> str:
        return str(self._folder / name)

    def _absolute(self, predicted: np.ndarray, split: Split) -> np.ndarray:
        """The peer predicts the change of the state."""
        before = self._dataset.field("state")[self._dataset.transition_rows(split.test)]
        width = before.shape[1]
        return np.concatenate([before + predicted[:, :width], predicted[:, width:]], axis=-1)

    def _error(self, predicted: np.ndarray, split: Split) -> tuple[float, float]:
        """RMSE of s' over the dimensions that are predicted and vary, and of r."""
        dataset, units = self._dataset, standardisation(self._dataset, split.train)
        rows = dataset.transition_rows(split.test)
        dims = (dataset.spec.predicted_state_mask > 0) & ~units.state_constant
        state = predicted[:, :-1] - dataset.field("state")[rows + 1]
        reward = predicted[:, -1] - dataset.field("rewards")[rows]
        return (
            float(np.sqrt(np.mean(np.square((state / units.state_std)[:, dims])))),
            float(np.sqrt(np.mean(np.square(reward / units.reward_std)))),
        )


def _mixed(one_step: list[float], unrolled: list[float]) -> list[float]:
    """Rates over a whole training, part of whose steps are unrolled."""
    share = CONFIG.unroll_share
    return [1.0 / ((1.0 - share) / a + share / b) for a, b in zip(one_step, unrolled, strict=True)]


if __name__ == "__main__":
    main()
