"""The scikit-learn face on ordered classes."""

from __future__ import annotations

import helpers
import numpy as np
import pytest

from headstart import ImageDataset, TransferClassifier
from headstart.errors import ArgumentError
from headstart.model import load_model

ORDER = ["low", "middle", "high"]
NETWORK = {"backbone": helpers.BACKBONE, "weights": "random", "input_size": 32, "threads": 1, "features": "last"}
IMAGES = helpers.noise(36, spread=(20.0, 23.0, 26.0))
LABELS = helpers.labels_of(36, ORDER)


def test_classes_stand_in_their_order(tmp_path) -> None:
    made = TransferClassifier(head="cumulative", ordinal=ORDER, settings={"C": 1.0}, **NETWORK).fit(IMAGES, LABELS)
    assert made.classes_.tolist() == ORDER
    probabilities = made.predict_proba(IMAGES)
    assert made.predict(IMAGES).tolist() == [ORDER[code] for code in probabilities.argmax(axis=1)]
    model = made.to_model()
    model.save(tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    assert loaded.ordered and loaded.classes == tuple(ORDER)
    assert np.array_equal(loaded.predict_proba(IMAGES), model.predict_proba(IMAGES))


def test_labels_may_be_numbers_and_say_their_order() -> None:
    numbers = [10 * (ORDER.index(name) + 1) % 25 for name in LABELS]  # 10, 20, 5
    made = TransferClassifier(head="corn", ordinal="auto", **NETWORK).fit(IMAGES, numbers)
    assert made.classes_.tolist() == [5, 10, 20] and made.predict(IMAGES[:1]).dtype == made.classes_.dtype


def test_an_ordered_data_set_keeps_its_order() -> None:
    dataset = ImageDataset.from_arrays(IMAGES, LABELS).with_order(ORDER)
    made = TransferClassifier(head="corn", **NETWORK)
    assert made.fit(dataset).classes_.tolist() == ORDER
    assert TransferClassifier(**NETWORK).fit(dataset, LABELS).classes_.tolist() == sorted(ORDER)


def test_misuse_is_an_argument_error() -> None:
    with pytest.raises(ArgumentError, match=r"head='corn' is for ordered classes"):
        TransferClassifier(head="corn", **NETWORK).fit(IMAGES, LABELS)
    with pytest.raises(ArgumentError, match=r"ordinal names 2 of 3 classes; 'middle' is missing"):
        TransferClassifier(ordinal=["low", "high"], **NETWORK).fit(IMAGES, LABELS)
