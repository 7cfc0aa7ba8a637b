"""Bad input at the front door: an error in words, the right exit code, nothing written, nothing overwritten."""

from __future__ import annotations

import errno
import json
import os
import shutil
import struct
import sys
import zipfile
import zlib
from pathlib import Path
from typing import Any

import helpers
import numpy as np
import pytest
from click.testing import CliRunner, Result

from headstart import ImageDataset, evaluate, fit
from headstart.cli import main
from headstart.errors import DataError
from headstart.workflow.run import Run

QUICK = ["--backbone", helpers.BACKBONE, "--weights", "random", "--device", "cpu", "--threads", "1"]
QUICK += ["--input-size", str(helpers.SIDE), "--split", "nested:3x2", "--no-cache", "-q", "--no-baselines"]
QUICK += ["--study", str(helpers.STUDY)]


def headstart(*arguments: object) -> Result:
    """Run a command in this process; an exception that is no exit is a traceback for the user, and a failure here."""
    found = CliRunner().invoke(main, [str(argument) for argument in arguments])
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found


def check_refused(*arguments: object, output: Path, code: int = 2) -> str:
    """The command is refused in words, and nothing is written; gives the words."""
    found = headstart(*arguments)
    assert found.exit_code == code, found.output
    assert found.stdout == ""
    assert found.stderr.startswith("Error: ") or "\nError: " in found.stderr, found.stderr
    assert not output.exists()
    return found.stderr


# Nothing to learn from ------------------------------------------------------------------------------------------------


def one_class(root: Path) -> Path:
    data = helpers.write_folders(root, 20)
    shutil.rmtree(data / "rough")
    return data


def lonely_class(root: Path) -> Path:
    data = helpers.write_folders(root, 20)
    for path in sorted((data / "rough").iterdir())[1:]:
        path.unlink()
    return data


def empty_folder(root: Path) -> Path:
    root.mkdir()
    return root


def empty_class_folders(root: Path) -> Path:
    (root / "a").mkdir(parents=True)
    (root / "b").mkdir()
    return root


def labels_with_nan(root: Path) -> Path:
    data = helpers.write_folders(root, 20)
    rows = [{"image": path.relative_to(data), "label": "x"} for path in sorted(data.rglob("*.png"))]
    rows[7]["label"] = ""
    return helpers.write_table(data / "table.csv", rows)


NOTHING_TO_LEARN = {
    "missing path": (lambda root: root / "nowhere", "nowhere"),
    "empty folder": (empty_folder, "no image"),
    "empty class folders": (empty_class_folders, "no image"),
    "one class": (one_class, "of one class ('calm'); training needs at least two. Add images"),
    "a class with one image": (lonely_class, "Class 'rough' has one image; training and testing need at least two."),
    "labels with NaN": (labels_with_nan, "label"),
}


@pytest.mark.parametrize("case", NOTHING_TO_LEARN)
@pytest.mark.parametrize("verb", ["fit", "estimate"])
def test_nothing_to_learn_from(case: str, verb: str, tmp_path: Path) -> None:
    make, words = NOTHING_TO_LEARN[case]
    data = make(tmp_path / "data")
    more = ["--estimate"] if verb == "estimate" else []
    text = check_refused("fit", data, "-o", tmp_path / "run", *QUICK, *more, output=tmp_path / "run")
    assert words in text


@pytest.mark.parametrize("verb", ["check", "report", "fit"])
def test_a_path_that_no_file_can_have_is_refused_in_words(verb: str, tmp_path: Path) -> None:
    more = ["-o", tmp_path / "run", "--estimate"] if verb == "fit" else []
    text = check_refused(verb, "x" * 300, *more, output=tmp_path / "run")
    assert "file name too long" in text.lower()


def test_nan_among_labels_in_memory_is_refused() -> None:
    with pytest.raises(DataError):
        ImageDataset.from_arrays(helpers.noise(4), np.array([0.0, 1.0, np.nan, 1.0]))


def test_too_few_images_for_the_folds_says_what_would_work(tmp_path: Path) -> None:
    data = helpers.write_folders(tmp_path / "data", 8)
    command = [part for part in QUICK if part not in ("--split", "nested:3x2")]
    text = check_refused("fit", data, "-o", tmp_path / "run", *command, output=tmp_path / "run")
    assert "4 images" in text
    assert "Use " in text
    assert "add " in text


# Files that are no images ---------------------------------------------------------------------------------------------


def bomb(path: Path) -> None:
    """A PNG of 30,000 x 30,000 pixels in a few kilobytes."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(1_000_000), 9)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b""))


def zipped(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "text" * 100)


def truncated(path: Path) -> None:
    helpers.write_image(path, helpers.noise(1)[0])
    path.write_bytes(path.read_bytes()[:-200])


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def fifo(path: Path) -> None:
    os.mkfifo(path)


BAD_FILES = {
    "truncated": (truncated, "truncated"),
    "bomb": (bomb, "30,000 x 30,000 pixels, more than"),
    "zip": (zipped, ""),
    "empty": (lambda path: path.write_bytes(b""), "empty"),
    "text": (lambda path: path.write_text("<html>"), ""),
    "pipe": (fifo, "not a regular file"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_file_among_good_ones_stops_the_fit_and_is_named(case: str, tmp_path: Path) -> None:
    if case == "pipe" and not hasattr(os, "mkfifo"):
        pytest.skip("this system has no named pipes")
    make, words = BAD_FILES[case]
    data = helpers.write_folders(tmp_path / "data")
    make(data / "calm" / "bad.png")
    text = check_refused("fit", data, "-o", tmp_path / "run", *QUICK, output=tmp_path / "run")
    assert "1 of 49 images cannot be read" in text
    line = next(line for line in text.splitlines() if "bad.png" in line)
    assert line.startswith("  calm/bad.png: ")
    assert words in line
    assert "--skip-unreadable" in text


@pytest.mark.usefixtures("empty_figures")
def test_bad_files_are_left_out_on_request_and_reported(tmp_path: Path) -> None:
    data = helpers.write_folders(tmp_path / "data")
    for case in ("truncated", "bomb", "zip"):
        BAD_FILES[case][0](data / "calm" / f"{case}.png")
    found = headstart("fit", data, "-o", tmp_path / "run", *QUICK, "--skip-unreadable", "--json")
    assert found.exit_code == 0
    results = json.loads(found.stdout)
    assert results["task"]["n_images"] == 48
    assert "3 unreadable images were left out." in results["warnings"]
    named = json.dumps(results["audit"]["unreadable"])
    assert all(f"calm/{case}.png" in named for case in ("truncated", "bomb", "zip"))
    assert "truncated.png" in (tmp_path / "run" / "report.html").read_text()


@pytest.mark.usefixtures("no_figures")
def test_bad_files_left_out_do_not_shift_the_others(run: Run, tmp_path: Path, folders: Path) -> None:
    """The unreadable file sorts first: a table that slips by one row would show here."""
    data = Path(shutil.copytree(folders, tmp_path / "data"))
    (data / "calm" / "!.png").write_bytes(b"bad")
    found = fit(data, tmp_path / "run", helpers.options(skip_unreadable=True))
    assert (found.folder / "predictions.csv").read_bytes() == (run.folder / "predictions.csv").read_bytes()


def test_leaving_out_may_leave_too_little(tmp_path: Path) -> None:
    data = helpers.write_folders(tmp_path / "data", 20)
    for path in sorted((data / "rough").iterdir())[1:]:
        path.write_bytes(b"bad")
    text = check_refused("fit", data, "-o", tmp_path / "r", *QUICK, "--skip-unreadable", output=tmp_path / "r")
    assert "Class 'rough' has one image" in text


def test_not_one_readable_image_points_to_the_root(tmp_path: Path) -> None:
    data = helpers.write_folders(tmp_path / "data", 20)
    rows = [{"image": path.relative_to(data), "label": path.parent.name} for path in sorted(data.rglob("*.png"))]
    table = helpers.write_table(tmp_path / "elsewhere" / "table.csv", rows)
    text = check_refused("fit", table, "-o", tmp_path / "r", *QUICK, "--skip-unreadable", output=tmp_path / "r")
    assert "Of 20 images none can be read" in text
    assert "--root" in text
    assert headstart("check", table, "--root", data, "--no-features", "-q").exit_code == 0


def test_memory_stays_bounded_before_a_bomb(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    data = helpers.write_folders(tmp_path / "data", 20)
    for number in range(4):
        bomb(data / "calm" / f"bomb{number}.png")
    headstart("check", data, "--no-features", "-q")
    unit = 1 if sys.platform == "darwin" else 1024
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    assert headstart("check", data, "--no-features", "-q").exit_code == 1
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    assert after - before < 100e6  # one of them decoded would be 2.7 GB


@pytest.mark.parametrize("where", ["file", "folder"])
def test_links_in_a_loop_are_refused_by_name(where: str, tmp_path: Path) -> None:
    data = helpers.write_folders(tmp_path / "data")
    if where == "file":
        loop(data / "calm" / "loop.png")
    else:
        (data / "calm" / "loop").symlink_to(data, target_is_directory=True)
    assert "loop" in check_refused("fit", data, "-o", tmp_path / "run", *QUICK, output=tmp_path / "run")


def test_unreadable_permission_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulated, so that it also holds where the tests run as root."""
    data = helpers.write_folders(tmp_path / "data")
    plain = os.open

    def guarded(path: Any, *rest: Any, **options: Any) -> int:
        if str(path).endswith("004.png"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return plain(path, *rest, **options)

    monkeypatch.setattr("headstart.data.images.files.os.open", guarded)
    text = check_refused("fit", data, "-o", tmp_path / "run", *QUICK, output=tmp_path / "run")
    assert "calm/004.png: permission denied; make the file readable" in text


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read every file")
@pytest.mark.parametrize("where", ["calm/004.png", "calm", ""])
def test_real_permissions(where: str, tmp_path: Path) -> None:
    data = helpers.write_folders(tmp_path / "data")
    (data / where).chmod(0)
    try:
        text = check_refused("fit", data, "-o", tmp_path / "run", *QUICK, output=tmp_path / "run")
    finally:
        (data / where).chmod(0o755)
    assert "permission" in text.lower()


# Manifests ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def rows(tmp_path: Path) -> list[dict[str, Any]]:
    data = helpers.write_folders(tmp_path / "data")
    return [
        {"image": path.relative_to(data).as_posix(), "label": path.parent.name} for path in sorted(data.rglob("*.png"))
    ]


@pytest.mark.parametrize("path", ["../outside.png", "/etc/hostname", "calm/../../outside.png", "C:\\x.png"])
def test_a_table_that_points_outside_its_folder_is_refused(
    path: str, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    helpers.write_image(tmp_path / "outside.png", helpers.noise(1)[0])
    rows.append({"image": path, "label": "calm"})
    table = helpers.write_table(tmp_path / "data" / "table.csv", rows)
    text = check_refused("fit", table, "-o", tmp_path / "run", *QUICK, output=tmp_path / "run")
    assert "leave its folder" in text or "cannot be read" in text


def test_a_link_that_leads_outside_is_refused(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    helpers.write_image(tmp_path / "outside.png", helpers.noise(1)[0])
    (tmp_path / "data" / "calm" / "link.png").symlink_to(tmp_path / "outside.png")
    rows.append({"image": "calm/link.png", "label": "calm"})
    table = helpers.write_table(tmp_path / "data" / "table.csv", rows)
    text = check_refused("fit", table, "-o", tmp_path / "run", *QUICK, output=tmp_path / "run")
    assert "link" in text
    assert headstart("check", table, "--allow-outside", "--no-features", "-q").exit_code == 0


def test_missing_columns_are_named_with_those_there(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    renamed = [{"image": row["image"], "diagnosis": row["label"]} for row in rows]
    table = helpers.write_table(tmp_path / "data" / "table.csv", renamed)
    text = check_refused("fit", table, "-o", tmp_path / "run", *QUICK, output=tmp_path / "run")
    assert "'label'" in text
    assert "diagnosis" in text
    text = check_refused(
        "fit", table, "-o", tmp_path / "run", *QUICK, "--label-column", "diagnossis", output=tmp_path / "run"
    )
    assert "diagnosis" in text


@pytest.mark.usefixtures("no_figures")
def test_duplicate_rows_are_joined_and_reported(rows: list[dict[str, Any]], tmp_path: Path, run: Run) -> None:
    table = helpers.write_table(tmp_path / "data" / "table.csv", [*rows, rows[3], rows[3]])
    found = headstart("fit", table, "-o", tmp_path / "run", *QUICK, "--json")
    assert found.exit_code == 0
    results = json.loads(found.stdout)
    assert results["task"]["n_images"] == 48
    assert any("2 " in text and "row" in text for text in results["warnings"])
    assert results["metrics"] == run.results.to_json()["metrics"]


def test_conflicting_labels_are_refused(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    table = helpers.write_table(tmp_path / "data" / "table.csv", [*rows, {"image": rows[0]["image"], "label": "rough"}])
    text = check_refused("fit", table, "-o", tmp_path / "run", *QUICK, output=tmp_path / "run")
    assert "calm/000.png" in text
    assert "rough" in text


def test_a_damaged_table_is_refused(tmp_path: Path) -> None:
    for name, content in {"a.csv": b"\xff\xfe\x00", "b.parquet": b"PAR1 nothing", "c.csv": b"", "d.npz": b"PK"}.items():
        (tmp_path / name).write_bytes(content)
        assert name in check_refused("fit", tmp_path / name, "-o", tmp_path / "run", *QUICK, output=tmp_path / "run")


# Disk -----------------------------------------------------------------------------------------------------------------


def full_after(monkeypatch: pytest.MonkeyPatch, n_files: int) -> None:
    """A disk that takes so many files and is then full."""
    plain, left = os.replace, [n_files]

    def replace(*arguments: Any) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        plain(*arguments)

    monkeypatch.setattr("headstart.storage.os.replace", replace)


@pytest.mark.usefixtures("empty_figures")
@pytest.mark.parametrize("n_files", [0, 2, 6, 22, 30])
def test_a_full_disk_is_reported_and_the_same_command_goes_on(
    n_files: int, folders: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        full_after(patch, n_files)
        found = headstart("fit", folders, "-o", tmp_path / "run", *QUICK)
    assert found.exit_code == 1
    assert "the disk is full; free some space" in found.stderr
    assert "Report:" not in found.stdout
    assert not list((tmp_path / "run").rglob("*.tmp"))
    again = headstart("fit", folders, "-o", tmp_path / "run", *QUICK)
    assert again.exit_code == 0
    for name in ("results.json", "predictions.csv"):
        assert (tmp_path / "run" / name).read_bytes() == (run.folder / name).read_bytes()


def test_a_full_disk_while_writing_the_bytes(folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("headstart.storage.os.fsync", full)
    found = headstart("fit", folders, "-o", tmp_path / "run", *QUICK)
    assert found.exit_code == 1
    assert "the disk is full" in found.stderr
    assert not list((tmp_path / "run").rglob("*.tmp"))


def test_a_full_disk_for_predictions_leaves_no_half_file(
    run: Run, folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rows.csv").write_text("before")
    full_after(monkeypatch, 0)
    found = headstart("predict", run.folder, folders, "-o", tmp_path / "rows.csv", "-q")
    assert found.exit_code == 1
    assert "rows.csv: the disk is full" in found.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]
    assert (tmp_path / "rows.csv").read_text() == "before"


def test_a_read_only_place_for_the_run(folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **options: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("headstart.study.execution.run_folder.Path.mkdir", refuse)
    text = check_refused("fit", folders, "-o", tmp_path / "run", *QUICK, output=tmp_path / "run", code=1)
    assert "the file system is read-only; choose another folder" in text


@pytest.mark.usefixtures("no_figures")
def test_a_cache_that_cannot_be_written_is_reported_and_the_fit_goes_on(
    folders: Path, run: Run, tmp_path: Path
) -> None:
    (tmp_path / "cache").write_text("a file where the cache should be")
    options = [part for part in QUICK if part != "--no-cache"]
    found = headstart("fit", folders, "-o", tmp_path / "run", *options, "--cache", tmp_path / "cache")
    assert found.exit_code == 0
    assert "The work goes on without the cache." in found.stderr
    assert (tmp_path / "run" / "results.json").read_bytes() == (run.folder / "results.json").read_bytes()


# Output and models ----------------------------------------------------------------------------------------------------


def test_output_that_holds_something_else_is_refused(folders: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    before = helpers.tree(tmp_path)
    for place, words in ((tmp_path, "no headstart run"), (tmp_path / "thesis.txt", "is a file")):
        found = headstart("fit", folders, "-o", place, *QUICK)
        assert found.exit_code == 2
        assert words in found.stderr
    assert helpers.tree(tmp_path) == before


def test_output_below_a_file_is_refused(folders: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    found = headstart("fit", folders, "-o", tmp_path / "file" / "run", *QUICK)
    assert found.exit_code in (1, 2)
    assert "is a file, not a folder" in found.stderr


@pytest.mark.parametrize("verb", ["predict", "evaluate"])
@pytest.mark.parametrize("damage", ["changed", "newer", "missing"])
def test_a_model_that_is_damaged_or_newer_is_refused(
    verb: str, damage: str, run: Run, folders: Path, tmp_path: Path
) -> None:
    model = Path(shutil.copytree(run.folder / "model", tmp_path / "model"))
    if damage == "changed":
        content = bytearray((model / "head.safetensors").read_bytes())
        content[-3] ^= 1
        (model / "head.safetensors").write_bytes(content)
    elif damage == "newer":
        manifest = json.loads((model / "manifest.json").read_text())
        (model / "manifest.json").write_text(json.dumps({**manifest, "format": 99, "headstart": "7.0"}))
    else:
        (model / "backbone.safetensors").unlink()
    found = headstart(verb, model, folders)
    assert found.exit_code == 2
    assert {"changed": "head.safetensors", "newer": "7.0", "missing": "backbone.safetensors"}[damage] in found.stderr


@pytest.mark.parametrize("name", ["results.json", "predictions.csv", "run.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[1, 2]"])
def test_a_damaged_run_is_refused_by_the_name_of_the_file(name: str, content: bytes, run: Run, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(run.folder, tmp_path / "run"))
    (copy / name).write_bytes(content)
    found = headstart("report", copy, "-q")
    assert found.exit_code == 2, found.output
    assert name in found.stderr
    if name != "run.json":
        assert name in headstart("compare", run.folder, copy).stderr


def test_a_test_set_that_cannot_be_read_at_all(run: Run, tmp_path: Path) -> None:
    data = helpers.write_folders(tmp_path / "data", 4, seed=5)
    for path in data.rglob("*.png"):
        path.write_bytes(b"bad")
    with pytest.raises(DataError, match="None of the images can be read"):
        evaluate(run.model(), data, skip_unreadable=True)


@pytest.mark.usefixtures("empty_figures")
@pytest.mark.parametrize("name", ["Zelle (grün) #1", "a,b", 'quo"te', "=cmd()", "<b>"])
def test_strange_names_survive(name: str, tmp_path: Path) -> None:
    data = helpers.write_folders(tmp_path / "da ta", 24, classes=(name, "plain"))
    found = fit(data, tmp_path / "run", helpers.cheap_options(images=False))
    assert name in found.model().classes
    output = tmp_path / "rows.csv"
    assert headstart("predict", found.folder, data / name, "-o", output, "-q").exit_code == 0
    assert output.read_text(encoding="utf-8").count("\n") == 13
    assert f"<{name}>" not in found.report.read_text()
