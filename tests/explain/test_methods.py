"""The four methods on whole models: completeness, what they fall back to, what they refuse."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from explained import pictures, small_model

from headstart.backbones.feature_block import LAST, FeatureBlock
from headstart.errors import InputError
from headstart.explain import METHODS, explain
from headstart.heads import HeadSpec
from headstart.model import Model

MULTI = tuple(FeatureBlock(stage, pooling) for stage in ("layer2", "layer3") for pooling in ("mean", "max"))
DENSE = HeadSpec("dense", {"units": 24, "epochs": 20, "learning_rate": 1e-3})
COMPLETE = {
    "logistic": (HeadSpec("logistic", {"C": 1.0}), 1e-9),
    "lda": (HeadSpec("lda"), 1e-9),
    "ridge": (HeadSpec("ridge"), 1e-9),
    "svm": (HeadSpec("svm"), 1e-4),
    "dense": (DENSE, 1e-2),
    "knn": (HeadSpec("knn", {"k": 5}), 1e-9),
    "forest": (HeadSpec("forest", {"trees": 8}), 1e-9),
}


@pytest.fixture(scope="module")
def models() -> dict[str, Model]:
    return {name: small_model(spec) for name, (spec, _) in COMPLETE.items()}


@pytest.mark.parametrize("blocks", [(LAST,), MULTI], ids=["last", "multi"])
@pytest.mark.parametrize("kind", COMPLETE)
def test_exact_maps_leave_nothing_of_the_score_over(kind: str, blocks: tuple[FeatureBlock, ...]) -> None:
    spec, tolerance = COMPLETE[kind]
    found = explain(small_model(spec, blocks=blocks), pictures(2), method="exact", target="wild", against="calm")
    total = found.scores - found.references
    np.testing.assert_allclose(found.attributed, total, atol=tolerance * max(np.abs(total).max(), 1e-12))
    means = found.maps.mean(axis=(1, 2))
    np.testing.assert_allclose(means, found.attributed, atol=1e-4 * np.abs(found.maps).max())


@pytest.mark.parametrize(
    ("kind", "method"),
    [pair for pair in itertools.product(COMPLETE, METHODS) if pair[1] != "occlusion" or pair[0] in ("svm", "forest")],
)
def test_every_method_and_head(kind: str, method: str, models: dict[str, Model]) -> None:
    if kind == "forest" and method == "integrated-gradients":
        with pytest.raises(InputError, match=r"random forest, 8 trees.*no gradient\. Use the method 'occlusion'"):
            explain(models[kind], pictures(1), method=method)
        return
    found = explain(models[kind], pictures(2), method=method)
    assert found.maps.shape == (2, 64, 64)
    assert np.isfinite(found.maps).all()
    assert found.maps.any()
    falls_back = kind == "forest" and method == "sharp"
    assert found.method == ("occlusion" if falls_back else method)
    assert (found.stage is None) == (found.method != "sharp")
    assert any("the maps are of occlusion" in note for note in found.notes) == falls_back


def test_integrated_gradients_add_up(models: dict[str, Model]) -> None:
    found = explain(models["logistic"], pictures(2), method="integrated-gradients", target="wild")
    assert (found.distances < 0.1).all()


def test_a_method_that_looks_at_no_stage_is_given_none(models: dict[str, Model]) -> None:
    with pytest.raises(InputError, match="the method 'exact' looks at none"):
        explain(models["logistic"], pictures(1), method="exact", stage="layer3")


def test_uniform_votes_have_no_gradient() -> None:
    model = small_model(HeadSpec("knn", {"k": 5, "votes": "uniform"}))
    assert explain(model, pictures(1)).method == "occlusion"
