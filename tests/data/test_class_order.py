"""The order of classes: named, said by their names, or refused."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.data import ImageDataset
from headstart.data.labels.order import class_order
from headstart.errors import InputError


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        (["10", "9", "0.5"], ("0.5", "9", "10")),
        (["grade 3", "grade 1", "grade 2"], ("grade 1", "grade 2", "grade 3")),
        (["stage IV", "stage I", "stage III"], ("stage I", "stage III", "stage IV")),
        (["c", "a", "b"], ("a", "b", "c")),
        (["-1", "1", "0"], ("-1", "0", "1")),
        (["grade-3", "grade-1", "grade-2"], ("grade-1", "grade-2", "grade-3")),
    ],
)
def test_names_may_say_their_order(classes: list[str], expected: tuple[str, ...]) -> None:
    assert class_order("auto", classes) == expected


@pytest.mark.parametrize(
    "classes", [["high", "low", "middle"], ["grade 1", "grade 2", "stage 3"], ["1", "1.0", "2"], ["a", "B", "c"]]
)
def test_names_that_do_not_are_refused(classes: list[str]) -> None:
    with pytest.raises(InputError, match=r"do not say their order.*Name it yourself, as in --ordinal low,middle,high"):
        class_order("auto", classes)


def test_an_order_names_each_class_once() -> None:
    classes = ["high", "low", "middle"]
    assert class_order(["low", "middle", "high"], classes) == class_order(" low,middle , high", classes)
    assert class_order('"a, b",c,d', ["c", "a, b", "d"]) == ("a, b", "c", "d")
    with pytest.raises(InputError, match=r"Unknown class 'hihg'. Did you mean 'high'"):
        class_order("low,middle,hihg", classes)
    with pytest.raises(InputError, match="names 2 of 3 classes; 'middle' is missing"):
        class_order("low,high", classes)
    with pytest.raises(InputError, match="names the class 'low' twice"):
        class_order("low,low,middle,high", classes)
    with pytest.raises(InputError, match="empty name"):
        class_order("low,,high", classes)
    with pytest.raises(InputError, match="for three classes or more; there are 2"):
        class_order("low,high", ["low", "high"])


def test_a_data_set_takes_its_classes_in_their_order() -> None:
    labels = ["high", "low", "middle", "low"]
    plain = ImageDataset.from_arrays(np.zeros((4, 8, 8), dtype=np.uint8), labels)
    ordered = plain.with_order("low,middle,high")
    assert ordered.classes == ("low", "middle", "high") and ordered.ordered and not plain.ordered
    assert ordered.label_names() == labels and ordered.labels.tolist() == [2, 0, 1, 0]
    assert ordered.subset([0, 1]).ordered
    assert ordered.fingerprint() != plain.fingerprint()


def test_soft_labels_and_ratings_move_with_their_classes() -> None:
    shares = np.array([[0.2, 0.5, 0.3], [0.6, 0.1, 0.3], [0.0, 0.0, 1.0]])
    from dataclasses import replace

    from headstart.data.labels.raters import Ratings

    plain = ImageDataset.from_arrays(np.zeros((3, 8, 8), dtype=np.uint8), ["low", "high", "middle"])
    soft = replace(plain, soft=shares, ratings=Ratings(np.array([[0, 1], [2, -1], [1, 1]]), ("a", "b")))
    ordered = soft.with_order("low,middle,high")
    for place, name in enumerate(ordered.classes):
        before = soft.classes.index(name)
        assert np.array_equal(ordered.soft[:, place], shares[:, before])
        assert np.array_equal(ordered.ratings.codes == place, soft.ratings.codes == before)
