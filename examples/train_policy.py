"""Train a policy on a dataset and on what a world model imagines, then play it.

python examples/train_policy.py --data RUN/dataset --model RUN/world_model [--out DIR]

``examples/train_world_model.py`` and ``logo-tf run`` both leave such a dataset and model.
"""

import argparse
from pathlib import Path

from logo_tf.agents.learner import train_policy
from logo_tf.agents.policy import load_policy
from logo_tf.agents.registry import default_config
from logo_tf.config import override
from logo_tf.data.store import load_dataset
from logo_tf.evaluation.returns import evaluate_policy


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, help="left out: learn from real data alone")
    parser.add_argument("--out", type=Path, default=Path("runs/policy_example"))
    parser.add_argument("--episodes", type=int, default=10)
    parser.add_argument("--algorithm", help="matd3bc or, for choices, macql by default")
    parser.add_argument("--set", nargs="+", default=[], help="settings, such as steps=2000")
    options = parser.parse_args(arguments)

    dataset = load_dataset(options.data)
    config = override(default_config(options.algorithm, dataset.spec.action_kind), options.set)
    path = train_policy(dataset, config, 0, options.out, world_model=options.model)

    policy = load_policy(path)
    found = evaluate_policy(policy.spec.name, policy, options.episodes, seed=0)
    print(f"policy {found.mean:.0f} ± {found.std:.0f}, lowest {found.low:.0f}")
    print(f"data   {dataset.returns.mean():.0f} ± {dataset.returns.std():.0f}")


if __name__ == "__main__":
    main()
