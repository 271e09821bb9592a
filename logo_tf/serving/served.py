"""One exported model of a server: what it says of itself, and what it is asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from logo_tf.config import require
from logo_tf.errors import LogoError
from logo_tf.export.about import ABOUT, FORMAT, About
from logo_tf.serving.client import Client
from logo_tf.serving.status import Code, ServingError
from logo_tf.shapes import check_shapes
from logo_tf.specs import ScenarioSpec

# As servers say that there is no such signature.
_ABSENT = (Code.INVALID_ARGUMENT, Code.FAILED_PRECONDITION)


class Served:
    """A model that was exported here, wherever it is served.

    Attributes:
      name: of the model.
      about: what it says of itself; asked once, as its versions are exports of one kind.
    """

    def __init__(
        self,
        client: Client,
        name: str,
        kind: str,
        version: int | None = None,
        label: str | None = None,
    ) -> None:
        """Ask what it is.

        Args:
          client: of its server.
          name: of the model.
          kind: ``world_model`` or ``policy``, which it must be.
          version: a certain one; the latest by default.
          label: or that of a label, such as ``stable``.

        Raises:
          LogoError: it is something else, or does not say what it is.
          ServingError: as ``Client.predict``.
        """
        self.name = name
        self._client = client
        self._which: dict[str, Any] = {"version": version, "label": label}
        self.about = self._introduced()
        require(
            self.about.kind == kind,
            f"{name}: is a {_words(self.about.kind)}, expected a {_words(kind)}",
        )

    @property
    def spec(self) -> ScenarioSpec:
        """The scenario that it is of."""
        return self.about.scenario

    def given(self, arrays: Mapping[str, Any], axes: Mapping[str, str]) -> dict[str, np.ndarray]:
        """What a user gave, as the float32 of a request.

        Args:
          arrays: by name.
          axes: of each of them (and of others), as ``check_shapes``; N, O, A, S, L and M are
            the model's.

        Raises:
          LogoError: a shape is not the model's, or a number is not finite.
        """
        found = {}
        for name, values in arrays.items():
            try:
                found[name] = np.asarray(values, np.float32)
            except (TypeError, ValueError):
                raise LogoError(f"{self.name}: {name} is no array of numbers") from None
        try:
            check_shapes(found, {name: axes[name] for name in found}, **self._sizes)
        except LogoError as error:
            raise LogoError(f"{self.name}: {error}") from None
        for name, array in found.items():
            require(
                bool(np.isfinite(array).all()),
                f"{self.name}: {name} holds a number that is not finite",
            )
        return found

    def ask(
        self, signature: str, inputs: Mapping[str, np.ndarray], axes: Mapping[str, str], **more: int
    ) -> dict[str, np.ndarray]:
        """Ask a signature.

        Args:
          signature: its key.
          inputs: by name.
          axes: of the outputs that must come, by name.
          **more: sizes that letters have in this answer, such as ``B=3``.

        Returns:
          Every output by name.

        Raises:
          ServingError: as ``Client.predict``; DATA_LOSS, an output is missing or has another
            shape.
        """
        answer = self._client.predict(self.name, inputs, signature, **self._which)
        try:
            check_shapes(answer, axes, **self._sizes, **more)
        except KeyError as error:
            raise _lost(f"{signature}: {error} is missing") from None
        except LogoError as error:
            raise _lost(f"{signature}: {error}") from None
        return answer

    @property
    def _sizes(self) -> dict[str, int]:
        spec = self.spec
        return {
            "N": spec.num_agents,
            "O": spec.observation_dim,
            "A": spec.action_dim,
            "S": spec.state_dim,
            "L": spec.legal_dim,
            "M": self.about.memory_dim,
        }

    def _introduced(self) -> About:
        asked = {"format": np.array(FORMAT, np.int32)}
        try:
            answer = self._client.predict(self.name, asked, ABOUT, **self._which)
        except ServingError as error:
            if error.code in _ABSENT and f'"{ABOUT}" not found' in error.message:
                raise LogoError(
                    f"{self.name}: does not say what it is, so it was not exported by this "
                    "package, or by an older version; export it again"
                ) from None
            raise
        try:
            return About.from_json(answer[ABOUT].item())
        except (KeyError, ValueError, LogoError) as error:
            raise _lost(f"{ABOUT}: {error}") from None


def _words(kind: str) -> str:
    return kind.replace("_", " ")


def _lost(what: str) -> ServingError:
    return ServingError(Code.DATA_LOSS, f"the server does not answer as it should: {what}")
