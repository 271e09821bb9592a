"""The main job through the Python API: what ``logo-tf run`` does, in a few lines.

    python examples/quickstart.py [--preset quickstart] [--out runs/quickstart]

Killed or interrupted, the same call resumes.
"""

import argparse

from logo_tf.experiments.config import preset
from logo_tf.experiments.run import run


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="quickstart")
    parser.add_argument("--out", default="runs/quickstart")
    options = parser.parse_args(arguments)

    summary = run(preset(options.preset), options.out)

    policy, behaviour = summary["policy"], summary["baselines"]["behaviour"]
    print(f"policy {policy['return_mean']:.0f}, behaviour {behaviour['return_mean']:.0f}")
    print(f"report: {options.out}/report.html")


if __name__ == "__main__":
    main()
