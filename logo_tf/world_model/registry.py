"""World models by name: LOGO, and the rivals it is compared with."""

from __future__ import annotations

from collections.abc import Callable

from logo_tf.data.standardisation import Standardisation
from logo_tf.errors import LogoError, nearest
from logo_tf.specs import ScenarioSpec
from logo_tf.world_model.config import WorldModelConfig
from logo_tf.world_model.logo import LogoWorldModel
from logo_tf.world_model.protocol import WorldModel
from logo_tf.world_model.rivals.ensemble import EnsembleWorldModel
from logo_tf.world_model.rivals.mamba import MambaWorldModel
from logo_tf.world_model.rivals.monolithic import MonolithicWorldModel
from logo_tf.world_model.rivals.persistence import PersistenceWorldModel

Builder = Callable[[WorldModelConfig, ScenarioSpec, Standardisation, int], WorldModel]

KINDS: dict[str, Builder] = {
    "logo": LogoWorldModel,
    "monolithic": MonolithicWorldModel,
    "ensemble": EnsembleWorldModel,
    "mamba": MambaWorldModel,
    "persistence": PersistenceWorldModel,
}


def build(
    config: WorldModelConfig, spec: ScenarioSpec, standardisation: Standardisation, seed: int
) -> WorldModel:
    """Make an untrained world model of the config's kind.

    Args:
      config: its settings.
      spec: the scenario.
      standardisation: units of the training data.
      seed: fixes the initial weights.

    Raises:
      LogoError: no such kind.
    """
    if config.kind not in KINDS:
        raise LogoError(f"no world model {config.kind!r}; {nearest(config.kind, KINDS)}")
    return KINDS[config.kind](config, spec, standardisation, seed)
