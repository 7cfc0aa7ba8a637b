"""Check of the arrays of a loaded head: names, types, shapes and values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.errors import BundleError
from headstart.heads.spec import KINDS, HeadSpec, Layout

COMMON: Layout = {"present": ("bool", "K"), "mean": ("float64", "d"), "inverse_scale": ("float64", "d")}
"""Arrays that every fitted head has; a head of one class alone has no others."""


def check_arrays(spec: HeadSpec, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Refuse arrays that are not those of a fitted head of this spec.

    Raises
    ------
    BundleError
        Naming the array that is missing, unknown, of the wrong type or shape, not finite or out of range.
    """
    _check_present(arrays)
    n_present = int(np.count_nonzero(arrays["present"]))
    kind = KINDS[spec.kind]
    layout = {**COMMON, **(kind.layout(spec) if n_present > 1 else {})}
    _check_names(spec, layout, arrays)
    lengths = {"P": n_present, **{letter: spec.whole(setting) for letter, setting in kind.lengths.items()}}
    for name, (dtype, letters) in layout.items():
        _check_array(name, arrays[name], dtype, letters, lengths)
    if (arrays["inverse_scale"] < 0).any():
        raise BundleError(_damaged("array 'inverse_scale' holds negative values"))
    damage = kind.damage(arrays) if n_present > 1 else ""
    if damage:
        raise BundleError(_damaged(damage))


def _check_present(arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    present = arrays.get("present")
    if present is None or present.dtype != np.bool_ or present.ndim != 1 or not present.any():
        raise BundleError(_damaged("'present' must be a bool array with one value per class, at least one true"))


def _check_names(spec: HeadSpec, layout: Layout, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    missing, unknown = sorted(set(layout) - set(arrays)), sorted(set(arrays) - set(layout))
    if missing or unknown:
        found = f"missing {missing}, unknown {unknown}"
        raise BundleError(_damaged(f"a {spec.kind} head is made of the arrays {sorted(layout)}: {found}"))


def _check_array(name: str, array: npt.NDArray[Any], dtype: str, letters: str, lengths: dict[str, int]) -> None:
    """Check one array; `lengths` learns the lengths it is the first to show."""
    if array.dtype != np.dtype(dtype):
        raise BundleError(_damaged(f"array {name!r} must be {dtype}, not {array.dtype}"))
    if array.ndim == len(letters):
        for letter, length in zip(letters, array.shape, strict=True):
            lengths.setdefault(letter, length)
    expected = tuple(lengths.get(letter, 0) for letter in letters)
    if array.ndim != len(letters) or array.shape != expected or 0 in array.shape:
        raise BundleError(_damaged(f"array {name!r} must have shape {expected}, not {array.shape}"))
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise BundleError(_damaged(f"array {name!r} holds values that are not finite"))


def _damaged(what: str) -> str:
    return f"The stored head is damaged: {what}. Fit the model again or fetch an undamaged copy."
