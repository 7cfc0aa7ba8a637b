"""The positive class of a task: named, the rarer of two, or none."""

from __future__ import annotations

import numpy as np
import pytest

from headstart import ImageDataset
from headstart.errors import InputError
from headstart.study.positive_class import choose_positive


def made(*labels: str) -> ImageDataset:
    return ImageDataset.from_arrays(np.zeros((len(labels), 4, 4), dtype=np.uint8), list(labels))


def test_the_rarer_of_two_classes_is_positive() -> None:
    found = choose_positive(made("a", "a", "b", "a"), None)
    assert (found.code, found.reason) == (1, "the rarer class")
    assert choose_positive(made("a", "b", "b", "b"), None).code == 0


def test_of_two_classes_equally_frequent_the_second_is_positive() -> None:
    found = choose_positive(made("a", "b"), None)
    assert found.code == 1 and "equally frequent" in found.reason


def test_the_class_that_the_user_names_is_positive() -> None:
    assert choose_positive(made("a", "a", "b", "a"), "a").code == 0


def test_more_than_two_classes_have_no_positive_one() -> None:
    assert choose_positive(made("a", "b", "c"), None).code is None
    with pytest.raises(InputError, match="for two classes; this data set has 3"):
        choose_positive(made("a", "b", "c"), "a")


def test_an_unknown_class_is_refused_with_the_close_match() -> None:
    with pytest.raises(InputError, match="Did you mean 'rough'"):
        choose_positive(made("calm", "rough"), "rouhg")


def test_images_without_labels_have_no_classes_to_choose_from() -> None:
    dataset = ImageDataset.from_arrays(np.zeros((3, 4, 4), dtype=np.uint8))
    with pytest.raises(InputError, match="no labels"):
        dataset.training_labels()
