"""The catalogue: every entry is whole, and from OG-MARL's own place."""

import re

import pytest

from logo_tf.data.catalogue import load_catalogue
from logo_tf.data.formats.registry import format_names
from logo_tf.errors import LogoError

PLACE = "https://huggingface.co/datasets/InstaDeepAI/og-marl/resolve/main/"


def test_entries_keep_to_their_schema():
    found = load_catalogue()  # which checks keys and types
    assert len(found.datasets) == 37
    assert len({entry.name for entry in found.datasets}) == 37
    assert len({entry.url for entry in found.datasets}) == 37
    for entry in found.datasets:
        publisher, environment, scenario = entry.name.split("/")
        folder = "core" if publisher == "og_marl" else f"prior_work/{publisher}"
        assert entry.url == f"{PLACE}{folder}/{environment}/{scenario}.zip"
        assert entry.scenario == scenario
        assert entry.environment
        assert entry.format in format_names()
        assert len(set(entry.qualities)) == len(entry.qualities)
        assert entry.size is None or entry.size > 0
        assert entry.sha256 is None or re.fullmatch("[0-9a-f]{64}", entry.sha256)
    for source in found.sources:
        assert re.fullmatch("[0-9a-f]{40}", source.commit)
        assert source.repository == "https://github.com/instadeepai/og-marl"


def test_by_name():
    found = load_catalogue().find("cfcql/smac_v1/5m_vs_6m")
    assert found.qualities == ("Expert", "Medium", "Medium-Replay", "Mixed")
    with pytest.raises(LogoError, match="did you mean 'og_marl/smac_v1/3m'"):
        load_catalogue().find("og_marl/smac_v1/3mm")
