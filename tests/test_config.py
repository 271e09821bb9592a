import dataclasses
import json
from typing import Literal

import pytest

from logo_tf import config as config_lib
from logo_tf.errors import LogoError


@dataclasses.dataclass(frozen=True)
class Inner:
    width: int = 8
    rate: float = 0.5
    kind: Literal["logo", "other"] = "logo"
    layers: tuple[int, ...] = (4, 4)

    def __post_init__(self) -> None:
        config_lib.require(self.width > 0, f"width must be at least 1, got {self.width}")


@dataclasses.dataclass(frozen=True)
class Outer:
    seed: int = 0
    name: str = "run"
    limit: int | None = None
    verbose: bool = False
    inner: Inner = dataclasses.field(default_factory=Inner)


def test_round_trip_through_json():
    config = Outer(seed=3, limit=4, inner=Inner(width=2, layers=(1, 2, 3)))
    data = json.loads(json.dumps(config_lib.to_dict(config)))
    assert config_lib.from_dict(Outer, data) == config


def test_overrides_reach_nested_values_and_keep_types():
    changed = config_lib.override(
        Outer(), ["inner.width=3", "inner.rate=1", "name=a=b", "limit=null", "inner.layers=[1]"]
    )
    assert changed == Outer(name="a=b", inner=Inner(width=3, rate=1.0, layers=(1,)))
    assert isinstance(changed.inner.rate, float)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("inner.widht=3", "unknown key 'widht'; did you mean 'width'"),
        ("iner.width=3", "unknown key 'iner'; did you mean 'inner'"),
        ("seed", "expected key=value"),
        ("seed.x=1", "'seed' is a value, not a group"),
        ("seed=two", r"--set.seed: expected int, got 'two'"),
        ("seed=1.5", "expected int, got 1.5"),
        ("seed=true", "expected int, got True"),
        ("verbose=1", "expected bool, got 1"),
        ("inner.kind=logos", "did you mean 'logo'"),
        ("inner.layers=3", "expected tuple.*got 3"),
        ("inner.width=0", "width must be at least 1"),
        ("inner=3", "expected an object of settings"),
    ],
)
def test_bad_settings_are_named(setting, message):
    with pytest.raises(LogoError, match=message):
        config_lib.override(Outer(), [setting])


def test_what_has_no_default_must_be_there():
    @dataclasses.dataclass(frozen=True)
    class Needy:
        name: str
        count: int
        width: int = 8

    with pytest.raises(LogoError, match="needy: lacks name, count"):
        config_lib.from_dict(Needy, {"width": 1}, "needy")
    with pytest.raises(LogoError, match="needy: lacks count"):
        config_lib.from_dict(Needy, {"name": "a"}, "needy")


def test_json_files(tmp_path):
    file = tmp_path / "c.json"
    file.write_text('{"seed": 5, "inner": {"kind": "other"}}')
    assert config_lib.over_file(Outer(), file) == Outer(seed=5, inner=Inner(kind="other"))
    file.write_text("{seed: 5}")
    with pytest.raises(LogoError, match="not a JSON config"):
        config_lib.over_file(Outer(), file)
    with pytest.raises(LogoError, match="cannot read the config: No such file"):
        config_lib.over_file(Outer(), tmp_path / "none.json")
