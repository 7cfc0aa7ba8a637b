"""Settings of heads are completed, compared and checked."""

from __future__ import annotations

import pytest

from headstart.errors import InputError
from headstart.heads import HeadSpec


def test_specs_are_completed_compared_and_hashed_by_value():
    assert HeadSpec("svm", {"C": 3}) == HeadSpec("svm", {"gamma": 0.5, "C": 3.0}) == HeadSpec("svm")
    assert len({HeadSpec("svm", {"C": 3}), HeadSpec("svm"), HeadSpec("svm", {"C": 1})}) == 2
    assert HeadSpec("dense", {"weight_decay": 0.01}).label.endswith("20 epochs, weight decay 0.01")


@pytest.mark.parametrize(
    ("kind", "settings", "words"),
    [
        ("logitsic", {}, "Unknown kind of head 'logitsic'. Did you mean 'logistic'"),
        ("svm", {"gama": 1.0}, "Unknown setting of a svm head 'gama'. Did you mean 'gamma'"),
        ("logistic", {"C": 0}, "'C' of a logistic head must be a number > 0, not 0"),
        ("logistic", {"C": float("nan")}, "a number > 0, not nan"),
        ("knn", {"k": 2.5}, "'k' of a knn head must be a whole number > 0, not 2.5"),
        ("knn", {"k": 10**20}, "'k' of a knn head must be a whole number > 0 and at most 2..53, not 1000000"),
        ("logistic", {"C": 10**400}, "a number > 0 and at most 2..53, not 1000000"),
        ("knn", {"k": True}, "not True"),
        ("dense", {"dropout": 1.0}, "a number >= 0 and < 1, not 1.0"),
        ("lda", {"shrinkage": 1.0}, "a number > 0 and < 1, or 'auto', not 1.0"),
        ("lda", {"shrinkage": "none"}, "or 'auto', not 'none'"),
        ("ridge", {"alpha": 0}, "'alpha' of a ridge head must be a number > 0, not 0"),
        ("dense", {"activation": "silu"}, "one of relu, sigmoid, tanh, gelu, selu, not 'silu'"),
    ],
)
def test_wrong_settings_are_refused(kind, settings, words):
    with pytest.raises(InputError, match=words.replace("(", r"\(")):
        HeadSpec(kind, settings)


def test_specs_from_other_json_are_refused():
    for value in ([], {"kind": "svm"}, {"kind": "svm", "settings": 3}):
        with pytest.raises(InputError, match="'kind' and 'settings'"):
            HeadSpec.from_json(value)
