"""Draws MuJoCo robots in a process of its own.

TensorFlow and Mesa's software renderer each bring an LLVM, and a process that has loaded
TensorFlow crashes when Mesa compiles its first shader. So pictures are drawn by a small
child that never imports TensorFlow; whatever goes wrong in it, a crash included, reaches
the parent as a ``LogoError``. This file is both: the parent's class and the child's program.
"""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import tempfile
import threading
from typing import Any

import numpy as np

_TIMEOUT = 60.0  # seconds for one picture; a driver that hangs must not hold a run
_HEADER = struct.Struct("<ii")  # child to parent: height and width, then RGB bytes


class MujocoRenderer:
    """The parent's end: poses go in, pictures come out. The child starts with the first."""

    def __init__(self, environment_id: str) -> None:
        """Args: environment_id: Gymnasium's, such as ``HalfCheetah-v5``."""
        self._id = environment_id
        self._child: subprocess.Popen[bytes] | None = None
        self._errors: Any = None

    def render(self, qpos: np.ndarray, qvel: np.ndarray) -> np.ndarray:
        """Draw one pose.

        Args:
          qpos: joint positions, float64.
          qvel: joint velocities, float64.

        Returns:
          (height, width, 3) uint8.

        Raises:
          LogoError: this machine cannot render; the message says why.
        """
        from logo_tf.errors import LogoError  # the child runs this file without the package

        child: Any = self._child or self._start()  # Any: both its pipes are open
        watchdog = threading.Timer(_TIMEOUT, child.kill)
        watchdog.start()
        try:
            child.stdin.write(np.concatenate([qpos, qvel]).astype("<f8").tobytes())
            child.stdin.flush()
            height, width = _HEADER.unpack(_read(child.stdout, _HEADER.size))
            pixels = _read(child.stdout, height * width * 3)
        except (OSError, EOFError):
            reason = self._last_words(child)
            self.close()
            raise LogoError(
                f"this machine cannot render {self._id}: {reason}; on Debian and Ubuntu install "
                "libegl1 and libgl1-mesa-dri and set MUJOCO_GL=egl"
            ) from None
        finally:
            watchdog.cancel()
        return np.frombuffer(pixels, np.uint8).reshape(height, width, 3).copy()

    def close(self) -> None:
        """End the child, if there is one."""
        if self._child is None:
            return
        child, self._child = self._child, None
        self._errors.close()
        for pipe in (child.stdin, child.stdout):
            try:
                if pipe:
                    pipe.close()  # the child ends when its input does
            except OSError:  # unsent bytes of a child that has died
                continue
        try:
            child.wait(timeout=5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        environment = dict(os.environ)
        # Without a display MuJoCo's default, a window, fails or hangs; EGL draws off screen.
        if not environment.get("DISPLAY"):
            environment.setdefault("MUJOCO_GL", "egl")
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  (close closes it)
        self._child = subprocess.Popen(
            # -P keeps this folder's modules from shadowing others of the same name.
            [sys.executable, "-P", __file__, self._id],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=environment,
        )
        return self._child

    def _last_words(self, child: subprocess.Popen[bytes]) -> str:
        try:
            code = child.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return "the renderer closed its output"
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        ending = f"signal {-code}" if code < 0 else f"exit code {code}"
        return f"{lines[-1].strip()} ({ending})" if lines else f"the renderer died ({ending})"


def _read(stream: Any, count: int) -> bytes:
    data: bytes = stream.read(count)
    if len(data) != count:
        raise EOFError
    return data


def _serve(environment_id: str) -> None:
    """The child's program: read poses from stdin until it ends, write pictures to stdout."""
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print must not land among the pixels
    import gymnasium
    import mujoco

    # As in mamujoco.py: unheeded warnings would go to a log file in the working folder.
    mujoco.set_mju_user_warning(lambda message: None)
    robot: Any = gymnasium.make(environment_id, render_mode="rgb_array").unwrapped
    positions, velocities = robot.model.nq, robot.model.nv
    size = 8 * (positions + velocities)
    while pose := sys.stdin.buffer.read(size):
        values = np.frombuffer(pose, "<f8")
        robot.set_state(values[:positions], values[positions:])
        picture = np.ascontiguousarray(robot.mujoco_renderer.render("rgb_array"), np.uint8)
        output.write(_HEADER.pack(*picture.shape[:2]) + picture.tobytes())
        output.flush()
    # Mesa may crash while it is torn down; there is nothing left to save.
    os._exit(0)


if __name__ == "__main__":
    _serve(sys.argv[1])
