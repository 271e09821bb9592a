"""``logo-tf export``: a world model or a policy leaves as SavedModel or TFLite."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from logo_tf.cli.parser import verb
from logo_tf.errors import LogoError
from logo_tf.export.options import LAYOUTS, PRECISIONS, TOLERANCES

_EXAMPLES = """\
examples:
  logo-tf export runs/quickstart/policy --name cheetah
  logo-tf export runs/quickstart/policy --tflite edge/cheetah
  logo-tf export runs/quickstart/policy --tflite edge/cheetah_int8 --precision int8"""


def add(verbs: Any) -> None:
    """Add the verb."""
    parser = verb(
        verbs, "export", run, "export a world model or a policy as SavedModel or TFLite", _EXAMPLES
    )
    parser.add_argument("path", metavar="RUN", help="the world model or the policy")
    parser.add_argument("--name", metavar="NAME", help="export a SavedModel as NAME/VERSION")
    parser.add_argument(
        "--to", metavar="DIR", default="saved_models", help="the model repository (saved_models)"
    )
    parser.add_argument(
        "--policy",
        metavar="RUN",
        help="of a world model: a policy that it can imagine with (signature imagine_policy)",
    )
    parser.add_argument(
        "--tflite",
        metavar="BUNDLE",
        help="export a policy for devices: a folder of .tflite files and what runs them",
    )
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="float32",
        metavar="P",
        help="of the bundle's weights: float32, float16 or int8 (float32)",
    )
    parser.add_argument(
        "--layout",
        choices=LAYOUTS,
        default="agents",
        metavar="L",
        help="of the bundle: agents, a file each, or shared, one for all (agents)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Export what was asked for."""
    from logo_tf.artifacts import verify
    from logo_tf.cli.output import write_line
    from logo_tf.cli.quiet import import_tensorflow

    if arguments.name is None and arguments.tflite is None:
        raise LogoError("export needs --name NAME (SavedModel) or --tflite FILE, or both")
    path = Path(arguments.path)
    kind = verify(path).kind
    if kind not in ("world_model", "policy"):
        raise LogoError(f"{path}: is a {kind} artefact; a world_model or a policy can be exported")
    if arguments.tflite is not None and kind != "policy":
        raise LogoError(f"{path}: is a {kind}; only a policy can be exported to TFLite")
    if arguments.policy is not None and (kind != "world_model" or arguments.name is None):
        raise LogoError("--policy is for the SavedModel of a world model: export RUN --name NAME")
    import_tensorflow("logo_tf.agents.policy", "logo_tf.world_model.artifact")
    if arguments.name is not None:
        from logo_tf.export.saved_model import export_policy, export_world_model

        to = Path(arguments.to)
        if kind == "policy":
            _say(export_policy(path, arguments.name, to))
        else:
            player = None if arguments.policy is None else Path(arguments.policy)
            _say(export_world_model(path, arguments.name, to, player))
    if arguments.tflite is not None:
        from logo_tf.export.bundle import export_bundle

        files = export_bundle(path, Path(arguments.tflite), arguments.precision, arguments.layout)
        _say(Path(arguments.tflite))
        for file in files:
            write_line(f"  {file.name}, {file.stat().st_size / 1024:.0f} KiB")
    return 0


def _say(folder: Path) -> None:
    from logo_tf.artifacts import load_manifest
    from logo_tf.cli.output import write_line

    manifest = load_manifest(folder, "export")
    tolerance = TOLERANCES[manifest.config.get("precision", "float32")]
    write_line(
        f"{folder}: differs from the original by at most {manifest.figures['max_difference']:.1e} "
        f"(above {tolerance:g} is refused)"
    )
