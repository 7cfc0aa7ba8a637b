"""A user's own array through a whole job: fit, bundle, predict, evaluate, explain, report, and what is refused."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import helpers
import numpy as np
import pytest
from click.testing import CliRunner

import headstart
from headstart.cli.main import main
from headstart.data import read_dataset
from headstart.errors import InputError
from headstart.results import RunResults
from headstart.workflow import evaluate, fit, rank_backbones
from headstart.workflow.options.data import DataSource

N = 48
WIDTH = 40


def names_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))


def array_of(folder: Path, *, seed: int = 0) -> np.ndarray:
    """Numbers for the images of a folder, a few of which tell the class in part."""
    names = names_in(folder)
    values = np.random.default_rng(seed).normal(size=(len(names), WIDTH))
    values[:, :4] += 1.5 * np.array([name.startswith("rough") for name in names])[:, None]
    return values


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return helpers.write_folders(tmp_path_factory.mktemp("data") / "images", N)


@pytest.fixture(scope="module")
def array(folder: Path) -> Path:
    path = folder.parent / "deep.npy"
    np.save(path, array_of(folder))
    return path


@pytest.fixture(scope="module")
def run(folder: Path, array: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    with helpers.empty_figures():
        source = DataSource(str(folder), feature_array=str(array))
        return fit(source, tmp_path_factory.mktemp("runs") / "run", helpers.cheap_options(features="last"))


def invoke(*words: object) -> Any:
    return CliRunner().invoke(main, [str(word) for word in words])


def test_results_report_and_bundle_name_the_array(run: Any) -> None:
    results = RunResults.read(run.folder / "results.json")
    assert results.table is not None
    (own,) = results.table.columns
    assert (own.name, own.kind, own.n_missing, own.n_distinct) == ("deep", "array", 0, WIDTH)
    assert own.encoded_as == tuple(f"deep_{place}" for place in range(WIDTH))
    page = " ".join((run.folder / "report.html").read_text().split())
    assert f"heads saw an array of {WIDTH} numbers for each image, made by the user (deep), encoded within" in page
    assert "predict run/model IMAGES --feature-array ARRAY" in page
    assert "ARRAY is an .npy or .npz with the user" in page
    heads = json.loads((run.folder / "folds" / "heads.json").read_text())["heads"]
    assert all(len(head["table"]["columns"][0]["means"]) == WIDTH for head in heads)
    assert heads[0]["table"] != run.model().table.to_json()


def test_predict_takes_an_array_of_the_new_images(run: Any, folder: Path, array: Path, tmp_path: Path) -> None:
    names, values, out = names_in(folder)[20:26], np.load(array)[20:26], tmp_path / "out.csv"
    paths = [folder / name for name in names]
    np.save(tmp_path / "new.npy", values)
    said = invoke("predict", run.folder, *paths, "--feature-array", tmp_path / "new.npy", "-o", out, "-q")
    assert said.exit_code == 0, said.output
    printed = [float(row["probability:rough"]) for row in csv.DictReader(out.read_text().splitlines())]
    dataset = read_dataset(folder, feature_array=array).subset(range(20, 26))
    assert printed == run.model().predict_proba(dataset)[:, 1].tolist()
    np.savez(tmp_path / "new.npz", names=np.array([str(path) for path in paths[::-1]]), values=values[::-1])
    turned = tmp_path / "turned.csv"
    said = invoke("predict", run.folder, *paths, "--feature-array", tmp_path / "new.npz", "-o", turned, "-q")
    assert (said.exit_code, turned.read_bytes()) == (0, out.read_bytes())


def test_predict_says_what_is_missing(run: Any, folder: Path, tmp_path: Path) -> None:
    paths, out = [folder / name for name in names_in(folder)[:3]], tmp_path / "out.csv"
    np.save(tmp_path / "short.npy", np.zeros((2, WIDTH)))
    np.save(tmp_path / "narrow.npy", np.zeros((3, 7)))
    for given, words in (
        ((), f"takes a feature array beside the picture (deep, {WIDTH} columns), and the data have none. Give"),
        (("--feature-array", tmp_path / "short.npy"), "short.npy has 2 rows for 3 images"),
        (("--feature-array", tmp_path / "narrow.npy"), f"has 7 columns, and the model takes {WIDTH}"),
        (("--feature-array", tmp_path / "none.npy"), "does not exist"),
    ):
        said = invoke("predict", run.folder, *paths, *given, "-o", out)
        assert (said.exit_code, out.exists()) == (2, False), said.output
        assert words in said.output and "Traceback" not in said.output


def test_evaluate_takes_an_array_of_the_test_set(run: Any, tmp_path: Path) -> None:
    outside = helpers.write_folders(tmp_path / "outside", 30, seed=7)
    np.save(tmp_path / "outside.npy", array_of(outside, seed=7))
    found = evaluate(run.folder, DataSource(str(outside), feature_array=str(tmp_path / "outside.npy")))
    assert found.n_images == 30
    with pytest.raises(InputError, match="Give --feature-array FILE"):
        evaluate(run.folder, outside)


def test_explain_takes_an_array_too(run: Any, folder: Path, array: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", np.load(array)[:1])
    image, out = folder / names_in(folder)[0], tmp_path / "explained"
    said = invoke("explain", run.folder, image, "-o", out)
    assert said.exit_code == 2 and "Give --feature-array FILE" in said.output and not out.exists()
    said = invoke("explain", run.folder, image, "-o", out, "--feature-array", tmp_path / "one.npy", "-q")
    assert said.exit_code == 0, said.output


def test_a_model_of_pictures_alone_takes_no_array(run: Any, folder: Path, array: Path, tmp_path: Path) -> None:
    pictures = replace(run.model(), table=None)
    with pytest.raises(InputError, match="This model sees pictures alone"):
        evaluate(pictures, DataSource(str(folder), feature_array=str(array)))
    with pytest.raises(InputError, match=r"This model takes no feature array, and .* is given\. Leave it out"):
        headstart.workflow.predict.images_to_predict(pictures, [str(folder)], feature_array=str(array))


def test_whoever_sees_pictures_alone_refuses_an_array(folder: Path, array: Path, tmp_path: Path) -> None:
    source = DataSource(str(folder), feature_array=str(array))
    with pytest.raises(InputError, match=r"what is fine-tuned sees .* \(the feature array .*deep.npy\)"):
        fit(source, tmp_path / "run", helpers.options(strategy="fine-tune"))
    with pytest.raises(InputError, match="ranking of networks sees pictures alone"):
        rank_backbones(source, helpers.options(backbone="test_resnet,test_plain"))
    assert not (tmp_path / "run").exists()


def test_fit_refuses_an_array_that_does_not_fit(folder: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "short.npy", np.zeros((N - 1, 3)))
    said = invoke("fit", folder, "-o", tmp_path / "run", "--feature-array", tmp_path / "short.npy")
    assert said.exit_code == 2
    assert f"short.npy has {N - 1} rows for {N} images" in said.output
    assert not (tmp_path / "run").exists()


def test_a_source_says_its_array() -> None:
    source = DataSource("x", feature_array="deep.npy")
    stored = json.loads(json.dumps(source.to_json()))
    assert DataSource.from_json(stored).feature_array == str(Path("deep.npy").resolve())
    del stored["feature_array"]  # a run of an older version
    assert DataSource.from_json(stored).feature_array is None
