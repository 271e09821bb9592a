"""A picture of an SMAX battle from above."""

from __future__ import annotations

import numpy as np

from logo_tf.scenarios.smax_battles import Units

_SIDE, _DPI = 4.0, 100  # inches and dots per inch: 400 pixels a side
_ALLY, _ENEMY = "tab:blue", "tab:red"


def picture(units: Units, map_size: tuple[float, float]) -> np.ndarray:
    """Draw every living unit as a ring, filled from the centre by its share of health.

    Args:
      units: of one battle.
      map_size: width and height in map units.

    Returns:
      (height, width, 3) uint8.
    """
    # A figure of its own, without pyplot: nothing global, and no window.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Circle

    figure = Figure(figsize=(_SIDE, _SIDE), dpi=_DPI)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set(xlim=(0.0, map_size[0]), ylim=(0.0, map_size[1]), aspect="equal")
    axes.set(xticks=[], yticks=[])
    rows = zip(units.positions, units.health, units.radii, strict=True)
    for index, (centre, health, radius) in enumerate(rows):
        if health <= 0:
            continue
        colour = _ALLY if index < units.allies else _ENEMY
        axes.add_patch(Circle(tuple(centre), radius, fill=False, edgecolor=colour, linewidth=1.5))
        # The area, not the radius, shows the share.
        axes.add_patch(Circle(tuple(centre), radius * float(np.sqrt(health)), color=colour))
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
