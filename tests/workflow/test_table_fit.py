"""Table columns through a whole job: fit, bundle, predict, evaluate, curve, report, and what is refused."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import helpers
import numpy as np
import pytest
from click.testing import CliRunner

from headstart.cli.main import main
from headstart.data import read_dataset
from headstart.data.table.encoding import TableEncoding
from headstart.errors import BundleError, DataError, InputError
from headstart.model import load_model
from headstart.results import RunResults
from headstart.workflow import CurveOptions, curve, evaluate, fit, rank_backbones
from headstart.workflow.options.data import DataSource
from headstart.workflow.predict import images_to_predict

N = 48
ASKED = ("age", "site", "stage:category")


def rows_of(folder: Path, *, n_images: int = N, seed: int = 0) -> list[dict[str, Any]]:
    """Images of noise whose class an age tells, in part."""
    images = helpers.noise(n_images, seed=seed, spread=(24, 24))
    generator, rows = np.random.default_rng(seed), []
    for row, (pixels, label) in enumerate(zip(images, helpers.labels_of(n_images), strict=True)):
        helpers.write_image(folder / f"{row:03d}.png", pixels)
        age = "" if row % 7 == 0 else f"{40 + 20 * (row % 2) + 8 * generator.normal():.1f}"
        site = ("arm", "back", "")[int(generator.integers(3))]
        stage = int(generator.integers(1, 4))
        rows.append({"image": f"{row:03d}.png", "label": label, "age": age, "site": site, "stage": stage})
    return rows


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("table")
    return helpers.write_table(folder / "images.csv", rows_of(folder))


@pytest.fixture(scope="module")
def run(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    source = DataSource(str(table), table_columns=ASKED)
    with helpers.empty_figures():
        return fit(source, tmp_path_factory.mktemp("runs") / "run", helpers.cheap_options(features="last"))


@pytest.fixture
def new(table: Path, tmp_path: Path) -> Path:
    """The first images as a table without labels, its columns in another order."""
    rows = list(csv.DictReader(table.read_text().splitlines()))[:6]
    names = ("stage", "image", "site", "age")
    return helpers.write_table(tmp_path / "new.csv", [{name: row[name] for name in names} for row in rows])


def invoke(*words: object) -> Any:
    return CliRunner().invoke(main, [str(word) for word in words])


def test_results_report_and_bundle_name_the_columns(run: Any) -> None:
    found = RunResults.read(run.folder / "results.json").table
    assert found is not None
    age, site, stage = found.columns
    assert (age.name, age.kind, age.n_missing, age.encoded_as) == ("age", "number", 7, ("age", "age missing"))
    assert site.encoded_as == ("site = arm", "site = back", "site missing")
    assert (stage.kind, stage.n_distinct) == ("category", 3)
    assert age.balanced_accuracy is not None and age.balanced_accuracy > 0.7
    page = (run.folder / "report.html").read_text()
    assert "Table columns beside the pictures" in page
    assert "table with the columns image, age, site and stage" in page
    assert re.search(r"heads saw 3 table columns\s+\(age \(number, 14.6\s% missing\), site \(category", page)
    table = run.model().table
    assert isinstance(table, TableEncoding)
    assert [str(request) for request in table.requests] == ["age:number", "site:category", "stage:category"]
    heads = json.loads((run.folder / "folds" / "heads.json").read_text())["heads"]
    assert all(TableEncoding.from_json(head["table"]) != table for head in heads)


def test_the_command_line_predicts_what_python_does(run: Any, new: Path, table: Path) -> None:
    out = new.with_name("out.csv")
    said = invoke("predict", run.folder, new, "-o", out, "--root", table.parent, "-q")
    assert said.exit_code == 0, said.output
    printed = [float(row["probability:rough"]) for row in csv.DictReader(out.read_text().splitlines())]
    dataset = read_dataset(table, table_columns=ASKED).subset(range(6))
    assert printed == run.model().predict_proba(dataset)[:, 1].tolist()
    older = replace(dataset, columns=(replace(dataset.columns[0], values=np.full(6, 90.0)), *dataset.columns[1:]))
    assert not np.array_equal(run.model().predict_proba(older)[:, 1], printed)


def test_columns_are_read_for_an_evaluation_without_being_requested(run: Any, tmp_path: Path) -> None:
    outside = helpers.write_table(tmp_path / "outside.csv", rows_of(tmp_path, n_images=30, seed=9))
    found = evaluate(run.folder, outside)
    assert found.n_images == 30
    renamed = outside.with_name("renamed.csv")
    renamed.write_text(outside.read_text().replace(",age,", ",years,"))
    with pytest.raises(DataError, match="Unknown table column 'age'"):
        evaluate(run.folder, renamed)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ((",age", ",years"), "Unknown table column 'age'"),
        (("image,", "picture,"), "has no image column"),
        (("000.png,", "000.png,"), ""),
    ],
)
def test_predict_names_a_column_that_is_missing(
    run: Any, new: Path, table: Path, change: tuple[str, str], words: str
) -> None:
    new.write_text(new.read_text().replace(*change, 1))
    out = new.with_name("out.csv")
    said = invoke("predict", run.folder, new, "-o", out, "--root", table.parent, "-q")
    assert (said.exit_code, out.exists()) == ((2, False) if words else (0, True)), said.output
    assert words in said.output
    assert "Traceback" not in said.output


def test_predict_refuses_text_where_numbers_are_expected(run: Any, new: Path, table: Path) -> None:
    lines = new.read_text().splitlines()
    lines[2] = lines[2].rpartition(",")[0] + ",old"
    new.write_text("\n".join(lines))
    out = new.with_name("out.csv")
    said = invoke("predict", run.folder, new, "-o", out, "--root", table.parent)
    assert said.exit_code == 2
    assert "'age' must hold finite numbers" in said.output and "row 2 has 'old'" in said.output
    assert not out.exists()


def test_an_unseen_category_is_predicted_and_noted(run: Any, new: Path, table: Path) -> None:
    lines = new.read_text().splitlines()
    stage, image, _, age = lines[1].split(",")
    new.write_text("\n".join([lines[0], f"{stage},{image},toe,{age}", *lines[2:]]))
    said = invoke("predict", run.folder, new, "--root", table.parent)
    assert said.exit_code == 0
    assert "1 of 6 images has a value of 'site' that no training image had ('toe')" in said.output


def test_images_alone_are_refused_by_a_model_of_columns(run: Any, table: Path) -> None:
    said = invoke("predict", run.folder, table.parent / "000.png")
    assert said.exit_code == 2
    assert "takes table columns beside the picture (age, site, stage)" in said.output
    with pytest.raises(InputError, match=r"the data have no 'age', 'site', 'stage'"):
        run.model().predict([table.parent / "000.png"])


def test_a_table_of_images_serves_a_model_of_pictures_too(table: Path, tmp_path: Path) -> None:
    model = SimpleNamespace(table=None)
    found = images_to_predict(model, [str(table)])
    assert (len(found), found.labels, found.columns) == (N, None, ())
    with pytest.raises(InputError, match="--root belongs to a table of images"):
        images_to_predict(model, [str(table.parent / "000.png")], root=str(tmp_path))


def test_a_data_set_in_memory_gives_the_same_head(run: Any, table: Path, tmp_path: Path, no_figures: None) -> None:
    again = fit(read_dataset(table, table_columns=ASKED), tmp_path / "again", helpers.cheap_options(features="last"))
    for name in ("results.json", "predictions.csv", "model/model.json", "model/head.safetensors"):
        assert (again.folder / name).read_bytes() == (run.folder / name).read_bytes()


def test_a_damaged_encoding_is_refused(run: Any, tmp_path: Path) -> None:
    model = replace(run.model(), table=TableEncoding(run.model().table.columns[:1]))
    model.save(tmp_path / "short")
    with pytest.raises(BundleError, match="with its table columns gives"):
        load_model(tmp_path / "short")


def test_a_curve_sees_columns(table: Path, tmp_path: Path) -> None:
    source, asked = DataSource(str(table), table_columns=("age",)), CurveOptions(sizes=4, repeats=2, folds=3)
    assert (
        curve(source, tmp_path / "age", helpers.options(study=None), asked).results.mean[-1] > 0.65
    )  # pictures are noise


def test_whoever_sees_pictures_alone_refuses_columns(table: Path, tmp_path: Path) -> None:
    source = DataSource(str(table), table_columns=("age",))
    with pytest.raises(InputError, match="what is fine-tuned sees pictures alone, not table columns \\(age\\)"):
        fit(source, tmp_path / "run", helpers.options(strategy="fine-tune"))
    with pytest.raises(InputError, match="ranking of networks sees pictures alone"):
        rank_backbones(source, helpers.options(backbone="test_resnet,test_plain"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("aeg", "Did you mean 'age'"),
        ("label", "is the label column"),
        ("site:number", "'site' must hold finite numbers"),
        ("age,age", "named twice"),
    ],
)
def test_fit_refuses_columns_that_cannot_be_used(table: Path, tmp_path: Path, asked: str, words: str) -> None:
    said = invoke("fit", table, "-o", tmp_path / "run", "--table-columns", asked)
    assert said.exit_code == 2
    assert words in said.output
    assert not (tmp_path / "run").exists()


def test_a_folder_with_a_table_beside_it_is_checked_and_evaluated(run: Any, tmp_path: Path) -> None:
    folder = helpers.write_folders(tmp_path / "new", 30, seed=7)
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
    rows = [{"image": name, "age": 40 + 20 * name.startswith("rough"), "site": "", "stage": 1} for name in names]
    table = helpers.write_table(tmp_path / "clinic.csv", rows)
    said = invoke("check", folder, "--table", table, "--table-columns", "age", "--no-features", "-q")
    assert said.exit_code == 0, said.output
    assert "'age' alone predicts the class with a balanced accuracy of 1.00" in " ".join(said.output.split())
    found = evaluate(run.folder, DataSource(str(folder), table=str(table)))  # not one site is known
    assert found.metrics["balanced_accuracy"].value > 0.8
    with pytest.raises(DataError, match="Name a table of the images that has them by --table"):
        evaluate(run.folder, folder)


def test_a_source_says_its_columns() -> None:
    source = DataSource("x.csv", table_columns=("age", "site:category"))
    assert DataSource.from_json(json.loads(json.dumps(source.to_json()))) == replace(
        source, path=str(Path("x.csv").resolve())
    )
    older = {name: value for name, value in source.to_json().items() if name != "table_columns"}
    assert DataSource.from_json(older).table_columns is None
