"""A damaged ``predictions.csv`` is refused with the file, the column and the line, for a report as for a comparison."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from headstart.data import make_split
from headstart.errors import RunError
from headstart.results.models.split import RunSplit
from headstart.results.prediction_table import PredictionTable, read_predictions

CLASSES = ("calm", "rough")
HEADER = "image,label,predicted,probability:calm,probability:rough,repeat,fold,weight"


@pytest.fixture(scope="module")
def split() -> RunSplit:
    """Eight images in two folds, drawn twice."""
    names = [f"{row}.png" for row in range(8)]
    made = make_split(np.arange(8) % 2, names=names, scheme="nested:2x2", repeats=2, seed=0)
    return RunSplit.model_validate(made.to_json())


@pytest.fixture
def rows(split: RunSplit) -> list[list[str]]:
    """Cells of a whole table, by line after the header."""
    return [
        [name, CLASSES[row % 2], "calm", "0.75", "0.25", str(repeat), str(split.outer[repeat][row]), "1.5"]
        for repeat in range(split.repeats)
        for row, name in enumerate(split.images)
    ]


def read(folder: Path, rows: list[list[str]], split: RunSplit) -> PredictionTable:
    (folder / "predictions.csv").write_text("\n".join([HEADER, *map(",".join, rows)]) + "\n")
    return read_predictions(folder / "predictions.csv", CLASSES, split)


def test_a_whole_table_is_read(tmp_path: Path, rows: list[list[str]], split: RunSplit) -> None:
    found = read(tmp_path, rows, split)
    assert found.images == [*split.images, *split.images]
    assert_array_equal(found.labels, np.tile([0, 1], 8))
    assert_array_equal(found.predicted, np.zeros(16))
    assert_array_equal(found.probabilities, np.tile([0.75, 0.25], (16, 1)))
    assert_array_equal(found.repeat, np.repeat([0, 1], 8))
    assert_array_equal(found.fold, np.concatenate(split.outer))
    assert found.weights is not None and found.groups is None
    assert_array_equal(found.weights, np.full(16, 1.5))


def test_images_that_were_never_judged_need_no_row(tmp_path: Path, rows: list[list[str]], split: RunSplit) -> None:
    assert len(read(tmp_path, rows[3:], split).images) == 13


@pytest.mark.parametrize(
    ("column", "cell", "words"),
    [
        ("image", "", "holds nothing, which is none of the images in split.json"),
        ("image", "odd.png", "holds 'odd.png', which is none of the images in split.json"),
        ("image", "0.png", "holds '0.png', which an earlier line holds for the same repeat"),
        ("label", "odd", "holds 'odd', which is none of the classes in results.json"),
        ("predicted", "", "holds nothing, which is none of the classes in results.json"),
        ("probability:calm", "-5", "holds '-5', which is no probability from 0 to 1"),
        ("probability:rough", "7", "holds '7', which is no probability from 0 to 1"),
        ("probability:rough", "1e300", "holds '1e300', which is no probability from 0 to 1"),
        ("probability:rough", "odd", "holds 'odd', which is not a number"),
        ("probability:rough", "", "holds nothing, which is not a number"),
        ("probability:rough", "nan", "holds 'nan', which is not a finite number"),
        ("repeat", "-1", "holds '-1', but the repeats in split.json are 0 to 1"),
        ("repeat", "2", "holds '2', but the repeats in split.json are 0 to 1"),
        ("repeat", "1.5", "holds '1.5', which is not a number of a repeat"),
        ("fold", "-1", "holds '-1', which is not the fold that split.json tests this image in"),
        ("fold", "9", "holds '9', which is not the fold that split.json tests this image in"),
        ("fold", "", "holds nothing, which is not a number of a fold"),
        ("fold", "9" * 30, f"holds '{'9' * 30}', which is not a number of a fold"),
        ("weight", "-1", "holds '-1', but a weight is not negative"),
        ("weight", "inf", "holds 'inf', which is not a finite number"),
        ("weight", "heavy", "holds 'heavy', which is not a number"),
    ],
)
def test_a_damaged_cell_is_named(
    tmp_path: Path, rows: list[list[str]], split: RunSplit, column: str, cell: str, words: str
) -> None:
    row = next(row for row in range(1, 8) if split.outer[0][row] == split.outer[0][0])
    rows[row][HEADER.split(",").index(column)] = cell
    place = f"{tmp_path / 'predictions.csv'} cannot be used: column '{column}' on line {row + 2} {words}."
    with pytest.raises(RunError, match=re.escape(place)):
        read(tmp_path, rows, split)


def test_probabilities_that_do_not_sum_to_1_are_named(tmp_path: Path, rows: list[list[str]], split: RunSplit) -> None:
    rows[4][3] = "0.5"
    with pytest.raises(
        RunError, match=r"predictions.csv .* 'probability:calm' to 'probability:rough' on line 6 sum to"
    ):
        read(tmp_path, rows, split)


def test_a_fold_where_the_image_is_never_tested_is_refused(
    tmp_path: Path, rows: list[list[str]], split: RunSplit
) -> None:
    never = split.model_copy(update={"outer": ((-2,) * 8, split.outer[1])})
    rows[0][6] = "-2"
    with pytest.raises(RunError, match=r"column 'fold' on line 2 holds '-2'"):
        read(tmp_path, rows, never)
