"""The workers of a job that trains on several machines, as ``TF_CONFIG`` names them."""

from __future__ import annotations

import dataclasses
import json
import socket
from collections.abc import Mapping

from logo_tf.errors import LogoError

VARIABLE = "TF_CONFIG"
STRATEGIES = ("none", "mirrored", "multiworker")
"""How a training is shared: not at all, by this machine's GPUs, or by several machines."""
_EXAMPLE = (
    '\'{"cluster": {"worker": ["host0:2222", "host1:2222"]}, '
    '"task": {"type": "worker", "index": 0}}\''
)
# A process that was killed refuses at once; a machine without power never answers.
_PATIENCE = 3.0


@dataclasses.dataclass(frozen=True)
class Cluster:
    """Who takes part.

    Attributes:
      worker: which of the workers this process is.
      addresses: ``host:port`` of each.
    """

    worker: int
    addresses: tuple[str, ...]

    @property
    def workers(self) -> int:
        """How many there are."""
        return len(self.addresses)

    def gone(self) -> list[int]:
        """The other workers that take no connection."""
        others = [w for w in range(self.workers) if w != self.worker]
        return [w for w in others if not _answers(self.addresses[w])]


def read_cluster(environment: Mapping[str, str]) -> Cluster:
    """Read ``TF_CONFIG``, which TensorFlow's own strategies read too.

    Args:
      environment: of the process.

    Raises:
      LogoError: it is missing, or not what every worker needs to be told.
    """
    text = environment.get(VARIABLE, "")
    try:
        told = json.loads(text)
        addresses, task = told["cluster"]["worker"], told["task"]
        kind, worker = task["type"], task["index"]
        sound = (
            set(told["cluster"]) == {"worker"}
            and kind == "worker"
            and isinstance(addresses, list)
            and all(isinstance(a, str) and a.rpartition(":")[2].isdigit() for a in addresses)
            and type(worker) is int
            and 0 <= worker < len(addresses)
        )
    except (ValueError, KeyError, TypeError):
        sound = False
    if not sound:
        found = "is not set" if not text else "does not name workers and this one's index"
        raise LogoError(
            f"--strategy multiworker: {VARIABLE} {found}; on each machine set {VARIABLE}={_EXAMPLE}"
            " with its own index"
        )
    return Cluster(worker, tuple(addresses))


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), _PATIENCE):
            return True
    except OSError:
        return False
