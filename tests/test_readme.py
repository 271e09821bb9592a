"""What the README shows must exist: imports, commands, files."""

import ast
import importlib
import re
import shlex
from pathlib import Path

from logo_tf.cli.main import _parser

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language=""):
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.DOTALL | re.MULTILINE)


def test_python_blocks_import_what_exists():
    names = [
        (node.module, alias.name)
        for block in blocks("python")
        for node in ast.parse(block).body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]
    assert len(names) >= 6
    for module, name in names:
        assert hasattr(importlib.import_module(module), name), (module, name)


def test_commands_parse():
    commands = [
        shlex.split(line.partition("#")[0])[1:]
        for block in blocks()
        for line in block.replace(".venv/bin/logo-tf", "logo-tf").splitlines()
        if line.startswith("logo-tf ")
    ]
    assert len(commands) >= 6
    for words in commands:
        assert _parser().parse_exactly(words).run


def test_make_targets_exist():
    targets = set(re.findall(r"^make (\w+)", README, flags=re.MULTILINE))
    assert targets == {"run", "test"}
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in targets:
        assert f"\n{target}:" in makefile


def test_files_that_are_named_exist():
    linked = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    folders = re.findall(r"`((?:logo_tf|examples|saved_models|benchmarks|tests)/?[\w/]*)`", README)
    scripts = [f"examples/{name}" for name in re.findall(r"`(\w+\.py)`", README)]
    assert linked
    assert folders
    assert scripts
    for name in (*linked, *folders, *scripts):
        assert (ROOT / name).exists(), name
