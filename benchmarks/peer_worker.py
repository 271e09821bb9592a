"""The peer: mbrl-lib's ensemble of Gaussian networks, in its own virtual environment.

Everything is as its own ``conf/dynamics_model/gaussian_mlp_ensemble.yaml`` and
``overrides/mbpo_halfcheetah.yaml`` set it, the trainer apart: ``mbrl.models.ModelTrainer``
is replaced by the loop inside it, on tensors that are normalised beforehand and without the
gradient's norm, which is faster for the peer.
"""

from __future__ import annotations

import argparse
import copy
import importlib.metadata
import platform
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mbrl.models import GaussianMLP
from mbrl.util.math import Normalizer
from processes import Parent

MEMBERS, ELITES, LAYERS, WIDTH, BATCH = 7, 5, 4, 200, 256
LEARNING_RATE, WEIGHT_DECAY = 1e-3, 1e-5
VALIDATIONS = 20


def main() -> None:
    """Answer the parent until it has no more requests."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("role", choices=("train", "forward", "error"))
    parser.add_argument("data", type=Path, help="the .npz that side_by_side.export wrote")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--steps", type=int, default=1, help="of a portion of training")
    parser.add_argument("--branches", type=int, default=1000, help="states of a forward pass")
    parser.add_argument("--passes", type=int, default=1, help="of a portion of forward passes")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    parent = Parent()
    peer = Peer(arguments.data, seed=0)
    if arguments.role == "train":
        parent.serve(lambda: peer.train(arguments.steps))
    elif arguments.role == "forward":
        inputs = peer.inputs[torch.randint(len(peer.inputs), (arguments.branches,))]
        peer.model.set_elite(range(ELITES))
        parent.serve(lambda: peer.forward(inputs, arguments.passes))
    else:
        parent.tell(settings=settings(), versions=versions())
        for request in parent.requests():
            peer = Peer(Path(request["data"]), request["seed"])
            for steps in request["steps"]:
                peer.train_and_keep_best(steps)
                np.save(request["predictions"][str(steps)], peer.predict())
            parent.tell()


class Peer:
    """An ensemble in training, with its data in memory."""

    def __init__(self, data: Path, seed: int) -> None:
        """Read the data, normalise the inputs and build the ensemble."""
        torch.manual_seed(seed)
        with np.load(data) as arrays:
            tensors = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
        inputs, self.targets = tensors["train_inputs"], tensors["train_targets"]
        normalizer = Normalizer(inputs.shape[1], torch.device("cpu"))
        normalizer.update_stats(inputs)
        self.inputs = normalizer.normalize(inputs)
        self._validation = normalizer.normalize(tensors["validation_inputs"])
        self._validation_targets = tensors["validation_targets"]
        self._test = normalizer.normalize(tensors["test_inputs"])
        self._bootstraps = torch.randint(len(inputs), (MEMBERS, len(inputs)))
        self.model = GaussianMLP(
            inputs.shape[1],
            self.targets.shape[1],
            "cpu",
            num_layers=LAYERS,
            ensemble_size=MEMBERS,
            hid_size=WIDTH,
            propagation_method="random_model",
            activation_fn_cfg={"_target_": "torch.nn.SiLU"},
        )
        self._optimizer = torch.optim.Adam(
            self.model.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY
        )
        self._taken = 0
        self._best_scores = torch.full((MEMBERS,), torch.inf)
        self._best_weights: dict[str, Any] = {}

    def train(self, steps: int) -> float:
        """Take steps, each member on its own bootstrap; return how many."""
        rows = self._bootstraps.shape[1]
        self.model.train()
        for _ in range(steps):
            batch = self._bootstraps[:, torch.randint(rows, (BATCH,))]
            self._optimizer.zero_grad()
            loss, _ = self.model.loss(self.inputs[batch], self.targets[batch])
            loss.backward()
            self._optimizer.step()
        self._taken += steps
        return steps

    def forward(self, inputs: torch.Tensor, passes: int) -> float:
        """Predict again and again, one elite a state; return how many states."""
        with torch.no_grad():
            for _ in range(passes):
                self.model.forward(inputs)
        return passes * len(inputs)

    def train_and_keep_best(self, steps: int) -> None:
        """Train up to ``steps`` in all; the best so far is kept as ``ModelTrainer`` does."""
        portion = max(steps // VALIDATIONS, 1)
        while self._taken < steps:
            self.train(min(portion, steps - self._taken))
            errors, _ = self.model.eval_score(self._validation, self._validation_targets)
            scores = errors.mean(dim=(1, 2))
            if (scores < self._best_scores).any():
                self._best_scores = torch.minimum(scores, self._best_scores)
                self._best_weights = copy.deepcopy(self.model.state_dict())

    def predict(self) -> np.ndarray:
        """The elites' mean prediction of the held-out rows, with the best weights."""
        now = copy.deepcopy(self.model.state_dict())
        self.model.load_state_dict(self._best_weights)
        elites = torch.argsort(self._best_scores)[:ELITES]
        with torch.no_grad():
            means, _ = self.model.forward(self._test, use_propagation=False)
        self.model.load_state_dict(now)
        predicted: np.ndarray = means[elites].mean(dim=0).numpy()
        return predicted


def settings() -> dict[str, Any]:
    """What the peer's figures depend on."""
    return {
        "members": MEMBERS,
        "elites": ELITES,
        "layers": LAYERS,
        "width": WIDTH,
        "batch size": BATCH,
        "activation": "SiLU",
        "learning rate": LEARNING_RATE,
        "weight decay": WEIGHT_DECAY,
    }


def versions() -> dict[str, str]:
    """Of the peer's environment."""
    found = {"python": platform.python_version()}
    return found | {name: importlib.metadata.version(name) for name in ("torch", "mbrl")}


if __name__ == "__main__":
    main()
