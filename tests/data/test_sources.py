"""Sources of pixels: what one has to write, what it gets, and what is refused."""

from __future__ import annotations

import pickle
from pathlib import Path

import helpers
import numpy as np
import pytest
import windows

from headstart.data import ImageDataset, ImageResize, audit_dataset
from headstart.data.images.arrays import ArrayImage
from headstart.data.images.files import FilePixels
from headstart.data.images.source import GroupProposal, ImageSource
from headstart.errors import DataError, ImageError


def test_windows_are_the_pictures_that_the_same_pixels_are_as_an_array() -> None:
    images = helpers.noise(48)
    arrays, cut = ImageDataset.from_arrays(images), windows.trace_dataset()
    for row in (0, 17, 47):
        assert np.array_equal(np.asarray(cut.load(row)), images[row])
        assert cut.content_hash(row) == arrays.content_hash(row)
    facts = audit_dataset(cut)
    assert (facts.formats, facts.widths, facts.heights) == ({"array": 48}, (24, 24, 24), (20, 20, 20))


def test_subsets_of_a_source_keep_their_rows_through_several_choices_and_pickling() -> None:
    cut = windows.trace_dataset()
    part = cut.subset([40, 3, 9]).subset([2, 0])
    again = pickle.loads(pickle.dumps(part))
    assert part.names == ("window 216", "window 960")
    for row, whole in enumerate((9, 40)):
        assert np.array_equal(np.asarray(again.load(row)), np.asarray(cut.load(whole)))


def test_groups_that_a_source_proposes_are_taken_where_the_user_names_none_and_reported() -> None:
    cut = windows.trace_dataset(n_recordings=6)
    assert cut.groups is not None and cut.groups.tolist() == [row // 8 for row in range(48)]
    assert cut.group_names[0] == "recording 0"
    (note,) = cut.notes
    assert "grouped by recording, as their source proposes: 6 groups" in note
    assert note in audit_dataset(cut).to_json()["notes"]

    named = windows.trace_dataset(groups=[f"site {row % 4}" for row in range(48)])
    assert named.notes == () and named.group_names == ("site 0", "site 1", "site 2", "site 3")


def test_files_and_arrays_propose_no_groups(folders: Path) -> None:
    assert ImageDataset.from_folder(folders).groups is None
    assert ImageDataset.from_arrays(helpers.noise(4)).groups is None


class Odd(ImageSource):
    def open(self, row: int, name: str) -> ArrayImage:
        if row == 1:
            raise ImageError(name, "the recording ends before this window does")
        return ArrayImage(name, np.full((8, 8), row, dtype=np.uint8))

    def proposed_groups(self) -> GroupProposal:
        return GroupProposal(["a", "b"], "recording")


def test_a_window_that_cannot_be_opened_is_a_finding_with_its_reason() -> None:
    facts = audit_dataset(ImageDataset.from_source(Odd(), ["w0", "w1"]))
    assert facts.unreadable == ((1, "w1", "the recording ends before this window does"),)


def test_what_does_not_fit_together_is_refused() -> None:
    with pytest.raises(DataError, match=r"proposes 2 groups, by recording, for 3 images; expected one for each"):
        ImageDataset.from_source(Odd(), ["w0", "w1", "w2"])
    with pytest.raises(DataError, match=r"listed more than once: w0"):
        ImageDataset.from_source(Odd(), ["w0", "w0"])
    with pytest.raises(DataError, match=r"image name 'w\\n0' \(row 0"):
        ImageDataset.from_source(Odd(), ["w\n0", "w1"])
    with pytest.raises(DataError, match=r"labels have shape \(3,\); expected one for each of 2 images"):
        ImageDataset.from_source(Odd(), ["w0", "w1"], ["a", "b", "a"])
    with pytest.raises(TypeError, match="open"):
        type("Closed", (ImageSource,), {})()


def test_other_pixels_the_second_time_are_found_by_their_hash() -> None:
    from headstart.features.pipeline import read_prepared

    source = windows.trace_dataset()
    known = source.with_hashes([source.content_hash(row) for row in range(48)])
    preparation = ImageResize((16, 16))
    read_prepared(known, 5, preparation)
    known.pixels.trace[:, 5 * windows.WIDTH] += 1
    with pytest.raises(ImageError, match=r"window 120: its pixels are not those that were read at first"):
        read_prepared(known, 5, preparation)
    read_prepared(known, 6, preparation)


def test_files_are_found_again_by_their_location(folders: Path, tmp_path: Path) -> None:
    source = FilePixels(folders, confined=True)
    assert FilePixels.at(source.location()) == source
    assert FilePixels.at(None) is None and FilePixels.at({"path": "x"}) is None
    with pytest.raises(DataError, match=r"gone, where the images lay, is gone"):
        FilePixels.at({"root": str(tmp_path / "gone"), "confined": True})
