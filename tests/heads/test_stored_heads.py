"""Stored heads predict the same bits; damaged arrays are refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from made_heads import SMALL, blobs, fit_one

from headstart.errors import BundleError
from headstart.heads import FittedHead, HeadSpec, searchable_kinds


@pytest.mark.parametrize("kind", searchable_kinds())
def test_a_stored_head_predicts_the_same_bits(kind, tmp_path: Path):
    features, labels = blobs()
    head = fit_one(SMALL[kind], features, labels)
    safetensors.numpy.save_file(head.to_tensors(), tmp_path / "head.safetensors")
    loaded = FittedHead.from_tensors(
        HeadSpec.from_json(head.spec.to_json()), safetensors.numpy.load_file(tmp_path / "head.safetensors")
    )
    assert np.array_equal(loaded.predict_proba(features), head.predict_proba(features))
    assert (loaded.n_classes, loaded.n_features) == (3, 41)
    assert loaded.holds_training_features is (kind in {"knn", "svm"})


def broken(kind: str, name: str, change) -> tuple[HeadSpec, dict]:
    features, labels = blobs(60)
    head = fit_one(SMALL[kind], features, labels)
    return head.spec, head.to_tensors() | {name: change(head.arrays.get(name))}


@pytest.mark.parametrize(
    ("kind", "name", "change", "words"),
    [
        ("logistic", "coefficients", lambda a: a[:, 1:], r"'coefficients' must have shape \(3, 41\), not \(3, 40\)"),
        ("logistic", "coefficients", lambda a: a * np.nan, "'coefficients' holds values that are not finite"),
        ("logistic", "intercepts", lambda a: a[:2], r"'intercepts' must have shape \(3,\), not \(2,\)"),
        ("logistic", "intercepts", lambda a: a.astype(np.float32), "must be float64, not float32"),
        ("logistic", "present", lambda a: ~a, "at least one true"),
        ("logistic", "present", lambda a: a.astype(np.int64), "bool array"),
        ("logistic", "extra", lambda a: np.ones(1), r"unknown \['extra'\]"),
        ("logistic", "inverse_scale", lambda a: -a, "'inverse_scale' holds negative"),
        ("dense", "hidden_bias", lambda a: a[:-1], "'hidden_bias' must have shape"),
        ("knn", "row_classes", lambda a: a + 1, "'row_classes' holds values outside 0..2"),
        ("knn", "row_weights", lambda a: a * 0, "'row_weights' must be positive"),
        ("knn", "rows", lambda a: a[:0], "'rows' must have shape"),
        ("svm", "gamma", lambda a: a * 0, "'gamma' must be positive"),
        ("svm", "dual", lambda a: a[:, :-1], "'dual' must have shape"),
        ("ridge", "slope", lambda a: a - 1e6, "'slope' must not be negative"),
        ("ridge", "offsets", lambda a: a[1:], r"'offsets' must have shape \(3,\)"),
        ("lda", "coefficients", lambda a: a[:, 1:], r"'coefficients' must have shape \(3, 41\)"),
    ],
)
def test_damaged_arrays_are_refused(kind, name, change, words):
    with pytest.raises(BundleError, match=words):
        FittedHead.from_tensors(*broken(kind, name, change))


def test_a_missing_array_is_named():
    spec, tensors = broken("svm", "gamma", lambda a: a)
    del tensors["platt_slope"]
    with pytest.raises(BundleError, match=r"missing \['platt_slope'\].*undamaged copy"):
        FittedHead.from_tensors(spec, tensors)
