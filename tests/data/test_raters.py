"""Labels of several raters: votes, ties, gaps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import helpers
import pytest
from label_tables import (
    VOTES,
    long_rows,
    table,
    wide_rows,
)

from headstart.data import ImageDataset, read_dataset
from headstart.errors import DataError


@pytest.mark.parametrize("form", ["wide", "long", "arrays"])
def test_raters_vote_and_ties_are_soft(form: str, tmp_path: Path) -> None:
    if form == "wide":
        dataset = read_dataset(table(tmp_path, wide_rows(tmp_path)), columns={"raters": "anna, ben,carl"})
    elif form == "long":
        dataset = read_dataset(table(tmp_path, long_rows(tmp_path)))
    else:
        cells = [[None if cell in ("", "NA") else cell for cell in row] for row in VOTES]
        dataset = ImageDataset.from_arrays(helpers.noise(5), ratings=cells)
    assert dataset.classes == ("calm", "rough") and dataset.ratings is not None and dataset.soft is not None
    assert dataset.ratings.codes.tolist() == [[0, 0, -1], [1, 1, 0], [0, -1, 1], [-1, 1, -1], [1, 1, 1]]
    assert dataset.label_names() == ["calm", "rough", "calm", "rough", "rough"]
    assert dataset.soft.tolist() == [[1, 0], [0, 1], [0.5, 0.5], [0, 1], [0, 1]]
    assert dataset.ratings.disagreement(2) == pytest.approx([0, 1 / 3, 0.5, 0, 0])
    said = " ".join(dataset.notes)
    assert "4 of 15 ratings are missing" in said and "1 of 5 images was rated once" in said
    assert "The votes on 1 of 5 images are tied" in said
    assert dataset.subset([2]).ratings.codes.tolist() == [[0, -1, 1]]  # type: ignore[union-attr]


def test_shares_of_the_votes_can_be_the_soft_labels(tmp_path: Path) -> None:
    dataset = read_dataset(table(tmp_path, long_rows(tmp_path)), votes="shares")
    assert dataset.soft is not None
    assert dataset.soft[1] == pytest.approx([1 / 3, 2 / 3])
    with pytest.raises(DataError, match=r"Unknown way of counting votes 'share'. Did you mean 'shares'"):
        read_dataset(table(tmp_path, long_rows(tmp_path)), votes="share")


def test_a_label_column_beside_raters_is_the_label(tmp_path: Path) -> None:
    rows = [{**row, "label": "calm" if number else "rough"} for number, row in enumerate(wide_rows(tmp_path))]
    dataset = read_dataset(table(tmp_path, rows), columns={"raters": "anna,ben,carl"})
    assert dataset.label_names() == ["rough", "calm", "calm", "calm", "calm"] and dataset.soft is None
    assert dataset.ratings is not None and "tell how far they agree" in " ".join(dataset.notes)
    given = read_dataset(table(tmp_path, rows), columns={"raters": "anna,ben,carl"}, classes=("rough", "calm"))
    assert given.ratings is not None and given.ratings.codes[1].tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"anna": "", "ben": "n/a", "carl": ""}, "1 image has no label of any rater: calm/002.png. Have them rated"),
        ({"anna": "rouhg"}, "Unknown class 'rouhg'. Did you mean 'rough'"),
        ({"anna": "ro\nugh"}, "column 'anna' holds control characters"),
    ],
)
def test_bad_ratings_are_refused_by_file(change: dict[str, Any], words: str, tmp_path: Path) -> None:
    rows = wide_rows(tmp_path)
    rows[2] |= change
    with pytest.raises(DataError, match=words) as caught:
        read_dataset(table(tmp_path, rows), columns={"raters": "anna,ben,carl"}, classes=helpers.CLASSES)
    assert str(tmp_path / "labels.csv") in str(caught.value)


def test_bad_tables_of_raters_are_refused(tmp_path: Path) -> None:
    rows = long_rows(tmp_path)
    twice = [*rows, {"image": rows[0]["image"], "rater": "anna", "label": "rough"}]
    with pytest.raises(DataError, match=r"raters give one image more than one label.*'anna' on calm/000.png"):
        read_dataset(table(tmp_path, twice))
    assert (
        read_dataset(table(tmp_path, [*rows, rows[0]])).fingerprint()
        == read_dataset(table(tmp_path, rows)).fingerprint()
    )
    with pytest.raises(DataError, match=r"the rater .column 'rater'. is missing .* in 1 row,"):
        read_dataset(table(tmp_path, [*rows[:-1], rows[-1] | {"rater": ""}]))
    with pytest.raises(DataError, match=r"Unknown column 'bne'. Did you mean 'ben'"):
        read_dataset(table(tmp_path, wide_rows(tmp_path)), columns={"raters": "anna,bne"})
    with pytest.raises(DataError, match=r"not all different"):
        read_dataset(table(tmp_path, wide_rows(tmp_path)), columns={"raters": "anna,anna"})
    with pytest.raises(DataError, match=r"no rater gave any label"):
        read_dataset(table(tmp_path, [row | {"label": ""} for row in rows]))
    with pytest.raises(DataError, match=r"names raters .* but has no column of their labels"):
        read_dataset(table(tmp_path, rows), columns={"label": None})  # type: ignore[dict-item]


def test_a_misspelled_vote_is_pointed_at_when_training_is_refused(tmp_path: Path) -> None:
    rows = wide_rows(tmp_path)
    rows[4]["carl"] = "rouhg"
    dataset = read_dataset(table(tmp_path, rows), columns={"raters": "anna,ben,carl"})
    with pytest.raises(DataError, match=r"Class 'rouhg' has no image.*Raters' votes for it: 'carl' 1; is it miss"):
        dataset.validate_for_training()
