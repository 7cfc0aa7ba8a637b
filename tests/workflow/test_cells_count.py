from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import helpers
import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from PIL import Image

from headstart import count_cells, fit, load_model
from headstart.cells.crops.classes import classes_of_labels
from headstart.cells.crops.dataset import crop_dataset
from headstart.cells.crops.recipe import plan_crops
from headstart.cells.exports.imagej import label_image_of_rois
from headstart.cells.micrographs.segmented import CellFinding, read_and_find
from headstart.cells.simulation.assay import SimulatedAssay
from headstart.cli import main
from headstart.errors import HeadstartError, InputError, RunError
from headstart.results.models.cells_count import CellsCountResults
from headstart.storage import write_json
from headstart.workflow.cells_count import called
from headstart.workflow.cells_count.count import CellsOfRun
from headstart.workflow.cells_count.folder import write_cells_count
from headstart.workflow.options.cells_count import CellsCountOptions

ASSAY = SimulatedAssay(n_micrographs=12, n_cells=9, side=128, seed=3)


@pytest.fixture(scope="module")
def assay(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Micrographs and masks of twelve fields in twelve wells, two fields a well once renamed; read only."""
    root = tmp_path_factory.mktemp("assay")
    for number in range(ASSAY.n_micrographs):
        made = ASSAY.field(number)
        name = f"plate1/{'BCDEFG'[number % 6]}02_f{1 + number // 6}"
        for folder, pixels in (("micrographs", made.image), ("masks", made.labels.astype(np.uint16))):
            path = root / folder / f"{name}{'_mask' if folder == 'masks' else ''}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(path, pixels)
    wells = [{"well": f"{row}02", "dose_um": dose} for row, dose in zip("BCDEFG", (0, 0.3, 1, 3, 10, 30), strict=True)]
    helpers.write_table(root / "wells.csv", wells)
    return root


@pytest.fixture(scope="module")
def cells_run(assay: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run fitted on the cells of the assay; read only."""
    finding, found, classes = CellFinding(), [], []
    for number in range(ASSAY.n_micrographs):
        name = f"plate1/{'BCDEFG'[number % 6]}02_f{1 + number // 6}.tif"
        one = read_and_find(name, assay / "micrographs" / name, finding, assay / "masks")
        made = ASSAY.field(number)
        codes = np.where(made.labels > 0, 1 + np.concatenate([[0], made.dead])[made.labels], 0)
        found.append(one)
        classes.append(classes_of_labels(one, codes, ("living", "dead"), name))
    recipe = plan_crops(found, side=24)
    run = tmp_path_factory.mktemp("runs") / "cells"
    with helpers.no_figures():
        fit(crop_dataset(found, recipe, classes, measured=False), run, helpers.cheap_options())
    document = {"finding": finding.to_json(), "recipe": recipe.to_json(), "pattern": None}
    write_json(run / "cells.json", document)
    return run


@pytest.fixture(scope="module")
def counted(cells_run: Path, assay: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, CellsCountResults]:
    """A count of the assay with everything that can be asked for; read only."""
    folder = tmp_path_factory.mktemp("counts") / "first"
    options = CellsCountOptions(
        masks=str(assay / "masks"), plate_table=str(assay / "wells.csv"), outlines="qupath,imagej"
    )
    return folder, write_cells_count(cells_run, assay / "micrographs", folder, options)


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def test_everything_that_was_promised_is_there(counted: tuple[Path, CellsCountResults]) -> None:
    folder, results = counted
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    one = "plate1/B02_f1.tif"
    single = {f"overlays/{one}.png", f"outlines/{one}.geojson", f"outlines/{one}.zip"}
    tables = {"images.csv", "wells.csv", "cells.csv", "count.json", "count.html"}
    assert names >= single | tables | {"figures/dose.svg", "figures/agreement.png"}
    assert len(names) == 12 * 3 + 5 + 4
    assert CellsCountResults.read(folder / "count.json") == results


def test_the_counts_are_those_of_the_predictions(
    counted: tuple[Path, CellsCountResults], cells_run: Path, assay: Path
) -> None:
    folder, results = counted
    name = "plate1/E02_f2.tif"
    one = read_and_find(name, assay / "micrographs" / name, CellFinding(), assay / "masks")
    how = CellsOfRun.read(cells_run)
    expected = load_model(cells_run).predict(crop_dataset([one], how.recipe, measured=False))
    cells = [row for row in rows_of(folder / "cells.csv") if row["Metadata_FileName"] == name]
    assert [row["Classify_dead"] for row in cells] == [str(int(label == "dead")) for label in expected]
    assert [row["ObjectNumber"] for row in cells] == [str(number + 1) for number in range(len(expected))]
    [image] = [row for row in rows_of(folder / "images.csv") if row["image"] == name]
    assert (int(image["n_cells"]), int(image["n_counted"])) == (len(expected), int((expected == "dead").sum()))
    assert (image["plate"], image["well"], image["field"], image["dose_um"]) == ("plate1", "E02", "2", "3")
    assert results.n_cells == len(rows_of(folder / "cells.csv"))


def test_wells_have_both_shares_with_their_intervals(counted: tuple[Path, CellsCountResults]) -> None:
    folder, results = counted
    wells = rows_of(folder / "wells.csv")
    assert [(row["well"], row["n_fields"], row["dose_um"]) for row in wells][:2] == [
        ("B02", "2", "0"),
        ("C02", "2", "0.3"),
    ]
    for row in wells:
        assert 0 <= float(row["percent_low"]) <= float(row["percent"]) <= float(row["percent_high"]) <= 100
    assert results.likeness_freedom == 6
    assert results.known is not None
    assert len(results.known.truth) == 12
    assert results.known.sensitivity.n == sum(results.known.sizes) - results.known.specificity.n


def test_outlines_give_the_label_image_back(counted: tuple[Path, CellsCountResults], assay: Path) -> None:
    folder, _ = counted
    labels = tifffile.imread(assay / "masks" / "plate1" / "B02_f1_mask.tif")
    content = (folder / "outlines" / "plate1" / "B02_f1.tif.zip").read_bytes()
    found = label_image_of_rois(content, labels.shape)
    assert ((found > 0) == (labels > 0)).all()
    assert len(np.unique(found)) == len(np.unique(labels))
    collection = json.loads((folder / "outlines" / "plate1" / "B02_f1.tif.geojson").read_text())
    assert len(collection["features"]) == len(np.unique(labels)) - 1


def test_the_overlay_has_frames_in_both_colours(counted: tuple[Path, CellsCountResults]) -> None:
    folder, results = counted
    one = next(image for image in results.images if 0 < image.n_counted < image.n_cells)
    pixels = np.asarray(Image.open(folder / "overlays" / f"{one.image}.png")).reshape(-1, 3)
    for colour in ((70, 130, 255), (255, 50, 50)):
        assert (pixels == colour).all(axis=1).sum() > 50


def test_the_same_again_gives_the_same_bytes_and_arrays_the_same_counts(
    counted: tuple[Path, CellsCountResults],
    cells_run: Path,
    assay: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, results = counted
    options = CellsCountOptions(
        masks=str(assay / "masks"), plate_table=str(assay / "wells.csv"), outlines="qupath,imagej"
    )
    write_cells_count(cells_run / "model", assay / "micrographs", tmp_path / "again", options)
    assert helpers.tree(folder) == helpers.tree(tmp_path / "again")
    images = {
        path.relative_to(assay / "micrographs").as_posix(): tifffile.imread(path)
        for path in sorted((assay / "micrographs").rglob("*.tif"))
    }
    labels = {name: tifffile.imread(assay / "masks" / name.replace(".tif", "_mask.tif")) for name in images}
    monkeypatch.setattr(called, "PIXELS_AT_ONCE", 1)  # one micrograph after another
    found = count_cells(cells_run, images, labels=labels)
    assert [row["n_counted"] for row in found.images] == [one.n_counted for one in results.images]
    assert [row["corrected_percent"] for row in found.wells] == [
        None if one.corrected is None else 100 * one.corrected.value for one in results.wells
    ]
    assert len(found.cells) == results.n_cells
    first = found.micrographs[0]
    assert set(np.unique(first.class_image("dead"))) <= {0, 1, 2}
    assert ((first.class_image("dead") > 0) == (first.labels > 0)).all()
    with pytest.raises(InputError, match="no label image for"):
        count_cells(cells_run, images, labels={})


def test_the_command_prints_the_wells_and_what_it_wrote(cells_run: Path, assay: Path, tmp_path: Path) -> None:
    given = [str(cells_run), str(assay / "micrographs"), "-o", str(tmp_path / "count"), "--quiet", "--outlines", "none"]
    masks = ["--masks", str(assay / "masks"), "--palette", "colour-blind", "--plate-table", str(assay / "wells.csv")]
    done = CliRunner().invoke(main, ["cells", "count", *given, *masks])
    assert done.exit_code == 0, done.output
    assert "plate1 B02" in done.output
    assert "were called dead" in done.output
    assert done.output.rstrip().endswith("count.html")
    assert not (tmp_path / "count" / "outlines").exists()
    again = CliRunner().invoke(main, ["cells", "count", *given])
    assert again.exit_code == 2
    assert "name a new folder" in again.output


def test_a_model_alone_corrects_nothing_and_says_so(cells_run: Path, assay: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    shutil.copytree(cells_run / "model", alone / "model")
    shutil.copy(cells_run / "cells.json", alone / "cells.json")
    one = assay / "micrographs" / "plate1" / "B02_f1.tif"
    results = write_cells_count(alone, one, tmp_path / "count")
    assert results.known is None
    assert results.wells[0].corrected is None
    assert any("give the run" in note for note in results.notes)
    assert not (tmp_path / "count" / "figures").exists()


def test_a_picture_without_cells_is_a_row_of_gaps(cells_run: Path, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    tifffile.imwrite(tmp_path / "images" / "B02_f1.tif", np.full((96, 96), 700, dtype=np.uint16))
    results = write_cells_count(cells_run, tmp_path / "images", tmp_path / "count")
    assert results.n_cells == 0
    [row] = rows_of(tmp_path / "count" / "images.csv")
    assert (row["n_cells"], row["percent"], row["corrected_percent"]) == ("0", "", "")
    assert any("no cells" in note for note in results.notes)
    [header] = (tmp_path / "count" / "cells.csv").read_text(encoding="utf-8").splitlines()
    assert header.startswith("ImageNumber,ObjectNumber,") and "Classify_Probability_dead" in header
    assert (tmp_path / "count" / "overlays" / "B02_f1.tif.png").is_file()


def spoiled(cells_run: Path, tmp_path: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    run = tmp_path / "spoiled"
    shutil.copytree(cells_run, run)
    document = json.loads((run / "cells.json").read_text())
    change(document)
    write_json(run / "cells.json", document)
    return run


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"dead": "killed"}, r"no class 'killed'; it knows 'dead', 'living'"),
        ({"masks": "MASKS"}, "96 x 96 pixels for a micrograph of 128 x 128"),
        ({"pattern": "("}, "no regular expression"),
    ],
)
def test_what_cannot_be_counted_is_refused_and_nothing_is_written(
    cells_run: Path, assay: Path, tmp_path: Path, options: dict[str, str], words: str
) -> None:
    masks = tmp_path / "masks" / "B02_f1_mask.tif"
    masks.parent.mkdir()
    tifffile.imwrite(masks, np.ones((96, 96), dtype=np.uint8))
    given = {name: str(masks.parent) if value == "MASKS" else value for name, value in options.items()}
    one = assay / "micrographs" / "plate1" / "B02_f1.tif"
    with pytest.raises(InputError, match=words):
        write_cells_count(cells_run, one, tmp_path / "out" / "count", CellsCountOptions(**given))
    assert not list(tmp_path.glob("out/*"))


def test_a_missing_channel_and_a_missing_pixel_size_are_told(cells_run: Path, assay: Path, tmp_path: Path) -> None:
    one = assay / "micrographs" / "plate1" / "B02_f1.tif"
    run = spoiled(cells_run, tmp_path, lambda document: document["recipe"].update(channels=["gfp"]))
    with pytest.raises(InputError, match="'gfp'"):
        write_cells_count(run, one, tmp_path / "count")
    shutil.rmtree(run)
    run = spoiled(cells_run, tmp_path, lambda document: document["recipe"].update(side_um=20.0))
    with pytest.raises(InputError, match="--pixel-um"):
        write_cells_count(run, one, tmp_path / "count")
    assert not (tmp_path / "count").exists()
    assert write_cells_count(run, one, tmp_path / "count", CellsCountOptions(pixel_um=0.65)).n_cells


def test_a_model_of_other_images_is_no_model_of_cells(run: Any, assay: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"knows 'calm', 'rough'; name one with --dead"):
        write_cells_count(run.folder, assay / "micrographs", tmp_path / "count")
    with pytest.raises(InputError, match=r"no cells.json beside it\. Give a run of `headstart cells fit`"):
        write_cells_count(run.folder, assay / "micrographs", tmp_path / "count", CellsCountOptions(dead="rough"))


def test_damaged_and_strange_runs_are_refused(cells_run: Path, run: Any, assay: Path, tmp_path: Path) -> None:
    broken = spoiled(cells_run, tmp_path, lambda document: document.pop("recipe"))
    with pytest.raises(RunError, match=r"cells\.json is damaged"):
        write_cells_count(broken, assay / "micrographs", tmp_path / "count")
    mixed = tmp_path / "mixed"
    shutil.copytree(run.folder, mixed)
    shutil.rmtree(mixed / "model")
    shutil.copytree(cells_run / "model", mixed / "model")
    shutil.copy(cells_run / "cells.json", mixed / "cells.json")
    with pytest.raises(InputError, match="another run than the model"):
        write_cells_count(mixed, assay / "micrographs", tmp_path / "count")


def test_an_unreadable_micrograph_stops_or_is_left_out(cells_run: Path, assay: Path, tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    shutil.copy(assay / "micrographs" / "plate1" / "B02_f1.tif", images)
    (images / "C02_f1.tif").write_bytes(b"no picture")
    with pytest.raises(HeadstartError, match=r"C02_f1\.tif"):
        write_cells_count(cells_run, images, tmp_path / "count")
    assert not (tmp_path / "count").exists()
    results = write_cells_count(cells_run, images, tmp_path / "count", CellsCountOptions(skip_unreadable=True))
    assert len(results.images) == 1
    assert results.skipped[0].startswith("C02_f1.tif")
    with pytest.raises(InputError, match="not empty; name a new folder"):
        write_cells_count(cells_run, images, tmp_path / "count")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"outlines": "svg"}, "Unknown format of outlines 'svg'"),
        ({"outlines": "none,qupath"}, "not both"),
        ({"dose_column": "dose"}, "give --plate-table"),
        ({"palette": "green"}, "palette"),
    ],
)
def test_options_are_checked_at_once(options: dict[str, str], words: str) -> None:
    with pytest.raises(InputError, match=words):
        CellsCountOptions(**options)


def test_cells_in_another_unit_or_of_another_tool_are_told(cells_run: Path, assay: Path, tmp_path: Path) -> None:
    one = assay / "micrographs" / "plate1" / "B02_f1.tif"
    run = spoiled(cells_run, tmp_path, lambda document: document.update(in_um=True, masks=True))
    with pytest.raises(InputError, match="knows cells in micrometres; give --pixel-um"):
        write_cells_count(run, one, tmp_path / "count")
    assert not (tmp_path / "count").exists()
    asked = CellsCountOptions(pixel_um=0.65, outlines="none")
    results = write_cells_count(run, one, tmp_path / "count", asked)
    assert any("another tool's label images" in note for note in results.notes)
    shutil.rmtree(run)
    run = spoiled(cells_run, tmp_path, lambda document: document.update(in_um=False))
    with pytest.raises(InputError, match="knows cells in pixels"):
        write_cells_count(run, one, tmp_path / "again", asked)


@pytest.mark.parametrize(
    ("table", "words"),
    [("well,dose\nH12,3\n", r"none of the wells of the micrographs \(B02\)"), ("well,n_cells\nB02,9\n", "'n_cells'")],
)
def test_a_table_of_wells_that_does_not_fit_is_refused_before_cells_are_looked_for(
    cells_run: Path, assay: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str, words: str
) -> None:
    monkeypatch.setattr("headstart.workflow.cells_count.folder.find_ahead", None)
    options = CellsCountOptions(plate_table=str(helpers.write_text(tmp_path / "wells.csv", table)))
    one = assay / "micrographs" / "plate1" / "B02_f1.tif"
    with pytest.raises(InputError, match=words):
        write_cells_count(cells_run, one, tmp_path / "count", options)
