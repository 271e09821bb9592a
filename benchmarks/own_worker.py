"""One of this package's world models, or the simulator, as a process that is measured."""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import tensorflow as tf
from processes import Parent

from logo_tf.agents.config import PolicyConfig
from logo_tf.agents.offline_agent import AgentSetup, build_actor
from logo_tf.agents.team_policy import graph_policy
from logo_tf.data import pipeline
from logo_tf.data.standardisation import standardisation
from logo_tf.data.store import Dataset, load_dataset
from logo_tf.data.transitions import Transitions
from logo_tf.imagination.rollout import make_imagine
from logo_tf.scenarios.play import play
from logo_tf.scenarios.random_policy import RandomPolicy
from logo_tf.scenarios.registry import make_scenario
from logo_tf.world_model import objective, registry
from logo_tf.world_model.artifact import load_world_model, split_of
from logo_tf.world_model.base import Forecast, Start
from logo_tf.world_model.config import LogoConfig, WorldModelConfig
from logo_tf.world_model.logo import LogoWorldModel
from logo_tf.world_model.protocol import WorldModel
from logo_tf.world_model.trainer import train_world_model

WITHOUT = "logo-without-encoder"
MODELS = ("logo", WITHOUT, "monolithic", "ensemble")
POLICY = PolicyConfig()


def main() -> None:
    """Answer the parent until it has no more requests."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("role", choices=("train", "imagine", "simulate", "error"))
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--model", choices=MODELS, default="logo")
    parser.add_argument("--unroll", type=int, default=1)
    parser.add_argument("--steps", type=int, default=1, help="of a portion of training")
    parser.add_argument("--branches", type=int, default=1000)
    parser.add_argument("--horizon", type=int, default=15)
    parser.add_argument("--rollouts", type=int, default=1, help="of a portion of imagination")
    arguments = parser.parse_args()
    parent = Parent()
    dataset = load_dataset(arguments.dataset, check="manifest")
    kinds = {**registry.KINDS, "logo": LogoWithoutEncoder}
    patched = mock.patch.dict(registry.KINDS, kinds if arguments.model == WITHOUT else {})
    with patched, tempfile.TemporaryDirectory() as folder:
        config = config_of(arguments.model)
        if arguments.role == "train":
            train(parent, dataset, config, arguments.unroll, arguments.steps, Path(folder))
        elif arguments.role == "imagine":
            sizes = arguments.branches, arguments.horizon, arguments.rollouts
            imagine(parent, dataset, config, *sizes)
        elif arguments.role == "simulate":
            simulate(parent, dataset)
        else:
            parent.tell()
            for number, request in enumerate(parent.requests()):
                out = Path(folder) / str(number)
                predict(dataset, config, request, out)
                parent.tell()


class LogoWithoutEncoder(LogoWorldModel):
    """LOGO without E_s and all that exists for it: what the uncertainty costs is the rest.

    Its loss is an unweighted sum; what it learns is of no interest.
    """

    def __init__(self, *arguments: Any) -> None:
        """Args: arguments: of ``LogoWorldModel``."""
        super().__init__(*arguments)
        self.auxiliary_encoder = _Nothing()

    def forecast(self, start: Start) -> Forecast:
        """Predict one step without an uncertainty."""
        forecast = super().forecast(start)
        return forecast._replace(uncertainty=tf.zeros_like(forecast.reward))

    def losses(self, batch: Transitions, mask: tf.Tensor, unroll: int) -> dict[str, tf.Tensor]:
        """The losses of a batch of windows, without those of E_s."""
        named = objective.losses(self, batch, mask, unroll)
        left_out = ("loss", "auxiliary_state")
        kept = {name: value for name, value in named.items() if not name.endswith(left_out)}
        return {"loss": tf.add_n(list(kept.values())), **kept}


class _Nothing:
    """Stands where E_s was."""

    trainable_variables = ()

    def __call__(self, inputs: tf.Tensor) -> float:
        """No change of the state."""
        return 0.0


class Metronome:
    """A ``MetricLogger`` that lets the trainer go on only when the parent asks for it."""

    def __init__(self, parent: Parent, steps: int) -> None:
        """Args: steps: of a portion, which is the distance between two lines."""
        self._parent, self._requests, self._steps = parent, parent.requests(), steps
        self._begun: float | None = None

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        """Tell the rate of the portion that ends here and wait; the first one held tracing."""
        if self._begun is None:
            self._parent.tell()
        else:
            self._parent.tell(rate=self._steps / (time.perf_counter() - self._begun))
        if next(self._requests, None) is None:
            raise SystemExit
        self._begun = time.perf_counter()

    def close(self) -> None:
        """Nothing is held."""


def config_of(model: str) -> WorldModelConfig:
    """The default settings of a model."""
    if model == WITHOUT:
        # What does not mention E_s.
        logo = LogoConfig(feedback="deduced", regularisation_weight=0.0)
        return WorldModelConfig(logo=logo)
    return WorldModelConfig(kind=model)


def train(
    parent: Parent, dataset: Dataset, config: WorldModelConfig, unroll: int, steps: int, out: Path
) -> None:
    """Train with the package's own trainer, a portion a request."""
    endless = 1_000_000 * steps
    config = dataclasses.replace(
        config,
        unroll=unroll,
        unroll_share=1.0,
        steps=endless,
        log_every=steps,
        validate_every=endless,
    )
    train_world_model(dataset, config, 0, out / "model", [Metronome(parent, steps)])


def imagine(
    parent: Parent,
    dataset: Dataset,
    config: WorldModelConfig,
    branches: int,
    horizon: int,
    rollouts: int,
) -> None:
    """Roll out an untrained model and policy, which cost what trained ones do."""
    units = standardisation(dataset)
    model: WorldModel = registry.build(config, dataset.spec, units, 0)
    counter = tf.Variable(0, dtype=tf.int64, trainable=False)
    actor = build_actor(AgentSetup(dataset.spec, POLICY, 0, counter, units))
    policy = graph_policy(dataset.spec, actor, POLICY.exploration)
    rollout = make_imagine(model, policy, horizon)
    start = next(iter(pipeline.transitions(dataset, None, branches, seed=0)))

    def work() -> float:
        for i in range(rollouts):
            rollout(start, tf.constant([0, i])).uncertainty.numpy()
        return rollouts * horizon * branches

    parent.serve(work)


def simulate(parent: Parent, dataset: Dataset) -> None:
    """Play one episode of the real environment with a policy that costs next to nothing."""
    scenario = make_scenario(dataset.spec.name)
    policy = RandomPolicy(dataset.spec)

    def work() -> float:
        return sum(episode.length for episode in play([scenario], policy, 1, seed=0))

    parent.serve(work)
    scenario.close()


def predict(
    dataset: Dataset, config: WorldModelConfig, request: Mapping[str, Any], out: Path
) -> None:
    """Train a model as its default says and predict the held-out rows, one step each."""
    config = dataclasses.replace(config, steps=request["steps"])
    model = load_world_model(train_world_model(dataset, config, request["seed"], out, []))
    test = split_of(dataset, config, request["seed"]).test
    parts = [_predicted(model, batch) for batch in _batches(dataset, test)]
    np.save(request["predictions"], np.concatenate(parts))


def _batches(dataset: Dataset, episodes: np.ndarray) -> Iterator[Transitions]:
    yield from pipeline.sequential(dataset, episodes, 5000)


def _predicted(model: WorldModel, batch: Transitions) -> np.ndarray:
    """(B, S + 1): the next state and the reward."""
    step = model.step(batch.state, batch.observations, batch.actions, batch.agent_mask)
    return np.concatenate([step.state, step.reward[:, None]], axis=-1)


if __name__ == "__main__":
    main()
