"""`headstart cells` goes from a simulated assay to label images, crops and a run."""

from __future__ import annotations

import csv
import json

import helpers
import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from PIL import Image

import headstart
from headstart.cells.crops.recipe import CELLS_FILE
from headstart.cells.simulation.assay import SimulatedAssay
from headstart.cli.main import main
from headstart.errors import InputError
from headstart.workflow.cells import fit_cells, read_cells
from headstart.workflow.options.cells import CellCropOptions

N_MICROGRAPHS = 12


@pytest.fixture(scope="module")
def assay(tmp_path_factory):
    """A simulated assay of small fields; read only."""
    folder = tmp_path_factory.mktemp("cells") / "assay"
    given = [
        "-o",
        str(folder),
        "--micrographs",
        str(N_MICROGRAPHS),
        "--side",
        "96",
        "--cells",
        "5",
        "--seed",
        "1",
        "-q",
    ]
    done = CliRunner().invoke(main, ["cells", "simulate", *given])
    assert done.exit_code == 0, done.output
    assert f"simulated cells in {N_MICROGRAPHS} micrographs" in done.output
    return folder


@pytest.fixture(scope="module")
def cells_run(assay, tmp_path_factory):
    """A finished fit of its cells; read only."""
    options = CellCropOptions(masks=str(assay / "masks"), classes=str(assay / "cells.csv"))
    with helpers.empty_figures():
        return fit_cells(
            assay / "micrographs", tmp_path_factory.mktemp("run") / "run", options, helpers.cheap_options()
        )


def rows_of(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def invoke(*given):
    return CliRunner().invoke(main, ["cells", *map(str, given)])


def test_segment_writes_label_images_table_and_preview(assay, tmp_path):
    done = invoke("segment", assay / "micrographs", "-o", tmp_path / "found", "--diameter", "13", "-q")
    assert done.exit_code == 0, done.output
    labels = tifffile.imread(tmp_path / "found" / "labels" / "assay_C02_f1_labels.tif")
    rows = rows_of(tmp_path / "found" / "cells.csv")
    mine = [row for row in rows if row["image"] == "assay_C02_f1.tif"]
    assert [int(row["cell"]) for row in mine] == list(range(1, labels.max() + 1))
    assert {row["well"] for row in mine} == {"C02"}
    assert float(mine[0]["area"]) == pytest.approx(np.count_nonzero(labels == 1) * 0.65**2, rel=1e-4)
    assert (tmp_path / "found" / "preview.png").read_bytes()[:4] == b"\x89PNG"
    again = invoke("segment", assay / "micrographs", "-o", tmp_path / "found", "-q")
    assert again.exit_code == 2
    assert "not empty" in again.output


def test_the_number_of_threads_changes_nothing(assay, tmp_path):
    for n_threads in (1, 3):
        given = ["-o", tmp_path / str(n_threads), "--masks", assay / "masks", "--threads", n_threads, "-q"]
        assert invoke("segment", assay / "micrographs", *given).exit_code == 0
    assert (tmp_path / "1" / "cells.csv").read_bytes() == (tmp_path / "3" / "cells.csv").read_bytes()


def test_label_images_that_segment_wrote_are_masks_for_crop(assay, tmp_path):
    invoke("segment", assay / "micrographs", "-o", tmp_path / "found", "-q")
    given = [
        "--masks",
        tmp_path / "found" / "labels",
        "--classes",
        assay / "cells.csv",
        "--crop",
        "24",
        "--masked",
        "-q",
    ]
    done = invoke("crop", assay / "micrographs", "-o", tmp_path / "crops", *given)
    assert done.exit_code == 0, done.output
    dataset = headstart.ImageDataset.from_manifest(tmp_path / "crops" / "cells.csv", table_columns=["area", "mean_1"])
    assert dataset.classes == ("dead", "living")
    assert len(dataset.group_names) == N_MICROGRAPHS
    assert dataset.load(0).size == (24, 24)
    assert json.loads((tmp_path / "crops" / CELLS_FILE).read_text())["recipe"]["masked"] is True


def test_fit_is_the_one_fit_on_the_crops(assay, cells_run, tmp_path, no_figures):
    document = json.loads((cells_run.folder / CELLS_FILE).read_text())
    assert document["recipe"]["side_um"] / document["recipe"]["side"] == pytest.approx(0.65, rel=0.05)
    options = CellCropOptions(masks=str(assay / "masks"), classes=str(assay / "cells.csv"))
    data = read_cells(assay / "micrographs", options)
    plain = headstart.fit(data.dataset, tmp_path / "run", helpers.cheap_options())
    for name in ("predictions.csv", "split.json"):
        assert (cells_run.folder / name).read_bytes() == (plain.folder / name).read_bytes()
    rows = rows_of(cells_run.folder / "predictions.csv")
    folds, micrographs = [row["fold"] for row in rows], [row["image"].split("#")[0] for row in rows]
    assert len(set(zip(micrographs, folds, strict=True))) == len(set(micrographs)), "a micrograph stays in one fold"


def test_an_estimate_writes_nothing(assay, tmp_path):
    found = ("--masks", assay / "masks", "--classes", assay / "cells.csv")
    seen = ("--backbone", helpers.BACKBONE, "--weights", "random", "--input-size", "32", "--no-baselines")
    done = invoke("fit", assay / "micrographs", "-o", tmp_path / "run", *found, *seen, "--estimate", "--json")
    assert done.exit_code == 0, done.output
    plan = json.loads(done.stdout)
    assert plan["images"] == len(rows_of(assay / "cells.csv"))
    assert not (tmp_path / "run").exists()


def test_truth_is_found_again_from_masks_and_centroids(assay):
    options = CellCropOptions(masks=str(assay / "masks"), classes=str(assay / "cells.csv"), measured=False)
    data = read_cells(assay / "micrographs", options)
    assay_again = SimulatedAssay(N_MICROGRAPHS, 5, 96, 1)
    in_order = sorted(range(N_MICROGRAPHS), key=assay_again.name)
    truth = [("living", "dead")[int(dead)] for number in in_order for dead in assay_again.field(number).dead]
    assert data.dataset.label_names() == truth
    assert data.dataset.columns == ()


def test_classes_by_folder_and_by_a_dye(tmp_path):
    field = SimulatedAssay(1, 6, 96, 3).field(0)
    dye = np.where(field.labels % 2 == 1, 900, 100).astype(np.uint16)
    for name in ("living", "dead"):
        (tmp_path / "folders" / name).mkdir(parents=True)
        tifffile.imwrite(tmp_path / "folders" / name / "a.tif", field.image)
    tifffile.imwrite(
        tmp_path / "dyed.ome.tif",
        np.stack([field.image, dye]),
        ome=True,
        metadata={"axes": "CYX", "Channel": {"Name": ["dapi", "pi"]}},
    )
    folders = read_cells(tmp_path / "folders", CellCropOptions())
    assert set(folders.dataset.label_names()) == {"living", "dead"}
    dyed = read_cells(tmp_path / "dyed.ome.tif", CellCropOptions(dye="pi"))
    assert set(dyed.dataset.label_names()) == {"living", "dead"}
    assert any("not from an expert" in note for note in dyed.notes)
    assert any("it is learned" in note for note in dyed.notes)
    assert not any(column.name.endswith("_pi") for column in dyed.dataset.columns), "they would tell the class"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--classes", "none.csv"], "cannot be read as a table"),
        (["--classes", "a.csv", "--dye", "pi"], "classes and a dye both say"),
        (["--crop", "20", "--crop-um", "9"], "crop and crop_um both say"),
        (["--channel", "dapi"], "Unknown channel 'dapi'"),
        ([], "lies in no folder"),
        (["--dye", "1", "--dye-above", "1e9"], "All labelled cells are living"),
        (["--dye", "pi", "--dye-above", "3"], "Unknown channel 'pi'"),
        (["--masks", "nowhere"], "holds no label image"),
    ],
)
def test_what_cannot_be_used_is_refused_and_nothing_written(assay, tmp_path, monkeypatch, given, words):
    monkeypatch.chdir(tmp_path)
    done = invoke("fit", assay / "micrographs", "-o", tmp_path / "run", *given, "-q")
    assert done.exit_code == 2
    assert words in " ".join(done.output.split())
    assert list(tmp_path.iterdir()) == []


def test_a_picture_without_cells_is_answered_with_what_to_try(tmp_path):
    tifffile.imwrite(tmp_path / "flat.tif", np.full((32, 32), 7, dtype=np.uint8))
    done = invoke("segment", tmp_path / "flat.tif", "-o", tmp_path / "found", "-q")
    assert done.exit_code == 0, done.output
    assert "0 cells in 1 micrograph\n" in done.output
    assert "nothing stands out" in done.output
    assert "-o FOLDER --channel NAME or --diameter LENGTH" in done.output


def test_a_damaged_micrograph_leaves_nothing_behind(assay, tmp_path):
    micrographs = tmp_path / "micrographs"
    micrographs.mkdir()
    (micrographs / "a.tif").write_bytes((assay / "micrographs" / "assay_B02_f1.tif").read_bytes())
    (micrographs / "b.tif").write_bytes(b"II*\0")
    done = invoke("segment", micrographs, "-o", tmp_path / "found", "-q")
    assert done.exit_code == 2
    assert "b.tif: damaged" in done.output
    assert [path.name for path in tmp_path.iterdir()] == ["micrographs"]


def test_table_of_classes_for_other_micrographs_is_refused(assay, tmp_path):
    path = helpers.write_text(tmp_path / "cells.csv", "image,y,x,class\nother.tif,1,1,dead\n")
    with pytest.raises(InputError, match=r"names other.tif, none of the micrographs"):
        read_cells(assay / "micrographs", CellCropOptions(masks=str(assay / "masks"), classes=str(path)))


@pytest.mark.parametrize("verb", ["segment", "crop"])
def test_micrographs_whose_files_would_be_one_are_refused(assay, tmp_path, verb):
    pixels = tifffile.imread(assay / "micrographs" / "assay_B02_f1.tif")
    (tmp_path / "in").mkdir()
    for name in ("a.tif", "a.tiff"):
        tifffile.imwrite(tmp_path / "in" / name, pixels)
    done = invoke(verb, tmp_path / "in", "-o", tmp_path / "out", "-q")
    assert done.exit_code == 2
    assert "a.tif and a.tiff would both be written as" in " ".join(done.output.split())
    assert not (tmp_path / "out").exists()


def test_a_micrograph_is_not_its_own_label_image(assay):
    options = CellCropOptions(masks=str(assay / "micrographs"), classes=str(assay / "cells.csv"))
    with pytest.raises(InputError, match="holds no label image for"):
        read_cells(assay / "micrographs", options)


def test_the_preview_shows_the_channel_whose_cells_are_found(tmp_path):
    field = SimulatedAssay(1, 6, 96, 3).field(0)
    planes = np.stack([np.zeros_like(field.image), field.image])
    tifffile.imwrite(tmp_path / "a.ome.tif", planes, ome=True, metadata={"axes": "CYX"})
    done = invoke("segment", tmp_path / "a.ome.tif", "-o", tmp_path / "out", "--channel", "2", "-q")
    assert done.exit_code == 0, done.output
    with Image.open(tmp_path / "out" / "preview.png") as shown:
        pixels = np.asarray(shown)
    assert np.unique(pixels[..., 2]).size > 20, "the cells themselves, not outlines on black alone"


def test_crops_without_classes_ask_for_them_first(assay, tmp_path):
    one = assay / "micrographs" / "assay_B02_f1.tif"
    done = invoke("crop", one, "-o", tmp_path / "crops", "--masks", assay / "masks", "-q")
    assert done.exit_code == 0, done.output
    assert "with the class of every cell, then headstart fit" in " ".join(done.output.split())
