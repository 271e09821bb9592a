"""Logging adapters: where training numbers go. Logging never draws a random number."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from tqdm.auto import tqdm

from logo_tf.disk import write_text
from logo_tf.errors import LogoError


class MetricLogger(Protocol):
    """Takes named numbers at a step."""

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        """Record the metrics of one step."""

    def close(self) -> None:
        """Flush and free what is held."""


class JsonlLogger:
    """One JSON object a line, appended: ``{"step": 200, "loss": 0.5}``."""

    def __init__(self, file: str | Path) -> None:
        self._stream = open(file, "a", encoding="utf-8")  # noqa: SIM115 (closed by close)

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        """Append one line and flush it, so that a killed run keeps it."""
        self._stream.write(json.dumps({"step": step, **{k: float(v) for k, v in metrics.items()}}))
        self._stream.write("\n")
        self._stream.flush()

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


def forget_after(file: Path, step: int) -> None:
    """Drop the lines that an interrupted call logged after its last checkpoint.

    Args:
      file: of a ``JsonlLogger``; it may be missing.
      step: the checkpoint's; later lines are dropped, and one that a kill cut short.
    """
    if not file.is_file():
        return
    kept = []
    for line in file.read_text(encoding="utf-8").splitlines():
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line)
        except (ValueError, KeyError):
            break
    write_text(file, "".join(f"{line}\n" for line in kept))


class TensorBoardLogger:
    """Scalars for ``tensorboard --logdir``."""

    def __init__(self, directory: str | Path) -> None:
        import tensorflow as tf

        self._scalar = tf.summary.scalar
        self._writer = tf.summary.create_file_writer(str(directory))

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        """Write each metric as a scalar."""
        with self._writer.as_default():
            for name, value in metrics.items():
                self._scalar(name, value, step)

    def close(self) -> None:
        """Flush and close the event file."""
        self._writer.close()


class ConsoleLogger:
    """A progress bar with the newest metrics beside it; plain lines where there is no terminal."""

    def __init__(self, label: str, total: int, start: int = 0, unit: str = "step") -> None:
        self._bar = progress(label, total, start, unit)

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        """Move the bar to ``step``."""
        shown = {name: f"{value:.4g}" for name, value in metrics.items()}
        self._bar.set_postfix(shown, refresh=False)
        self._bar.update(step - self._bar.n)

    def close(self) -> None:
        """Leave the bar as it stands."""
        self._bar.close()


class Loggers:
    """Several loggers as one."""

    def __init__(self, loggers: Sequence[MetricLogger]) -> None:
        self._loggers = list(loggers)

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        """Write to each."""
        for logger in self._loggers:
            logger.write(step, metrics)

    def close(self) -> None:
        """Close each."""
        for logger in self._loggers:
            logger.close()


def progress(
    label: str, total: int | None, start: int = 0, unit: str = "it", hidden: bool = False
) -> Any:
    """A tqdm bar on standard error; ``start`` is where a resumed job begins.

    Args:
      label: what is going on.
      total: of units, None if nobody knows.
      start: where a resumed job begins.
      unit: what is counted; ``B``, bytes, are shown in thousands, millions ...
      hidden: show nothing.
    """
    return tqdm(
        total=total,
        initial=start,
        desc=f"{label:<22}",
        unit=unit,
        unit_scale=unit == "B",
        dynamic_ncols=True,
        mininterval=0.5,
        leave=True,
        disable=hidden,
    )


def require_finite(step: int, metrics: Mapping[str, float], what: str) -> None:
    """Stop a training whose numbers broke.

    Raises:
      LogoError: names the first metric that is not finite and the step.
    """
    for name, value in metrics.items():
        if not math.isfinite(value):
            raise LogoError(
                f"{what}: {name} became {value} at step {step}; the last checkpoint is kept; "
                "lower the learning rate or check the data"
            )
