"""Pictures of imagined against true trajectories: a strip, and an animation of one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from logo_tf.disk import guarded
from logo_tf.evaluation.canvas import COLOURS, INK, STYLE, new_figure, write_png
from logo_tf.evaluation.trajectories import Trajectory

_SIGMAS = 2.0
_TITLE = "Imagined against true: the longer the two lines stay together, the better"
_DPI = 90
_FRAMES = 60
_FRAME, _LAST_FRAME = 120, 2500  # milliseconds
_PALETTE = 64


def draw_strip(file: Path, shown: Sequence[Trajectory], names: Sequence[str]) -> Path:
    """One column a stretch, one row a dimension, over open-loop time; last, error and bound.

    Args:
      file: the PNG to write.
      shown: the stretches.
      names: (D,) of the dimensions.
    """

    def paint(figure: Figure) -> None:
        rows = len(names) + 1
        panels = figure.subplots(rows, len(shown), squeeze=False, sharex=True, sharey="row")
        for row, name in enumerate(names):
            for axes, stretch in zip(panels[row], shown, strict=True):
                _paint(axes, stretch, row)
            panels[row, 0].set_ylim(_limits(shown, row))
            panels[row, 0].set_ylabel(name)
        for column, axes in enumerate(panels[0]):
            axes.set_title(f"held-out stretch {column + 1}")
        for axes, stretch in zip(panels[-1], shown, strict=True):
            axes.plot(stretch.error, color=INK)
            axes.plot(stretch.bound, color=COLOURS[1], linestyle=":", label="bound stated by u")
            axes.set_xlabel("open-loop step")
        panels[-1, 0].set_ylabel("whole state:\nerror (std)")
        _legend(figure, panels[0, 0], panels[-1, 0])

    return write_png(file, _TITLE, paint, (3.9 * len(shown) + 0.4, 1.45 * len(names) + 2.65))


def animate(file: Path, stretch: Trajectory, names: Sequence[str]) -> Path:
    """The same as a GIF: time moves on, what is still to come is pale.

    matplotlib draws two pictures, all of it and what is pale; each frame is cut together
    from them, which is a hundred times faster than drawing every frame.

    Args:
      file: the GIF to write.
      stretch: what to show.
      names: (D,) of the dimensions.

    Raises:
      LogoError: the disk refuses.
    """
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    with matplotlib.rc_context({**STYLE, "figure.titlesize": 10}):
        figure = new_figure(_TITLE, (3.1 * columns, 1.9 * rows + 0.9))
        figure.set_dpi(_DPI)
        panels = figure.subplots(rows, columns, squeeze=False, sharex=True).ravel().tolist()
        revealed: list[Artist] = []
        for place, (axes, name) in enumerate(zip(panels, names, strict=False)):
            axes.plot(stretch.true[:, place], color=INK, alpha=0.2)
            revealed += _paint(axes, stretch, place)
            axes.set(title=name, ylim=_limits([stretch], place))
        for axes in panels[len(names) :]:
            axes.set_axis_off()
        for axes in panels[max(0, len(names) - columns) : len(names)]:
            axes.set_xlabel("open-loop step")
            axes.tick_params(labelbottom=True)
        _legend(figure, panels[0])
        whole = _pixels(figure)
        figure.set_layout_engine("none")  # nothing may move when lines disappear
        for artist in revealed:
            artist.set_visible(False)
        pale = _pixels(figure)
    last = len(stretch.true) - 1
    frames = []
    for now in np.linspace(0, last, min(2 * last + 1, _FRAMES)):
        frame = pale.copy()
        for axes in panels[: len(names)]:
            box = axes.get_window_extent()
            across = slice(int(box.x0), int(axes.transData.transform((now, 0.0))[0]) + 1)
            down = slice(len(frame) - int(box.y1), len(frame) - int(box.y0))
            frame[down, across] = whole[down, across]
        frames.append(frame)
    with guarded(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        _write_gif(file, frames)
    return file


def _paint(axes: Axes, stretch: Trajectory, place: int) -> list[Artist]:
    """Draw one dimension, with the spread around what is imagined."""
    imagined = stretch.imagined[:, place]
    spread = _SIGMAS * stretch.spread[:, place]
    band = axes.fill_between(
        np.arange(len(imagined)),
        imagined - spread,
        imagined + spread,
        color=COLOURS[1],
        alpha=0.2,
        linewidth=0,
        label=f"± {_SIGMAS:g} predicted sigma of each step",
    )
    (true,) = axes.plot(stretch.true[:, place], color=INK, label="true")
    (line,) = axes.plot(imagined, color=COLOURS[1], linestyle="--", label="imagined")
    return [band, true, line]


def _limits(shown: Sequence[Trajectory], place: int) -> tuple[float, float]:
    """Heights that show the lines; a band of an unsure model would flatten them."""
    values = np.concatenate([np.r_[s.true[:, place], s.imagined[:, place]] for s in shown])
    low, high = float(values.min()), float(values.max())
    margin = 0.35 * (high - low) or 1.0
    return low - margin, high + margin


def _legend(figure: Figure, *panels: Axes) -> None:
    handles = [handle for axes in panels for handle in axes.get_legend_handles_labels()[0]]
    figure.legend(handles=handles, loc="outside lower left", ncols=len(handles), fontsize=9)


def _pixels(figure: Figure) -> np.ndarray:
    """(height, width, 3) uint8."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _write_gif(file: Path, frames: Sequence[np.ndarray]) -> None:
    # This method keeps white white.
    palette = Image.fromarray(frames[-1]).quantize(_PALETTE, Image.Quantize.MAXCOVERAGE)
    dither = Image.Dither.NONE
    pictures = [Image.fromarray(f).quantize(palette=palette, dither=dither) for f in frames]
    pictures[0].save(
        file,
        format="GIF",
        save_all=True,
        append_images=pictures[1:],
        duration=[_FRAME] * (len(frames) - 1) + [_LAST_FRAME],
        loop=0,
    )
