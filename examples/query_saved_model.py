"""Ask exported SavedModels with TensorFlow alone: nothing of logo_tf is imported.

python examples/query_saved_model.py --models runs/quickstart/saved_models

TensorFlow Serving loads the same folders.
"""

import argparse
from pathlib import Path

import numpy as np
import tensorflow as tf


def newest(models: Path, name: str) -> Path:
    """Return the highest version of a model: REPOSITORY/NAME/VERSION."""
    versions = [path for path in (models / name).iterdir() if path.name.isdecimal()]
    return max(versions, key=lambda path: int(path.name))


def ask(path: Path, rng: np.random.Generator) -> dict[str, tf.Tensor]:
    """Call a SavedModel's default signature with a random batch of two rows."""
    # The signature dies with its model, so the model is kept.
    model = tf.saved_model.load(str(path))
    signature = model.signatures["serving_default"]
    inputs = {}
    for name, spec in signature.structured_input_signature[1].items():
        shape = [2 if size is None else size for size in spec.shape]
        inputs[name] = tf.cast(rng.normal(size=shape), spec.dtype)
    print(path)
    for name, tensor in inputs.items():
        print(f"  in  {name} {tuple(tensor.shape)} {tensor.dtype.name}")
    outputs = signature(**inputs)
    for name, tensor in outputs.items():
        print(f"  out {name} {tuple(tensor.shape)} {tensor.dtype.name}")
    return outputs


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=Path, default=Path("runs/quickstart/saved_models"))
    options = parser.parse_args(arguments)

    rng = np.random.default_rng(0)
    actions = ask(newest(options.models, "policy"), rng)["actions"]
    print("actions of two teams:\n", actions.numpy().round(2))
    ask(newest(options.models, "world_model"), rng)


if __name__ == "__main__":
    main()
