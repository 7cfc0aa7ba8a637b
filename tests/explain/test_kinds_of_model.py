"""Models that are more than a frozen network with a head: what their maps show, and what is said of the rest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from explained import CLASSES, LOGISTIC, SIDE, pictures, small_model

from headstart.augment import views
from headstart.backbones.feature_block import DESCRIPTORS, LAST
from headstart.data import ImageDataset
from headstart.data.table.encoding import TableEncoding
from headstart.errors import InputError
from headstart.explain import explain
from headstart.heads import HeadSpec, fit_heads
from headstart.model import Model, Unlocked


@pytest.fixture(scope="module")
def model() -> Model:
    return small_model()


def with_table(model: Model) -> tuple[Model, ImageDataset]:
    """The model with a head that sees ages too."""
    ages = np.random.default_rng(0).uniform(20, 80, size=30)
    dataset = ImageDataset.from_arrays(pictures(30, seed=0), table={"age": ages})
    encoding = TableEncoding.fit(dataset.columns, np.arange(30))
    features = np.concatenate([model.extractor.compute(pictures(8, seed=0))] * 4)[:30]
    joined = np.concatenate([features, encoding.apply(dataset.columns)], axis=1)
    (head,) = fit_heads([LOGISTIC], joined, np.arange(30) % 3, n_classes=3, seed=0)
    return replace(model, head=head, table=encoding), dataset


def test_a_table_column_has_a_share_and_no_place(model: Model) -> None:
    tabled, dataset = with_table(model)
    found = explain(tabled, dataset.subset(np.arange(3)), method="exact")
    assert found.elsewhere.any()
    assert (found.distances < 1e-9).all()
    assert any("table columns have no place" in note for note in found.notes)
    assert explain(tabled, dataset.subset(np.arange(3))).maps.any()


def test_descriptors_have_a_share_and_no_place() -> None:
    described = small_model(blocks=(LAST, DESCRIPTORS))
    for method in ("exact", "sharp"):
        found = explain(described, pictures(2), method=method)
        assert found.maps.any()
        assert found.elsewhere.any() == (method == "exact")
    assert (explain(described, pictures(2), method="exact").distances < 1e-9).all()


def test_scores_of_descriptors_are_those_that_the_model_predicts_from() -> None:
    described = small_model(blocks=(LAST, DESCRIPTORS))
    found = explain(described, pictures(4), target="wild", against="calm")
    logs = np.log(described.head.predict_proba(described.extractor.compute(pictures(4))))
    np.testing.assert_allclose(
        found.scores, logs[:, 2] - logs[:, 0], rtol=0.02
    )  # probabilities have a floor, scores not


def test_a_fine_tuned_model_is_explained_with_the_stages_that_it_predicts_with(model: Model) -> None:
    tuned = replace(model, unlocked=Unlocked("layer3", {}, 1))
    found, frozen = explain(tuned, pictures(2)), explain(model, pictures(2))
    np.testing.assert_array_equal(found.maps, frozen.maps)
    np.testing.assert_array_equal(found.predicted, tuned.predict(pictures(2)))


def test_views_are_said(model: Model) -> None:
    viewed = replace(model, views=tuple(views("flips", 4, seed=0)))
    (note,) = explain(viewed, pictures(1)).notes
    assert note.startswith("Predictions are means over 4 views")


def test_of_an_ensemble_the_weightiest_member_is_explained(model: Model) -> None:
    other = small_model(HeadSpec("ridge"))
    together = replace(model, others=(other,), weights=(1.0, 3.0))
    found = explain(together, pictures(3))
    assert found.predicted == tuple(together.predict(pictures(3)))
    assert "the greatest weight (75%): ridge" in found.notes[0]
    alone = explain(other, pictures(3), target=found.targets)
    np.testing.assert_array_equal(found.maps, alone.maps)


@pytest.mark.parametrize("method", ["sharp", "exact", "occlusion", "integrated-gradients"])
def test_descriptors_alone_have_no_map_which_is_said(method: str) -> None:
    described = small_model(blocks=(DESCRIPTORS,), n_images=6)
    with pytest.raises(InputError, match=r"logistic.* takes descriptors of the whole image and nothing of the network"):
        explain(described, pictures(1), method=method)


def test_of_an_ensemble_a_member_that_sees_the_network_is_explained(model: Model) -> None:
    described = small_model(blocks=(DESCRIPTORS,), n_images=6)
    together = replace(model, others=(described,), weights=(1.0, 3.0))
    found = explain(together, pictures(2))
    assert "the greatest weight of those that see the network (25%): logistic" in found.notes[0]
    np.testing.assert_array_equal(found.maps, explain(model, pictures(2), target=found.targets).maps)


def test_grey_images_and_such_of_another_size_are_brought_to_the_input(model: Model) -> None:
    grey = pictures(1, side=90)[..., 0]
    assert explain(model, grey).maps.shape == (1, SIDE, SIDE)
    assert model.classes == CLASSES


def test_another_precision_is_said(model: Model) -> None:
    coarse = replace(model, engine=replace(model.engine, precision="bf16"))
    (note,) = explain(coarse, pictures(1)).notes
    assert note.startswith("Predictions are computed in bf16, the maps in fp32")
