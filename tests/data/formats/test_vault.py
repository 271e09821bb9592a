"""Vaults: those flashbax itself wrote, and broken ones."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from logo_tf.data.formats.protocol import Imported, ImportOptions
from logo_tf.data.formats.registry import recognise
from logo_tf.data.formats.vault import Vault
from logo_tf.errors import LogoError

FIXTURE = Path(__file__).parent / "fixtures" / "toy.vlt"
Leaf = Callable[..., None]


def read(path: Path, **options: Any) -> Imported:
    return Vault().read(path, ImportOptions(**options))


@pytest.fixture
def vault(write_toy: Callable[..., Path], toys: Callable[..., Any]) -> Path:
    """The three toy episodes, with legal actions."""
    return write_toy("vault", toys(discrete=True))


@pytest.mark.parametrize("quality", ["Discrete", "Continuous"])
def test_what_flashbax_wrote(quality: str, toys: Callable[..., Any]) -> None:
    path = FIXTURE / quality
    assert recognise(path).name == "vault"
    imported = read(path)
    spec = imported.spec
    assert spec.name == f"vault/toy-{quality}"
    assert spec.observation_dims == (3, 2)
    assert spec.discrete == (quality == "Discrete")
    assert spec.action_dims == ((4, 4) if spec.discrete else (2, 1))
    cut = imported.provenance["inferred"]["cut_as_padding"]
    assert cut["observations"] == {"agent 1": 1}
    assert cut.get("actions") == (None if spec.discrete else {"agent 1": 1})
    episodes = list(imported.episodes)
    assert [e.terminated for e in episodes] == [True, False, False]
    for found, toy in zip(episodes, toys(discrete=spec.discrete), strict=True):
        np.testing.assert_array_equal(found.observations[:-1, 1, :2], toy["obs"][1][:-1])
        assert not found.observations[:, 1, 2].any()
        np.testing.assert_array_equal(found.state[:-1], toy["state"][:-1])
        np.testing.assert_array_equal(found.rewards, toy["rew"])
        for agent in range(2):
            acts = (
                found.actions[:, agent] if spec.discrete else found.actions[:, agent, : 2 - agent]
            )
            np.testing.assert_array_equal(acts, toy["acts"][agent])
            if spec.discrete:
                legal = found.legal_actions[:-1, agent]
                np.testing.assert_array_equal(legal, toy["legal"][agent][:-1])


def test_a_folder_of_qualities(vault: Path) -> None:
    assert recognise(vault.parent).name == "vault"
    assert read(vault.parent).num_episodes == 3
    shutil.copytree(vault, vault.parent / "Poor")
    with pytest.raises(LogoError, match=r"holds several Vaults \(Good, Poor\); name one"):
        read(vault.parent)


def test_a_forbidden_action(vault: Path, toys: Callable[..., Any], write_toy: Any) -> None:
    episodes = toys(discrete=True)
    action = episodes[2]["acts"][1][3]
    episodes[2]["legal"][1][3, action] = False
    imported = read(write_toy("vault", episodes))
    assert imported.num_episodes == 3
    # What holds of all datasets is checked when they are stored.
    from logo_tf.data.validate import check_episode

    found = list(imported.found)[2]
    with pytest.raises(LogoError, match=f"episode 2, step 3, actions, agent 1: value {action}"):
        check_episode(found.content, imported.spec, found.where)  # type: ignore[arg-type]


def test_padding_that_is_not(write_toy: Any, toys: Any, vault_leaf: Leaf) -> None:
    path = write_toy("vault", toys())
    seen = np.full((1, 16, 2, 3), 0.5, np.float32)
    seen[:, :, 1, 2] = -np.inf
    seen[0, 5, 1, 2] = 0.25
    vault_leaf(path, "observations.", seen, 10**13)
    with pytest.raises(LogoError, match="episode 1, step 1, observations, agent 1, dim.* row 0"):
        read(path)
    seen[:, :, 1] = -np.inf
    vault_leaf(path, "observations.", seen, 10**13)
    with pytest.raises(LogoError, match="agent 1, dimension 0: value is -inf before the end"):
        read(path)


def test_ends(vault: Path, vault_leaf: Leaf) -> None:
    ends = np.zeros((1, 16, 2), bool)
    vault_leaf(vault, "truncations.", ends, 10**13)
    with pytest.raises(LogoError, match="episode 1, terminals, truncations: the episode has no e"):
        read(vault)
    ends[0, 3:, 0] = True  # the first agent ends long before the other
    ends[0, 15] = True
    vault_leaf(vault, "terminals.", ends, 10**13)
    imported = read(vault)
    assert imported.provenance["rows_where_only_some_agents_ended"] == 12
    assert [e.length for e in imported.episodes] == [16]
    vault_leaf(vault, "terminals.", ends * 3, 10**13)
    with pytest.raises(LogoError, match="terminals, row 3, agent 0: value must be 0 or 1"):
        read(vault)


@pytest.mark.parametrize(
    ("leaf", "values", "length", "message"),
    [
        ("vault_index", np.array([10**9], np.int32), None, "has 1000000000 rows"),
        ("vault_index", np.array([6 * 10**7], np.int32), None, "declares 60000000 rows of"),
        ("vault_index", np.array([0], np.int32), None, "has 0 rows"),
        ("vault_index", np.array([16.0]), None, "expected one int"),
        ("vault_index", np.array([17], np.int32), None, "has no end"),
        ("rewards.", np.zeros((1, 16), np.float32), 10**13, "rewards has shape"),
        ("rewards.", np.zeros((1, 16, 3), np.float32), 10**13, "rewards has 3 agents, expected 2"),
        ("rewards.", np.zeros((1, 8, 2), np.float32), 8, "rewards has 8 rows, expected 16"),
        ("rewards.", np.zeros((2, 16, 2), np.float32), None, "batch axis of 2"),
        ("infos.state.", np.zeros((1, 16, 3, 4), np.float32), 10**13, "infos.state has 3 agents"),
        ("actions.", np.full((1, 16, 2), 4), 10**13, "step 0, actions, .*there are 4 actions"),
        ("actions.", np.zeros((1, 16, 2), np.complex64), 10**13, "dtype complex64"),
    ],
)
def test_broken_leaves(
    vault: Path, vault_leaf: Leaf, leaf: str, values: Any, length: int | None, message: str
) -> None:
    vault_leaf(vault, leaf, values, length)
    with pytest.raises(LogoError, match=message) as caught:
        read(vault)
    assert "\n" not in str(caught.value)


def test_metadata(vault: Path) -> None:
    file = vault / "metadata.json"
    whole = json.loads(file.read_text())
    for changed, message in (
        ({**whole, "version": 2.0}, r"version 2\.0, versions 1\.x are read"),
        ({**whole, "version": "new"}, "version 'new'"),
        ({"version": 1.2}, "has no array 'observations'"),
        ([1], "not a JSON object"),
    ):
        file.write_text(json.dumps(changed))
        with pytest.raises(LogoError, match=message):
            read(vault)
    file.write_text("[" * 10**5)
    with pytest.raises(LogoError, match=r"metadata\.json: not readable JSON"):
        read(vault)


def test_damaged_files(vault: Path) -> None:
    for file in (vault / "d").iterdir():
        content = file.read_bytes()
        file.write_bytes(content[: len(content) // 2])
    with pytest.raises(LogoError, match="not readable .*; fetch the Vault again") as caught:
        read(vault)
    assert "\n" not in str(caught.value)
    (vault / "manifest.ocdbt").write_bytes(b"nothing")
    with pytest.raises(LogoError, match="vault_index: not readable"):
        read(vault)


def test_without_tensorstore(vault: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorstore", None)
    with pytest.raises(LogoError, match=r"needs tensorstore.*pip install 'logo_tf\[vault\]'"):
        read(vault)
