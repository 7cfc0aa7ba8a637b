"""The simulated assay: exact, repeatable, and as hard as it says."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.cells.micrographs.plate import plate_position
from headstart.cells.micrographs.read import read_micrograph
from headstart.cells.simulation.assay import SimulatedAssay, oracle_classes
from headstart.cells.simulation.write import write_assay
from headstart.errors import InputError
from headstart.progress import Silent


def test_masks_and_classes_are_exact():
    field = SimulatedAssay(1, side=200, n_cells=14, seed=4).field(0)
    numbers = np.unique(field.labels)
    assert numbers.tolist() == list(range(len(field.dead) + 1))
    assert field.traits.shape == (len(field.dead), 4)
    background = np.median(field.image[field.labels == 0])
    assert all(np.median(field.image[field.labels == number]) > background + 50 for number in numbers[1:])


def test_the_same_field_again_whatever_was_drawn_before():
    assay = SimulatedAssay(4, side=96, seed=2)
    last = assay.field(3)
    np.testing.assert_array_equal(last.image, list(assay.fields())[3].image)
    assert not np.array_equal(last.image, SimulatedAssay(4, side=96, seed=3).field(3).image)


def test_dead_cells_are_brighter_and_more_at_higher_doses():
    fields = list(SimulatedAssay(24, side=128, n_cells=14, seed=1).fields())
    shares = [np.mean(np.concatenate([field.dead for field in fields[dose::6]])) for dose in (0, 5)]
    assert shares[0] < 0.25 < 0.6 < shares[1]
    dead = np.concatenate([field.dead for field in fields])
    traits = np.concatenate([field.traits for field in fields])
    assert traits[dead, 0].mean() - traits[~dead, 0].mean() == pytest.approx(2.75, abs=0.3)
    assert np.mean(oracle_classes(traits, dead.mean()) == dead) > 0.94


def test_files_of_an_assay(tmp_path):
    assay = SimulatedAssay(2, side=96, n_cells=5, seed=0)
    n_cells = write_assay(assay, tmp_path / "assay", Silent())
    names = sorted(path.relative_to(tmp_path / "assay").as_posix() for path in (tmp_path / "assay").rglob("*.*"))
    assert names == [
        "README.txt",
        "cells.csv",
        "masks/assay_B02_f1_mask.tif",
        "masks/assay_C02_f1_mask.tif",
        "micrographs/assay_B02_f1.tif",
        "micrographs/assay_C02_f1.tif",
        "wells.csv",
    ]
    found = read_micrograph(tmp_path / "assay" / "micrographs" / "assay_C02_f1.tif")
    np.testing.assert_array_equal(found.channel(), assay.field(1).image)
    assert found.pixel_um == pytest.approx(0.65)
    assert plate_position(found.name).well == "C02"
    assert len((tmp_path / "assay" / "cells.csv").read_text().splitlines()) == n_cells + 1
    write_assay(assay, tmp_path / "again", Silent())
    for name in names:
        assert (tmp_path / "assay" / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name
    with pytest.raises(InputError, match="not empty"):
        write_assay(assay, tmp_path / "assay", Silent())


@pytest.mark.parametrize("options", [{"n_micrographs": 0}, {"side": 10}, {"n_cells": 0}])
def test_impossible_assays_are_refused(options):
    with pytest.raises(InputError, match="needs a micrograph"):
        SimulatedAssay(**options)
