"""Explanations of images by whole models, and what they refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import helpers
import numpy as np
import pytest
from explained import CLASSES, SIDE, pictures, small_model

import headstart
from headstart.errors import BundleError, InputError
from headstart.explain import Explanation, explain
from headstart.model import Model


@pytest.fixture(scope="module")
def model() -> Model:
    return small_model()


@pytest.fixture(scope="module")
def explanation(model: Model) -> Explanation:
    return explain(model, pictures())


def test_maps_have_the_size_of_the_input_and_speak_for_the_predicted_class(
    model: Model, explanation: Explanation
) -> None:
    assert explanation.maps.shape == (6, SIDE, SIDE)
    assert np.isfinite(explanation.maps).all()
    assert explanation.targets == explanation.predicted == tuple(model.predict(pictures()))
    np.testing.assert_array_equal(explanation.probabilities, model.predict_proba(pictures()))
    assert explanation.against == (None,) * 6
    assert explanation.pixels.shape == (6, SIDE, SIDE, 3)


def test_its_name_is_short(explanation: Explanation) -> None:
    assert repr(explanation).startswith("<Explanation: n = 6, 64 x 64 px, sharp at ")
    assert len(repr(explanation)) < 160


def test_the_room_is_a_function_and_a_saved_model_will_do(model: Model, tmp_path: Path) -> None:
    model.save(tmp_path / "run" / "model")
    found = headstart.explain(tmp_path / "run", pictures(2))
    assert isinstance(found, headstart.Explanation)
    assert callable(headstart.explain), "also once it has been imported as a room"
    assert found.targets == explain(model, pictures(2)).targets


def test_company_is_of_no_account(model: Model, explanation: Explanation) -> None:
    alone = explain(model, pictures()[4:5])
    np.testing.assert_allclose(alone.maps[0], explanation.maps[4], atol=1e-5 * np.abs(explanation.maps).max())


def test_exchanged_classes_give_opposite_scores(model: Model) -> None:
    one = explain(model, pictures(), target="calm", against="wild")
    other = explain(model, pictures(), target="wild", against="calm")
    np.testing.assert_allclose(one.scores, -other.scores, atol=1e-9)


def test_one_scale_for_a_class_and_that_of_earlier_maps(model: Model, explanation: Explanation) -> None:
    for target, limit in explanation.limits.items():
        shown = [values for values, name in zip(explanation.maps, explanation.targets, strict=True) if name == target]
        assert (np.abs(shown) > limit).mean() == pytest.approx(0.01, abs=1e-3)
    later = explain(model, pictures()[:1], limits=explanation.limits)
    assert later.limits == explanation.limits


def test_each_image_may_have_a_class_of_its_own(model: Model) -> None:
    found = explain(model, pictures(2), target=["wild", None], against=[None, "calm"])
    assert found.targets[0] == "wild"
    assert found.targets[1] == found.predicted[1]
    assert found.against == (None, "calm")


def test_an_image_predicted_as_the_class_to_be_told_from_shows_the_next(model: Model) -> None:
    predicted = str(model.predict(pictures(1))[0])
    found = explain(model, pictures(1), against=predicted)
    order = np.argsort(-found.probabilities[0])
    assert found.targets == (CLASSES[order[1]],)


def test_images_that_cannot_be_read_are_named(model: Model, tmp_path: Path) -> None:
    good = helpers.write_image(tmp_path / "good.png", pictures(1)[0])
    grey = helpers.write_image(tmp_path / "grey.png", pictures(1, side=50)[0][..., 0])
    bad = helpers.write_text(tmp_path / "bad.png", "no image")
    found = explain(model, [good, bad, grey])
    assert [Path(name).name for name in found.images] == ["good.png", "grey.png"]
    ((name, reason),) = found.unreadable
    assert name.endswith("bad.png")
    assert reason
    none = explain(model, [bad])
    assert len(none) == 0
    assert none.maps.shape == (0, SIDE, SIDE)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"target": "calmm"}, "Unknown class 'calmm'. Did you mean 'calm'"),
        ({"against": "wold"}, "Unknown class 'wold'. Did you mean 'wild'"),
        ({"target": "calm", "against": "calm"}, "not 'calm' from itself"),
        ({"target": ["calm"]}, "1 classes are named for 6 images"),
        ({"method": "sharpe"}, "Unknown method 'sharpe'. Did you mean 'sharp'"),
        ({"stage": "layer33"}, "Unknown stage 'layer33'. Did you mean 'layer3'"),
    ],
)
def test_what_is_not_there_is_refused(model: Model, options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words.replace(".", r"\.")):
        explain(model, pictures(), **options)


def test_a_class_that_no_training_image_had_is_refused() -> None:
    found = small_model()
    arrays = dict(found.head.arrays) | {"present": np.array([True, True, True, False])}
    head = type(found.head)(found.head.spec, arrays)
    model = Model(found.backbone, found.preparation, found.engine, head, (*CLASSES, "new"))
    with pytest.raises(InputError, match="'new' had no training image"):
        explain(model, pictures(1), target="new")


def test_no_model_is_said(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="holds no model"):
        explain(tmp_path, pictures(1))


def test_parameters_stay_frozen(model: Model) -> None:
    before = {name: tensor.clone() for name, tensor in model.backbone.module.state_dict().items()}
    explain(model, pictures(2))
    assert not any(parameter.requires_grad for parameter in model.backbone.module.parameters())
    assert all(parameter.grad is None for parameter in model.backbone.module.parameters())
    assert all((tensor == before[name]).all() for name, tensor in model.backbone.module.state_dict().items())
