"""The page stands alone, escapes what it shows, and says what it was made from."""

import re

from logo_tf.evaluation.plots import horizon_plot
from logo_tf.evaluation.report import (
    Figure,
    Folded,
    Section,
    Strip,
    Table,
    Text,
    Tiles,
    page,
    page_digest,
)


def sample():
    figure = Figure(horizon_plot({"state": {"1": 0.2}}), "k-step <error>")
    return page(
        "A & B",
        [
            Section("", [Text("lead", "lead"), Tiles([("1", "<one>")])]),
            Section("Second", [figure, figure, Table(("n", "x"), [("<i>", 1.5), ("b", None)])]),
            Section(
                "Third",
                [
                    Strip([(b"\x89PNG", "step 0")], "strip"),
                    Folded("more", Table(("k", "v"), [("hash", "a" * 64)])),
                ],
            ),
        ],
        digest="abc123",
    )


def test_nothing_is_fetched_from_elsewhere():
    text = sample()
    assert not re.search(r"""(?:src|href)\s*=\s*["']?\s*(?:https?:)?//""", text)
    assert "@import" not in text
    assert "<script" not in text
    assert "url(http" not in text


def test_what_it_shows_is_escaped():
    text = sample()
    for shown in ("A &amp; B", "&lt;one&gt;", "k-step &lt;error&gt;", "&lt;i&gt;"):
        assert shown in text
    assert "<i>" not in text


def test_neighbouring_figures_share_a_row_and_numbers_stand_right():
    text = sample()
    assert text.count('<div class="figures">') == 1
    assert text.count("<figure><svg") == 2
    assert '<td class="number">1.5</td>' in text
    assert '<td class="number">–</td>' in text
    assert f"<code>{'a' * 64}</code>" in text


def test_it_fits_a_phone():
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in sample()


def test_the_digest_is_read_back():
    assert page_digest(sample()) == "abc123"
    assert page_digest("<html>") == ""
