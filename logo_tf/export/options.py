"""What a bundle for devices can be: the command knows it before TensorFlow is there."""

from __future__ import annotations

from typing import Literal, get_args

Precision = Literal["float32", "float16", "int8"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
Layout = Literal["agents", "shared"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)

# How far an export's answers may be off: absolute up to magnitude 1, relative beyond it.
TOLERANCE = 1e-5
# Likewise of a bundle by precision. Rounded weights cost what they cost, and only playing tells
# what that is worth; beyond these a file is not the policy any more.
TOLERANCES: dict[Precision, float] = {"float32": TOLERANCE, "float16": 0.02, "int8": 0.3}
