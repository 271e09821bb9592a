"""Collect a small dataset, train a LOGO world model on it, and ask it for one step.

python examples/train_world_model.py [--out runs/world_model_example] [--steps 2000]
"""

import argparse
from pathlib import Path

from logo_tf.data.collect import CollectConfig, collect
from logo_tf.data.pipeline import sequential
from logo_tf.data.store import split_episodes
from logo_tf.world_model.artifact import load_world_model
from logo_tf.world_model.config import WorldModelConfig
from logo_tf.world_model.diagnostics import evaluate_model
from logo_tf.world_model.trainer import train_world_model


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenario", default="mamujoco/HalfCheetah-2x3")
    parser.add_argument("--quality", default="medium-replay")
    parser.add_argument("--transitions", type=int, default=20_000)
    parser.add_argument("--steps", type=int, default=2000, help="gradient steps")
    parser.add_argument("--width", type=int, default=WorldModelConfig().width)
    parser.add_argument("--out", type=Path, default=Path("runs/world_model_example"))
    options = parser.parse_args(arguments)

    # Every stage is a function from artefacts and a config to an artefact.
    dataset = collect(
        CollectConfig(
            scenario=options.scenario, quality=options.quality, steps=options.transitions
        ),
        options.out / "dataset",
    )
    config = WorldModelConfig(steps=options.steps, width=options.width)
    path = train_world_model(dataset, config, 0, options.out / "world_model")

    # Judge it on the episodes that its training held out (the same seed deals them).
    model = load_world_model(path)
    test = split_episodes(dataset, 0, config.validation_share, config.test_share).test
    figures = evaluate_model(model, dataset, test, horizons=(1, 5, 15), seed=0)
    for k, error in figures["state_nrmse"].items():
        print(f"state error after {k} steps: {error:.2f} of persistence's")

    # One step from four logged situations, under the logged actions.
    batch = next(iter(sequential(dataset, test, batch_size=4)))
    prediction = model.step(batch.state, batch.observations, batch.actions, batch.agent_mask)
    for name in ("reward", "reward_std", "uncertainty"):
        print(name, getattr(prediction, name).numpy().round(3))
    print("true reward", batch.rewards.numpy().round(3))


if __name__ == "__main__":
    main()
