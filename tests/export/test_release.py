"""Publishing and rolling back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from logo_tf import artifacts, disk
from logo_tf.cli.main import main
from logo_tf.errors import LogoError
from logo_tf.export.about import About
from logo_tf.export.publishing import versions
from logo_tf.export.release import publish_version, roll_back
from logo_tf.export.saved_model import write_policy
from logo_tf.export.warmup import FILE, Exchange, read_warmup, write_warmup


@pytest.fixture(scope="module")
def staged(specs: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported version; not to be written to."""
    from tests.export.conftest import FakePolicy

    policy = FakePolicy(specs["continuous"])
    return write_policy(policy, policy.manifest, "team", tmp_path_factory.mktemp("staging"))


@pytest.fixture
def own(staged: Path, tmp_path: Path) -> Path:
    """A copy of it to damage."""
    return Path(shutil.copytree(staged, tmp_path / "staging" / "team" / "1"))


def seal(folder: Path, change: Any) -> None:
    """Change a version and make its manifest true of it again, as somebody with intent would."""
    manifest = artifacts.load_manifest(folder)
    change(folder)
    data = json.loads(manifest.to_json())
    data["files"] = {name: disk.sha256(folder / name) for name in manifest.files}
    (folder / "manifest.json").write_text(json.dumps(data, indent=1, sort_keys=True) + "\n")
    (folder / artifacts.MANIFEST_SUM).unlink()


def test_a_version_is_copied_as_the_next_one(staged: Path, tmp_path: Path) -> None:
    first, second = (publish_version(staged, tmp_path / "served") for _ in range(2))
    assert [first, second] == [tmp_path / "served" / "team" / number for number in "12"]
    before, after = artifacts.verify(staged, "export"), artifacts.verify(second, "export")
    assert after.files == before.files
    assert after.provenance["published_from"] == before.hash
    assert (after.config["name"], after.config["version"]) == ("team", 2)
    assert after.parents == before.parents
    other = publish_version(second, tmp_path / "served", "cheetah")
    assert other == tmp_path / "served" / "cheetah" / "1"
    assert {child.name for child in (tmp_path / "served" / "team").iterdir()} == {"1", "2"}


def test_what_is_rolled_back_is_kept_and_its_number_not_given_again(
    staged: Path, tmp_path: Path
) -> None:
    for _ in range(3):
        publish_version(staged, tmp_path)
    done = roll_back("team", tmp_path)
    folder = tmp_path / "team"
    assert done == (folder / "3", folder / "3.withdrawn", folder / "2")
    assert versions(folder) == [1, 2]
    artifacts.verify(done.kept, "export")
    assert publish_version(staged, tmp_path).name == "4"
    assert roll_back("team", tmp_path).served.name == "2"
    assert roll_back("team", tmp_path).served.name == "1"
    with pytest.raises(LogoError, match="has 1 version, so there is none to go back to"):
        roll_back("team", tmp_path)
    with pytest.raises(LogoError, match="nobody: there is no such model"):
        roll_back("nobody", tmp_path)
    with pytest.raises(LogoError, match="letters, digits and underscores"):
        roll_back("../team", tmp_path)


def flip(folder: Path) -> None:
    file = next((folder / "variables").glob("*.data*"))
    content = bytearray(file.read_bytes())
    # The last bytes of the last variable.
    content[-1] ^= 0x40
    file.write_bytes(bytes(content))


def other_answer(folder: Path) -> None:
    one, about = read_warmup(folder)
    outputs = {name: value + np.float32(0.01) for name, value in one.outputs.items()}
    shutil.rmtree(folder / "assets.extra")
    write_warmup(folder, "team", [Exchange(one.signature, one.inputs, outputs), about])


def other_text(folder: Path) -> None:
    one, about = read_warmup(folder)
    text = np.array(About.from_json(about.outputs["about"].item()).to_json() + " ", object)
    shutil.rmtree(folder / "assets.extra")
    write_warmup(folder, "team", [one, Exchange(about.signature, about.inputs, {"about": text})])


def other_graph(folder: Path) -> None:
    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec((None, 2, 4), tf.float32, "observations")])
    def serve(observations: tf.Tensor) -> dict[str, tf.Tensor]:
        tf.io.write_file("x", "y")
        return {"actions": observations[..., :2]}

    module.serve = serve
    tf.saved_model.save(module, str(folder.parent / "evil"), signatures=serve)
    shutil.copy(folder.parent / "evil" / "saved_model.pb", folder / "saved_model.pb")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (other_answer, "signature serving_default: answers its golden request with another act"),
        (other_text, "signature about: answers its golden request with another about"),
        (other_graph, "holds ops that a served model may not have: WriteFile"),
        (flip, r"signature serving_default: does not run|answers its golden|does not load"),
    ],
)
def test_a_version_with_a_true_manifest_is_refused_all_the_same(
    change: Any, message: str, own: Path, tmp_path: Path
) -> None:
    seal(own, change)
    with pytest.raises(LogoError, match=message):
        publish_version(own, tmp_path / "served")
    assert not (tmp_path / "served" / "team").exists()


def test_a_changed_file_is_refused(own: Path, tmp_path: Path) -> None:
    flip(own)
    with pytest.raises(LogoError, match="content differs from the sha256"):
        publish_version(own, tmp_path / "served")


def test_without_a_golden_request_nothing_is_published(own: Path, tmp_path: Path) -> None:
    def forget(folder: Path) -> None:
        (folder / FILE).write_bytes(b"")

    seal(own, forget)
    with pytest.raises(LogoError, match="has no golden request to check it with"):
        publish_version(own, tmp_path / "served")
    assert not (tmp_path / "served" / "team").exists()


def test_the_command_publishes_and_takes_back(
    staged: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to = str(tmp_path / "served")
    for number in "12":
        assert main(["publish", str(staged), "--to", to]) == 0
        assert f"{to}/team/{number}: published" in capsys.readouterr().out
    assert main(["publish", "--rollback", "team", "--to", to]) == 0
    assert f"{to}/team/1: is served again; 2 is kept as" in capsys.readouterr().out
    assert main(["publish", "--to", to]) == 2
    assert "needs the folder of a version, or --rollback NAME" in capsys.readouterr().err
    assert main(["publish", "--rollback", "team", "--name", "x", "--to", to]) == 2
    assert "--name is of what is published" in capsys.readouterr().err
    assert main(["publish", str(tmp_path), "--to", to]) == 2
    assert "not a logo_tf artefact" in capsys.readouterr().err
