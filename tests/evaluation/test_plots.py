"""Plots are SVG elements that hold marks, differ in their ids and need nothing else."""

import io
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.image import imread

from logo_tf.evaluation import plots

LINES = {"a": ([0, 1, 2], [1.0, 2.0, 4.0]), "b": ([0, 1], [3.0, 1.0])}
PLOTS = {
    "returns": plots.returns_plot({"policy": [1.0, 2.0, 3.0], "random": list(range(300))}),
    "curves": plots.curves_plot("curves", LINES, "loss", levels={"level": 2.0}),
    "log": plots.curves_plot("log", LINES, "loss", logarithmic=True),
    "horizon": plots.horizon_plot({"state": {"1": 0.2, "5": 0.5}, "observations": {"1": 0.3}}),
    "uncertainty": plots.uncertainty_plot([0.1, 0.2, 0.4], [0.3, 0.5, 0.9]),
    "histogram": plots.histogram_plot("histogram", [1.0, 1.0, 2.0], "weight"),
    "scatter": plots.scatter_plot("scatter", [1.0, 2.0, 3.0], [3.0, 2.0, 1.0], "u", "weight"),
}


@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_is_one_element_with_marks(name):
    svg = PLOTS[name]
    root = ElementTree.fromstring(svg)
    assert root.tag == "svg"
    assert set(root.attrib) == {"viewBox", "role"}
    assert len(svg) > 3000
    assert "http" not in svg


def test_ids_are_unique_over_all_plots():
    ids = [id_ for svg in PLOTS.values() for id_ in re.findall(r'\sid="([^"]*)"', svg)]
    assert len(ids) == len(set(ids))


def test_references_stay_inside_the_plot():
    for svg in PLOTS.values():
        ids = set(re.findall(r'\sid="([^"]*)"', svg))
        assert set(re.findall(r'href="#([^"]*)"', svg)) <= ids
        assert set(re.findall(r"url\(#([^)]*)\)", svg)) <= ids


def test_equal_numbers_give_equal_text():
    assert plots.horizon_plot({"s": {"1": 0.2}}) == plots.horizon_plot({"s": {"1": 0.2}})


def test_labels_are_escaped():
    svg = plots.curves_plot("x", {"<b>": ([0, 1], [1.0, 2.0]), "&": ([0, 1], [2.0, 3.0])}, "y<z")
    assert "y&lt;z" in svg
    ElementTree.fromstring(svg)


def test_pictures_shrink_by_a_whole_factor():
    pixels = np.zeros((480, 500, 3), np.uint8)
    pixels[:2, :2] = 200
    small = imread(io.BytesIO(plots.picture_png(pixels, width=240)), format="png")
    assert small.shape[:2] == (240, 250)
    assert small[0, 0, 0] == pytest.approx(200 / 255, abs=1e-3)
    assert small[1:].max() == 0 or small[1:, 0, 0].max() == 0


def test_series_leave_out_lines_without_the_metric():
    lines = [{"step": 1, "loss": 2.0}, {"step": 2, "other": 1.0}, {"step": 3, "loss": 1.0}]
    assert plots.as_series(lines, "loss") == ([1, 3], [2.0, 1.0])
