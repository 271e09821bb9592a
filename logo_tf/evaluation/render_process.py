"""Plays logged actions again and pictures them; a process of its own, without TensorFlow.

``python -m logo_tf.evaluation.render_process SCENARIO SEED EVERY FOLDER`` reads
``FOLDER/actions.npy`` and writes ``FOLDER/pictures.npy``, (F, height, width, 3) uint8.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from logo_tf.errors import LogoError
from logo_tf.evaluation.frames import ACTIONS, PICTURES
from logo_tf.scenarios.registry import make_scenario


def main(words: list[str]) -> int:
    """Render; returns 0, or 1 with the reason as the last line of standard error."""
    name, seed, every, folder = words[0], int(words[1]), int(words[2]), Path(words[3])
    actions = np.load(folder / ACTIONS, allow_pickle=False)
    try:
        scenario = make_scenario(name)
        scenario.reset(seed)
        pictures = [scenario.render()]
        for step, action in enumerate(actions, start=1):
            scenario.step(action)
            if step % every == 0:
                pictures.append(scenario.render())
    except LogoError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    np.save(folder / PICTURES, np.stack(pictures), allow_pickle=False)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
