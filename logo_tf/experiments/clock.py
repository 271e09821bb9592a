"""How long each stage took, over all the parts that a killed run was made in."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from logo_tf.disk import write_text
from logo_tf.errors import LogoError

_FILE = "seconds.json"
_BEAT = 2.0  # seconds between two notes: what a kill -9 can lose


class StageClock:
    """Seconds per stage, kept in ``OUT/seconds.json`` while a stage works."""

    def __init__(self, out: Path) -> None:
        """Read what earlier parts of the run noted.

        Raises:
          LogoError: the file is not readable.
        """
        self._file = out / _FILE
        self._seconds: dict[str, float] = {}
        if self._file.is_file():
            try:
                found = json.loads(self._file.read_text(encoding="utf-8"))
                self._seconds = {str(name): float(value) for name, value in found.items()}
            except (ValueError, TypeError, AttributeError) as error:
                raise LogoError(f"{self._file}: not readable: {error}; remove it") from None

    @property
    def seconds(self) -> dict[str, float]:
        """Stage -> seconds so far, all parts added up, in the order they were begun."""
        return dict(self._seconds)

    def forget(self, stage: str) -> None:
        """Begin a stage's count anew, because it is made again."""
        self._seconds.pop(stage, None)

    @contextlib.contextmanager
    def running(self, stage: str) -> Iterator[None]:
        """Count the time inside towards a stage, noting it every few seconds."""
        before = self._seconds.get(stage, 0.0)
        begun = time.monotonic()
        done = threading.Event()

        def note() -> None:
            self._seconds[stage] = round(before + time.monotonic() - begun, 2)
            write_text(self._file, json.dumps(self._seconds, indent=1) + "\n")

        def beat() -> None:
            while not done.wait(_BEAT):
                # A disk that refuses this note refuses the stage too, which then says so.
                with contextlib.suppress(OSError, LogoError):
                    note()

        thread = threading.Thread(target=beat, name=f"clock-{stage}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
            with contextlib.suppress(OSError, LogoError):
                note()
