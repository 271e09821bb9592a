"""How large a world model is, and how wide to make one of a given size."""

from __future__ import annotations

import dataclasses

import numpy as np

from logo_tf.data.standardisation import Standardisation
from logo_tf.errors import LogoError
from logo_tf.specs import ScenarioSpec
from logo_tf.world_model.config import WorldModelConfig
from logo_tf.world_model.protocol import WorldModel
from logo_tf.world_model.registry import build

_WIDEST = 4096


def parameter_count(model: WorldModel) -> int:
    """How many numbers training moves."""
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


def width_for(
    config: WorldModelConfig,
    spec: ScenarioSpec,
    standardisation: Standardisation,
    parameters: int,
) -> int:
    """The largest width with which a model has no more than so many parameters.

    Rivals are compared at equal size, and each kind spends its width differently.

    Args:
      config: the model; its own width is ignored.
      spec: the scenario.
      standardisation: units, which change no size.
      parameters: the budget.

    Raises:
      LogoError: even the narrowest model is larger.
    """

    def size(width: int) -> int:
        sized = dataclasses.replace(config, width=width)
        return parameter_count(build(sized, spec, standardisation, seed=0))

    if size(1) > parameters:
        raise LogoError(f"no {config.kind} world model has {parameters} parameters or fewer")
    low, high = 1, 2
    while high < _WIDEST and size(high) <= parameters:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if size(middle) <= parameters else (low, middle)
    return low
