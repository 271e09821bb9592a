"""Sizes of world models."""

from __future__ import annotations

import dataclasses

import pytest

from logo_tf.data.standardisation import standardisation
from logo_tf.errors import LogoError
from logo_tf.world_model.config import WorldModelConfig
from logo_tf.world_model.registry import build
from logo_tf.world_model.sizing import parameter_count, width_for


@pytest.mark.parametrize("kind", ["logo", "monolithic"])
def test_the_widest_model_that_fits(datasets, kind):
    dataset = datasets["discrete"]
    units, config = standardisation(dataset), WorldModelConfig(kind=kind)
    width = width_for(config, dataset.spec, units, 5000)

    def size(units_wide):
        sized = dataclasses.replace(config, width=units_wide)
        return parameter_count(build(sized, dataset.spec, units, 0))

    assert size(width) <= 5000 < size(width + 1)
    with pytest.raises(LogoError, match="no .* world model has 3 parameters or fewer"):
        width_for(config, dataset.spec, units, 3)
