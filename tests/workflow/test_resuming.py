"""Run folders between runs: what a kill, another option or a hostile bundle may and may not do."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import helpers
import pytest

from headstart import fit, load_model
from headstart.errors import BundleError, InputError, RunError
from headstart.storage import hash_file, hash_json, write_json
from headstart.workflow.options.data import DataSource
from headstart.workflow.run import Run, rewrite_report

PICTURE = "data:image/jpeg"


def test_a_run_inside_the_data_would_become_a_class(tmp_path: Path) -> None:
    data = helpers.write_folders(tmp_path / "data")
    before = helpers.tree(data)
    with pytest.raises(RunError, match="lies inside the data"):
        fit(data, data / "runs" / "first", helpers.options())
    assert helpers.tree(data) == before


@pytest.mark.parametrize("path", ["", "  "])
def test_an_empty_path_is_not_the_current_folder(path: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="path of the data is empty"):
        DataSource(path)
    with pytest.raises(RunError, match="run folder is empty"):
        fit(helpers.write_folders(tmp_path / "data"), "", helpers.options())


@pytest.mark.usefixtures("empty_figures")
def test_pictures_once_forbidden_stay_forbidden(folders: Path, run: Run, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run.folder, copy)
    assert PICTURE in (copy / "report.html").read_text(encoding="utf-8")
    fit(folders, copy, helpers.options(images=False))
    assert PICTURE not in (copy / "report.html").read_text(encoding="utf-8")
    fit(folders, copy, helpers.options())
    rewrite_report(copy)
    assert PICTURE not in (copy / "report.html").read_text(encoding="utf-8")


@pytest.mark.usefixtures("no_figures")
def test_temporary_names_of_a_killed_process_do_not_stand_in_the_way(folders: Path, run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / ".run.json.abc.tmp").write_bytes(b"half")
    again = fit(folders, folder, helpers.options())
    assert again.results == run.results
    (folder / "model" / ".backbone.safetensors.x1.tmp").write_bytes(b"half")
    (folder / "report.html").unlink()
    fit(folders, folder, helpers.options())
    assert not list(folder.rglob(".*.tmp"))


def test_a_metric_for_two_classes_is_refused_before_any_work(tmp_path: Path) -> None:
    data = helpers.write_folders(tmp_path / "data", 36, classes=("a", "b", "c"))
    with pytest.raises(InputError, match="two"):
        fit(data, tmp_path / "run", helpers.options(metric="f1"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("name", "value"), [("seed", 2**32), ("threads", 100_000), ("batch_size", 10**9)])
def test_numbers_out_of_range_are_refused(name: str, value: int) -> None:
    with pytest.raises(InputError, match=f"{name} is {value}; expected"):
        helpers.options(**{name: value})


@pytest.mark.usefixtures("no_figures")
def test_the_leakage_tax_draws_as_many_folds_as_the_split_has(tmp_path: Path) -> None:
    rows = [
        {"image": f"images/{row:03d}.png", "label": label, "group": row // 4, "fold": row // 4 % 3}
        for row, label in enumerate(helpers.labels_of(48))
    ]
    for row, pixels in zip(rows, helpers.noise(48), strict=True):
        helpers.write_image(tmp_path / row["image"], pixels)
    table = helpers.write_table(tmp_path / "table.csv", rows)
    run = fit(table, tmp_path / "run", helpers.cheap_options(split="nested:5x2", leakage_tax=True))
    assert len(run.results.folds) == 3
    assert run.results.protocol.scheme == "nested:3x2"
    tax = run.results.optimism_from_ignored_groups["accuracy"]
    assert tax.difference == pytest.approx(tax.groups_ignored - tax.groups_kept)


def _forged(run: Run, folder: Path, change: Any) -> Path:
    """A copy of the bundle with a changed description and a manifest that fits it."""
    shutil.copytree(run.folder / "model", folder)
    description = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    change(description, manifest)
    write_json(folder / "model.json", description)
    if isinstance(manifest["files"], dict):
        manifest["files"]["model.json"] = hash_file(folder / "model.json")
    signed = {name: value for name, value in manifest.items() if name != "sha256"}
    write_json(folder / "manifest.json", {**signed, "sha256": hash_json(signed)})
    return folder


FORGERIES = {
    "one class": lambda description, manifest: description.update(classes=["a"]),
    "three classes": lambda description, manifest: description.update(classes=["a", "b", "c"]),
    "unknown device": lambda description, manifest: description["engine"].update(device="evil"),
    "unknown engine": lambda description, manifest: description["engine"].update(engine="onnx"),
    "unknown precision": lambda description, manifest: description["engine"].update(precision="int8"),
    "no threads": lambda description, manifest: description["engine"].update(n_threads=0),
    "absurd batch": lambda description, manifest: description["engine"].update(batch_size=10**9),
    "backbone is a number": lambda description, manifest: description["backbone"].update(name=5),
    "absurd size": lambda description, manifest: description["preparation"].update(size=[65535, 65535]),
    "format is text": lambda description, manifest: manifest.update(format="2"),
    "format is a fraction": lambda description, manifest: manifest.update(format=2.5),
    "files is a number": lambda description, manifest: manifest.update(files=3),
}


@pytest.mark.parametrize("case", FORGERIES)
def test_a_forged_bundle_is_refused_in_words(case: str, run: Run, tmp_path: Path) -> None:
    folder = _forged(run, tmp_path / "model", FORGERIES[case])
    with pytest.raises(BundleError, match=r"(model|manifest)\.json"):
        load_model(folder)


@pytest.mark.parametrize("name", ["manifest.json", "model.json"])
@pytest.mark.parametrize("content", ["[" * 100_000, '{"format": NaN}', '{"a": "\\ud800"}', "3"])
def test_json_that_is_none_of_ours_is_refused_in_words(name: str, content: str, run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(run.folder / "model", folder)
    (folder / name).write_text(content, encoding="utf-8")
    with pytest.raises(BundleError, match=name):
        load_model(folder)


@pytest.mark.usefixtures("no_figures")
def test_a_finished_run_whose_results_are_damaged_is_made_again(folders: Path, run: Run, tmp_path: Path) -> None:
    """The remedy that the message names works: the same command once more."""
    folder = tmp_path / "run"
    shutil.copytree(run.folder, folder)
    whole = (folder / "results.json").read_bytes()
    (folder / "results.json").write_bytes(whole.replace(b'"classes"', b'"clases"', 1))
    notes = helpers.Notes()
    fit(folders, folder, helpers.options(), progress=notes)
    assert (folder / "results.json").read_bytes() == whole
    assert any("results.json cannot be used" in note and note.endswith("This is done now.") for note in notes.texts)


def test_a_finished_run_of_an_older_version_is_left_as_it_is(folders: Path, run: Run, tmp_path: Path) -> None:
    old = Path(__file__).parent.parent / "results" / "data" / "format1" / "results.json"
    folder = tmp_path / "run"
    shutil.copytree(run.folder, folder)
    shutil.copy(old, folder / "results.json")
    (folder / "label_issues.csv").rename(folder / "doubtful.csv")
    before = helpers.tree(folder)
    assert fit(folders, folder, helpers.options()).results.format == 2
    assert helpers.tree(folder) == before


def test_results_of_a_newer_version_are_never_overwritten(folders: Path, run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run.folder, folder)
    newer = json.loads((folder / "results.json").read_text(encoding="utf-8")) | {"format": 99}
    write_json(folder / "results.json", newer)
    before = helpers.tree(folder)
    with pytest.raises(RunError, match="has format 99"):
        fit(folders, folder, helpers.options())
    assert helpers.tree(folder) == before


@pytest.mark.parametrize(("name", "content"), [("manifest.json", b"3"), ("head.safetensors", None)])
@pytest.mark.usefixtures("no_figures")
def test_a_finished_run_whose_model_is_damaged_is_made_again(
    name: str, content: bytes | None, folders: Path, run: Run, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run.folder, folder)
    whole = (folder / "model" / name).read_bytes()
    (folder / "model" / name).unlink()
    if content is not None:
        (folder / "model" / name).write_bytes(content)
    notes = helpers.Notes()
    fit(folders, folder, helpers.options(), progress=notes)
    assert (folder / "model" / name).read_bytes() == whole
    assert any(name in note and note.endswith("The model is fitted again now.") for note in notes.texts)
    load_model(folder)


def test_a_model_of_a_newer_version_is_never_overwritten(folders: Path, run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run.folder, folder)
    newer = json.loads((folder / "model" / "manifest.json").read_text(encoding="utf-8")) | {"format": 99}
    write_json(folder / "model" / "manifest.json", newer)
    before = helpers.tree(folder)
    with pytest.raises(BundleError, match="format 99"):
        fit(folders, folder, helpers.options())
    assert helpers.tree(folder) == before


@pytest.mark.usefixtures("no_figures")
def test_a_run_whose_record_says_asked_goes_on(folders: Path, run: Run, tmp_path: Path) -> None:
    """Records of engines once called the request so."""
    folder = tmp_path / "run"
    shutil.copytree(run.folder, folder)
    words = (folder / "run.json").read_text(encoding="utf-8")
    assert '"requested"' in words
    (folder / "run.json").write_text(words.replace('"requested"', '"asked"'), encoding="utf-8")
    (folder / "report.html").unlink()
    assert fit(folders, folder, helpers.options()).results == run.results
