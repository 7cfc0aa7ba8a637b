"""Names, types and shapes of the arrays each kind of head is made of, and their check on loading."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.errors import BundleError
from headstart.heads.spec import HeadSpec

# Letters stand for lengths that must agree: K classes, P of them seen in training, d features, u hidden units,
# n stored training rows, t trees with m nodes together.
Layout = dict[str, tuple[str, str]]

COMMON: Layout = {"present": ("bool", "K"), "mean": ("float64", "d"), "inverse_scale": ("float64", "d")}

LAYOUTS: dict[str, Layout] = {
    "logistic": {"coefficients": ("float64", "Pd"), "intercepts": ("float64", "P")},
    "ridge": {
        "coefficients": ("float64", "Pd"),
        "intercepts": ("float64", "P"),
        "slope": ("float64", ""),
        "offsets": ("float64", "P"),
    },
    "lda": {"coefficients": ("float64", "Pd"), "intercepts": ("float64", "P")},
    "knn": {"rows": ("float32", "nd"), "row_classes": ("int64", "n"), "row_weights": ("float64", "n")},
    "svm": {
        "rows": ("float32", "nd"),
        "dual": ("float64", "Pn"),
        "intercepts": ("float64", "P"),
        "platt_slope": ("float64", "P"),
        "platt_offset": ("float64", "P"),
        "gamma": ("float64", ""),
    },
    "majority": {"shares": ("float64", "P")},
    "forest": {
        "roots": ("int32", "t"),
        "feature": ("int32", "m"),
        "threshold": ("float64", "m"),
        "left": ("int32", "m"),
        "right": ("int32", "m"),
        "shares": ("float64", "mP"),
    },
}
DENSE_OUTPUT = ("output_weights", "output_bias")


def dense_layers(n_hidden: int) -> list[tuple[str, str]]:
    """Names of the weights and the bias of every layer of a dense head.

    >>> dense_layers(2)
    [('hidden_weights', 'hidden_bias'), ('hidden_weights_2', 'hidden_bias_2'), ('output_weights', 'output_bias')]
    """
    suffixes = ["", *(f"_{number}" for number in range(2, n_hidden + 1))][:n_hidden]
    return [*((f"hidden_weights{suffix}", f"hidden_bias{suffix}") for suffix in suffixes), DENSE_OUTPUT]


def layout_of(spec: HeadSpec) -> Layout:
    """Arrays that a fitted head of this spec is made of, beside those common to all."""
    if spec.kind != "dense":
        return LAYOUTS[spec.kind]
    layout: Layout = {}
    inputs = "d"
    for weights, bias in dense_layers(spec.whole("layers")):
        outputs = "P" if (weights, bias) == DENSE_OUTPUT else "u"
        layout |= {weights: ("float32", outputs + inputs), bias: ("float32", outputs)}
        inputs = "u"
    return layout


def check_arrays(spec: HeadSpec, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Refuse arrays that are not those of a fitted head of this spec.

    Raises
    ------
    BundleError
        Naming the array that is missing, unknown, of the wrong type or shape, not finite or out of range.
    """
    _check_present(arrays)
    n_present = int(np.count_nonzero(arrays["present"]))
    layout = COMMON | (layout_of(spec) if n_present > 1 else {})
    _check_names(spec, layout, arrays)
    lengths = {"P": n_present} | ({"u": spec.whole("units")} if spec.kind == "dense" else {})
    for name, (dtype, letters) in layout.items():
        _check_array(name, arrays[name], dtype, letters, lengths)
    _check_values(arrays, n_present)


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


def _check_values(arrays: Mapping[str, npt.NDArray[Any]], n_present: int) -> None:
    if (arrays["inverse_scale"] < 0).any():
        raise BundleError(_damaged("array 'inverse_scale' holds negative values"))
    if "gamma" in arrays and arrays["gamma"] <= 0:
        raise BundleError(_damaged("array 'gamma' must be positive"))
    if "slope" in arrays and arrays["slope"] < 0:
        raise BundleError(_damaged("array 'slope' must not be negative"))
    if "row_classes" in arrays and not ((arrays["row_classes"] >= 0) & (arrays["row_classes"] < n_present)).all():
        raise BundleError(_damaged(f"array 'row_classes' holds values outside 0..{n_present - 1}"))
    if "roots" in arrays:
        _check_trees(arrays)
    if "row_weights" in arrays and (arrays["row_weights"] <= 0).any():
        raise BundleError(_damaged("array 'row_weights' must be positive"))


def _check_trees(arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Every node leads to nodes behind it, or is a leaf and leads to itself, so that every walk ends."""
    n_nodes, places = len(arrays["feature"]), np.arange(len(arrays["feature"]))
    children = np.stack([arrays["left"], arrays["right"]])
    leaf = (children == places).all(axis=0)
    forward = ((children > places) & (children < n_nodes)).all(axis=0)
    starts = (arrays["roots"] >= 0) & (arrays["roots"] < n_nodes)
    looked_at = (arrays["feature"] >= 0) & (arrays["feature"] < len(arrays["mean"]))
    if not (starts.all() and looked_at.all() and (leaf | forward).all()):
        raise BundleError(_damaged("its trees name nodes or features that are not there"))


def _damaged(what: str) -> str:
    return f"The stored head is damaged: {what}. Fit the model again or fetch an undamaged copy."
