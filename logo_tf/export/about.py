"""What an export says of itself, so that a client needs no file of it: signature ``about``.

`format` () int32, which must be 1, answers `about` () string: JSON of the fields of ``About``.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import tensorflow as tf

from logo_tf.errors import LogoError
from logo_tf.export.signatures import Traced, trace
from logo_tf.specs import ScenarioSpec

ABOUT = "about"
FORMAT = 1


@dataclasses.dataclass(frozen=True)
class About:
    """What one must know to ask an export.

    Attributes:
      kind: ``world_model`` or ``policy``.
      scenario: what it simulates, or acts in.
      memory_dim: M, what each agent remembers; 0 is nothing.
      routes: of a world model, among how many members the rows of a call are dealt.
      signatures: what else it answers.
    """

    kind: str
    scenario: ScenarioSpec
    memory_dim: int
    routes: int
    signatures: tuple[str, ...]

    def to_json(self) -> str:
        """One line; ``from_json`` is its inverse."""
        fields = {one.name: getattr(self, one.name) for one in dataclasses.fields(self)}
        return json.dumps(fields | {"scenario": self.scenario.to_dict()}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str | bytes) -> About:
        """Read back ``to_json``.

        Raises:
          LogoError: that is not what this says.
        """
        try:
            fields: dict[str, Any] = json.loads(text)
            return cls(
                kind=str(fields["kind"]),
                scenario=ScenarioSpec.from_dict(fields["scenario"]),
                memory_dim=int(fields["memory_dim"]),
                routes=int(fields["routes"]),
                signatures=tuple(map(str, fields["signatures"])),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise LogoError(f"not what an export says of itself: {error!r}") from None


def about_signature(about: About) -> Traced:
    """Trace ``about``; see above.

    The number is asked for because TensorFlow Serving's REST answers no signature without an
    input, and so that a later format can be told from this one.
    """

    def answer(number: tf.Tensor) -> dict[str, tf.Tensor]:
        known = tf.debugging.Assert(
            tf.equal(number, FORMAT), [f"about: the format is {FORMAT}, not", number]
        )
        with tf.control_dependencies([known]):
            return {ABOUT: tf.constant(about.to_json())}

    return trace(answer, [tf.TensorSpec((), tf.int32, "format")])
