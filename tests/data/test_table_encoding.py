"""Table columns as numbers: fitted on training rows alone, gaps and unseen categories handled."""

from __future__ import annotations

import json

import numpy as np
import pytest

from headstart.data.table.column import TableColumn
from headstart.data.table.encoding import TableEncoding
from headstart.errors import DataError, InputError

AGE = TableColumn.of("age", [1.0, 3.0, None, 8.0, 100.0])
SITE = TableColumn.of("site", ["arm", "back", "arm", "", "leg"])
TRAIN = np.array([0, 1, 2, 3])


def test_numbers_by_hand() -> None:
    encoding = TableEncoding.fit([AGE], TRAIN)
    assert encoding.outputs == ("age", "age missing")
    filled = np.array([1, 3, 3, 8])  # the median of 1, 3 and 8 where one is missing
    expected = (np.array([1, 3, 3, 8, 100]) - filled.mean()) / filled.std()
    found = encoding.apply([AGE])
    assert np.allclose(found[:, 0], expected)
    assert found[:, 1].tolist() == [0, 0, 1, 0, 0]
    assert found.dtype == np.float32


def test_categories_by_hand() -> None:
    encoding = TableEncoding.fit([SITE], TRAIN)
    assert encoding.outputs == ("site = arm", "site = back", "site missing")
    assert encoding.apply([SITE]).tolist() == [[1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 0, 1], [0, 0, 0]]
    assert encoding.notes([SITE]) == [
        "1 of 5 images has a value of 'site' that no training image had ('leg'); there the column says nothing."
    ]


def test_rows_left_out_change_nothing() -> None:
    """Poison: whatever stands in a test row, the encoding is the same to the last bit."""
    ages, sites = [1.0, 3.0, None, 8.0, 1e30], ["arm", "back", "arm", "", "x"]
    poisoned = [TableColumn.of("age", ages), TableColumn.of("site", sites)]
    clean = TableEncoding.fit([AGE, SITE], TRAIN)
    assert TableEncoding.fit(poisoned, TRAIN) == clean
    assert np.array_equal(clean.apply(poisoned)[TRAIN], clean.apply([AGE, SITE])[TRAIN])


def test_gaps_that_training_did_not_have_are_filled_without_a_flag() -> None:
    encoding = TableEncoding.fit([AGE, SITE], np.array([0, 1]))
    assert encoding.outputs == ("age", "site = arm", "site = back")
    found = encoding.apply([AGE, SITE])
    assert found[2, 0] == 0.0  # the median of 1 and 3 is their mean
    assert found[3, 1:].tolist() == [0, 0]


def test_columns_that_say_nothing_are_zero() -> None:
    empty = TableEncoding.fit([AGE], np.array([2]))
    assert empty.apply([AGE]).tolist() == [[0.0]] * 5
    gone = TableColumn.of("site", [None] * 5, kind="category")
    assert TableEncoding.fit([gone], TRAIN).apply([gone]).tolist() == [[1.0]] * 5
    assert TableEncoding.fit([SITE], TRAIN).apply([gone]).tolist() == [[0, 0, 1]] * 5
    constant = TableEncoding.fit([TableColumn.of("age", [5.0, 5.0])], np.array([0, 1]))
    assert constant.apply([AGE])[:, 0].tolist() == [0.0] * 5


def test_it_is_stored_as_plain_json() -> None:
    encoding = TableEncoding.fit([AGE, SITE], TRAIN)
    stored = json.loads(json.dumps(encoding.to_json()))
    assert TableEncoding.from_json(stored) == encoding
    with pytest.raises(ValueError, match="format 2"):
        TableEncoding.from_json({**stored, "format": 2})
    stored["columns"][0]["mean"] = float("nan")
    with pytest.raises(ValueError, match="'age' is damaged"):
        TableEncoding.from_json(stored)


def test_columns_of_new_data_are_found_by_name_and_brought_to_their_kind() -> None:
    stage = TableColumn.of("stage", ["1", "2", "1", "2", "1"], kind="category")
    encoding = TableEncoding.fit([AGE, stage], TRAIN)
    as_numbers = TableColumn.of("stage", [2, 1])
    found = encoding.apply([as_numbers, TableColumn.of("more", [1, 2]), TableColumn.of("age", [3, None])])
    assert found[:, 2:].tolist() == [[0, 1], [1, 0]]
    with pytest.raises(InputError, match=r"have no 'stage'\. Give a table of the images with the columns age, stage"):
        encoding.apply([AGE])
    with pytest.raises(DataError, match=r"'age' must hold finite numbers.*row 1 has 'old'"):
        encoding.apply([TableColumn.of("age", ["3", "old"]), as_numbers])
