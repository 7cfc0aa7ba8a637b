"""`split.json`: written, read in any order, damaged, forged."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headstart.data import ImageDataset, Split, read_split, split_dataset, write_split
from headstart.errors import SplitError


def example() -> Split:
    dataset = ImageDataset.from_arrays(
        np.zeros((40, 2, 2), np.uint8), ["ill", "well"] * 20, names=[f"ä{row}.png" for row in range(40)]
    )
    return split_dataset(dataset, scheme="nested:3x2", repeats=2, seed=9)


def test_split_file_round_trip_in_any_order(tmp_path: Path) -> None:
    split = example()
    write_split(tmp_path / "split.json", split)
    lines = (tmp_path / "split.json").read_text(encoding="utf-8").splitlines()
    assert len(lines) < 40
    names = list(reversed(split.names))
    again = read_split(tmp_path / "split.json", names, labels=list(reversed(split.labels or ())))
    assert again.names == tuple(names)
    assert again.hash == split.hash
    assert np.array_equal(again.outer_codes[:, ::-1], split.outer_codes)
    assert np.array_equal(again.inner_codes[:, :, ::-1], split.inner_codes)
    assert Split.from_json(json.loads(json.dumps(split.to_json()))).hash == split.hash
    write_split(tmp_path / "again.json", again.reordered(np.arange(40)[::-1]))
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "split.json").read_bytes()


def test_split_file_that_does_not_fit_names_the_images(tmp_path: Path) -> None:
    split, path = example(), tmp_path / "split.json"
    write_split(path, split)
    with pytest.raises(SplitError, match=r"1 image is not in it \(new.png\) and 1 of its images .*\(ä0.png\)"):
        read_split(path, ["new.png", *split.names[1:]])
    with pytest.raises(SplitError, match=r"1 image has another label now: ä0.png \('ill', now 'well'\)"):
        read_split(path, split.names, labels=["well", *(split.labels or ())[1:]])
    folds = split.fold_of(0)
    parted = np.arange(40)
    parted[np.flatnonzero(folds == 0)[0]] = parted[np.flatnonzero(folds == 1)[0]] = 99
    with pytest.raises(SplitError, match="parts images that belong together"):
        read_split(path, split.names, groups=parted)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "format 2"),
        ({"outer": [[0]]}, "damaged"),
        ({"images": None}, "damaged"),
        ({"full_inner": [0] * 40}, "damaged|hash"),
        ({"hash": "0"}, "was changed after it was written"),
        ({"groups": [1]}, "damaged"),
    ],
)
def test_damaged_split_files_are_refused(change: dict[str, object], message: str, tmp_path: Path) -> None:
    path = tmp_path / "split.json"
    path.write_text(json.dumps({**example().to_json(), **change}), encoding="utf-8")
    with pytest.raises(SplitError, match=message):
        read_split(path, example().names)
    path.write_text("no json", encoding="utf-8")
    with pytest.raises(SplitError, match="is no JSON"):
        read_split(path, example().names)
    with pytest.raises(SplitError, match="cannot be read"):
        read_split(tmp_path / "missing.json", [])


def forged(outer: np.ndarray, inner: np.ndarray, full: np.ndarray) -> dict[str, object]:
    """A split file with other folds, whose hash fits them."""
    return replace(example(), outer_codes=outer, inner_codes=inner, full_codes=full).to_json()


def test_forged_folds_that_leak_or_are_empty_are_refused() -> None:
    split = example()
    outer, inner, full = split.outer_codes, split.inner_codes, split.full_codes
    assert Split.from_json(forged(outer, inner, full)).hash == split.hash
    tested, trained = np.flatnonzero(outer[1] == 2)[0], np.flatnonzero(outer[1] != 2)[0]

    def changed(codes: np.ndarray, where: Any, value: Any) -> np.ndarray:
        copy = codes.copy()
        copy[where] = value
        return copy

    one_part = np.where(inner[0, 1] == 0, -2, inner[0, 1])  # inner fold 0 of outer fold 1 is empty
    all_choose = np.where(inner[0, 1] == -2, 0, np.minimum(inner[0, 1], 0))  # inner fold 0 holds all of them
    cases = [
        ((outer, changed(inner, (1, 2, tested), 0), full), "test images of outer fold 2 of repeat 1 train or choose"),
        ((outer, changed(inner, (1, 2, tested), -2), full), "test images of outer fold 2 of repeat 1 train or choose"),
        ((outer, changed(inner, (1, 2, trained), -1), full), "training images of it do neither"),
        ((changed(outer, (1, tested), 0), inner, full), "outer fold 0 of repeat 1 train or choose"),
        ((changed(outer, (0, 0), -1), inner, full), "a code is none"),
        ((outer, inner, changed(full, 0, -1)), "a code is none"),
        ((outer, inner, changed(full, 0, -3)), "a code is none"),
        ((changed(outer, (0, slice(None)), 0), inner, full), "outer folds of repeat 0 are not 3 folds"),
        ((changed(outer, (0, outer[0] == 1), -2), inner, full), "outer folds of repeat 0 are not 3 folds"),
        ((changed(outer, (0, 0), 3), inner, full), "outer folds of repeat 0 are not 3 folds"),
        ((outer, changed(inner, (0, 1), one_part), full), "inner folds of outer fold 1 of repeat 0 are not 2 folds"),
        ((outer, changed(inner, (0, 1), all_choose), full), "inner folds of outer fold 1 of repeat 0 are not 2 folds"),
        ((outer, inner, np.zeros_like(full)), "inner folds over all images are not 1 folds"),
        ((outer, inner, np.full_like(full, -2)), "inner folds over all images are not"),
    ]
    for codes, message in cases:
        with pytest.raises(SplitError, match=f"damaged: .*{message}"):
            Split.from_json(forged(*codes))


@pytest.mark.parametrize("content", [[], "split", None, 3])
def test_json_that_is_no_object_is_no_split(content: object) -> None:
    with pytest.raises(SplitError, match="is no JSON object"):
        Split.from_json(content)  # type: ignore[arg-type]
