"""The command line: every verb answers, exit codes tell, stdout holds results alone, help is light."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import helpers
import numpy as np
import pytest
from click.testing import CliRunner, Result

from headstart import compare, load_model
from headstart.backbones.registry import ENTRIES
from headstart.cli import main
from headstart.cli.plan import note_start, planned
from headstart.workflow.run import Run

NETWORK = ["--backbone", helpers.BACKBONE, "--weights", "random", "--device", "cpu", "--threads", "1"]
QUICK = [*NETWORK, "--input-size", str(helpers.SIDE), "--split", "nested:3x2", "--no-cache", "--no-baselines"]
QUICK += ["--study", str(helpers.STUDY)]
VERBS = ("check", "fit", "predict", "evaluate", "compare", "report", "backbones", "demo", "cache")


def headstart(*arguments: object, code: int = 0) -> Result:
    """Run a command in this process; any exception but an exit is an error of ours."""
    found = CliRunner().invoke(main, [str(argument) for argument in arguments])
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    assert found.exit_code == code, found.output
    assert "Traceback" not in found.output
    return found


def last_line(found: Result) -> str:
    return found.stdout.rstrip().splitlines()[-1]


# Light and plain ------------------------------------------------------------------------------------------------------

LIGHT = """
import sys
{code}
heavy = sorted({{"torch", "sklearn", "matplotlib", "timm", "scipy", "pandas", "pyarrow"}} & set(sys.modules))
print(heavy)
"""


@pytest.mark.parametrize(
    "code",
    [
        "import headstart; dir(headstart); headstart.__version__",
        "from headstart.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass",
        "from headstart.cli import main\ntry: main(['fit', '--help'])\nexcept SystemExit: pass",
    ],
    ids=["import", "help", "fit help"],
)
def test_nothing_heavy_is_imported(code: str) -> None:
    command = [sys.executable, "-c", LIGHT.format(code=code)]
    found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout.splitlines()[-1] == "[]"


def test_the_test_above_can_fail() -> None:
    command = [sys.executable, "-c", LIGHT.format(code="import headstart, scipy")]
    assert "scipy" in subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def test_help_lists_the_verbs_in_the_order_of_the_work() -> None:
    text = headstart("--help").stdout
    places = [text.index(f"\n  {verb} ") for verb in VERBS]
    assert places == sorted(places)


@pytest.mark.parametrize("verb", [*VERBS, "cache info", "cache verify", "cache clear"])
def test_every_option_of_every_verb_is_explained(verb: str) -> None:
    assert headstart(*verb.split(), "--help").stdout.startswith("Usage: ")
    command: Any = main
    for name in verb.split():
        command = command.get_command(click.Context(command), name)
    assert command.help
    for option in command.params:
        if option.param_type_name == "option":
            assert option.help, option.name
            assert option.help.endswith((".", "]")), option.name


def test_a_mistyped_command_is_answered_with_the_likeliest() -> None:
    assert "No such command 'fti'. Did you mean 'fit'?" in headstart("fti", code=2).stderr


def test_module_and_version() -> None:
    command = [sys.executable, "-m", "headstart", "--version"]
    found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout.startswith("headstart, version ")


@pytest.mark.parametrize("arguments", [["fti"], ["fit"], ["fit", "x", "-o", "y", "--seed", "-1"], ["report"]])
def test_misuse_leaves_with_2(arguments: list[str]) -> None:
    found = headstart(*arguments, code=2)
    assert found.stdout == ""
    assert "Usage" in found.stderr


# Fit ------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fitted(folders: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    output = tmp_path_factory.mktemp("with space") / "run"
    with helpers.no_figures():
        return output, headstart("fit", folders, "-o", output, *QUICK)


def test_fit_ends_with_the_result_the_report_and_the_next_command(fitted: tuple[Path, Result], run: Run) -> None:
    output, found = fitted
    lines = found.stdout.rstrip().splitlines()
    assert " ".join(lines[:-2]).endswith(f" {run.headline}")  # broken between words where the terminal ends
    assert lines[-2] == f"Report: {output / 'report.html'}"
    assert lines[-1] == f"Next: headstart predict '{output / 'model'}' NEW_IMAGES/"
    assert "Balanced accuracy" in found.stdout
    assert "Warning: Fewer than 30 images" in found.stderr
    assert "Warning" not in found.stdout


def test_command_line_and_python_give_the_same_bytes(fitted: tuple[Path, Result], run: Run) -> None:
    for name in ("results.json", "predictions.csv"):
        assert (fitted[0] / name).read_bytes() == (run.folder / name).read_bytes()


def test_fit_again_says_that_nothing_is_left_to_do(fitted: tuple[Path, Result], folders: Path) -> None:
    found = headstart("fit", folders, "-o", fitted[0], *QUICK, "--json", "-q")
    assert json.loads(found.stdout) == json.loads((fitted[0] / "results.json").read_text())
    assert found.stderr == f"{fitted[0]} is complete; nothing is left to do.\n"


def test_other_run_in_the_folder_leaves_with_2(fitted: tuple[Path, Result], folders: Path) -> None:
    found = headstart("fit", folders, "-o", fitted[0], *QUICK, "--seed", "3", code=2)
    assert found.stdout == ""
    assert "Error: " in found.stderr
    assert "options.seed is 0 there, 3 here" in found.stderr


def test_estimate_writes_nothing(folders: Path, tmp_path: Path) -> None:
    found = headstart("fit", folders, "-o", tmp_path / "run", *QUICK, "--estimate")
    assert last_line(found) == "Nothing was written. Next: the same command without --estimate"
    plan = json.loads(headstart("fit", folders, "-o", tmp_path / "run", *QUICK, "--estimate", "--json").stdout)
    assert plan["images"] == 48
    assert {"start", "audit", "backbone"} <= set(plan["seconds"])
    assert plan["total_minutes"] == pytest.approx(sum(plan["seconds"].values()) / 60, abs=0.06)
    assert list(tmp_path.iterdir()) == []


def test_a_plan_counts_the_start_of_the_command_among_its_steps() -> None:
    with click.Context(click.Command("fit")) as context:
        note_start(context)
        context.meta["headstart.start"] -= 90  # the libraries took so long
        plan = planned(lambda: {"seconds": {"audit": 30.0}, "total_minutes": 0.5}).document()
    assert plan == {"seconds": {"start": pytest.approx(90, abs=1), "audit": 30.0}, "total_minutes": 2.0}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--folds", "3", "--split", "nested:4x3"], "give one of the two"),
        (["--cache", "x", "--no-cache"], "give one of the two"),
        (["--metric", "acc"], "Unknown metric 'acc'"),
        (["--backbone", "vgg91", "--weights", "random"], "Did you mean 'vgg19'"),
        (["--weights", "nowhere.pth"], "nowhere.pth: no such file of weights"),
        (["--positive", "x"], "Unknown class 'x'"),
        (["--split", "nested:99x4"], "Use "),
        (["--split", "nowhere.json"], "nowhere.json"),
        (["--group-from", "("], "regular expression"),
    ],
)
def test_mistakes_are_answered_in_words(options: list[str], message: str, folders: Path, tmp_path: Path) -> None:
    base = ["--backbone", helpers.BACKBONE, "--device", "cpu"]
    found = headstart("fit", folders, "-o", tmp_path / "run", *base, *options, code=2)
    assert message in found.stderr
    assert found.stdout == ""
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("no_figures")
def test_leakage_tax_is_shown(tmp_path: Path) -> None:
    data = helpers.write_folders(tmp_path / "data")
    command = ["fit", data, "-o", tmp_path / "run", *QUICK, "--group-from", r"(\d\d)\d\.png", "--leakage-tax", "-q"]
    found = headstart(*command)
    assert "Optimism from ignoring groups" in found.stdout
    assert "groups ignored" in found.stdout


# Check ----------------------------------------------------------------------------------------------------------------


def test_check_names_the_next_command_with_its_options(tmp_path: Path) -> None:
    data = helpers.write_folders(tmp_path / "my data")
    rows = [{"file": f"calm/{path.name}", "what": "calm"} for path in sorted((data / "calm").iterdir())]
    rows += [{"file": f"rough/{path.name}", "what": "rough"} for path in sorted((data / "rough").iterdir())]
    table = helpers.write_table(data / "table.csv", rows)
    options = ["--image-column", "file", "--label-column", "what"]
    found = headstart("check", table, *options, *NETWORK, "--no-cache")
    assert last_line(found) == f"Next: headstart fit '{table}' --image-column file --label-column what -o runs/first"
    assert "48 images, 0 unreadable" in found.stdout


def test_check_lists_bad_files_and_leaves_with_1(tmp_path: Path) -> None:
    data = helpers.write_folders(tmp_path / "data", 20)
    (data / "calm" / "002.png").write_bytes(b"nothing")
    found = headstart("check", data, "--no-features", "-q", code=1)
    assert "calm/002.png" in found.stdout
    as_json = json.loads(headstart("check", data, "--no-features", "--json", code=1).stdout)
    assert [entry["image"] for entry in as_json["unreadable"]] == ["calm/002.png"]


# Predict --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def new_images(tmp_path: Path) -> Path:
    """Six images, one of them in a folder below, one broken; and a text file."""
    folder = tmp_path / "new"
    for row, pixels in enumerate(helpers.noise(6, seed=9)):
        helpers.write_image(folder / ("below" if row == 5 else "") / f"{row}.png", pixels)
    (folder / "2.png").write_bytes((folder / "2.png").read_bytes()[:90])
    (folder / "notes.txt").write_text("not an image")
    return folder


def read_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_predict_gives_one_row_per_file_whatever_it_is_like(
    fitted: tuple[Path, Result], new_images: Path, folders: Path
) -> None:
    missing = new_images / "missing.png"
    inputs = [new_images, missing, new_images / "0.png", str(folders / "calm" / "00*.png"), new_images / "notes.txt"]
    found = headstart("predict", fitted[0], *inputs, code=1)
    rows = read_csv(found.stdout)
    names = [Path(row["image"]).name for row in rows]
    assert names[:6] == ["0.png", "1.png", "2.png", "3.png", "4.png", "5.png"]
    assert names[6] == "missing.png"
    assert names[7:-1] == sorted(path.name for path in (folders / "calm").glob("00*.png"))  # 0.png is not repeated
    status = {Path(row["image"]).name: row["status"] for row in rows}
    assert status["missing.png"] == "no such file"
    bad = [row for row in rows if row["status"] != "ok"]
    assert {Path(row["image"]).name for row in bad} == {"2.png", "missing.png", "notes.txt"}
    assert all(row["predicted"] == row["probability:calm"] == "" for row in bad)
    assert "Inputs that could not be read: 3" in found.stderr
    batches = load_model(fitted[0]).on_machine(batch_size=16)  # one picture alone would not go through in a batch
    expected = batches.predict_proba([new_images / "3.png"])[0]
    assert [float(rows[3]["probability:calm"]), float(rows[3]["probability:rough"])] == expected.tolist()


def test_predict_writes_json_lines_and_files(fitted: tuple[Path, Result], new_images: Path, tmp_path: Path) -> None:
    found = headstart("predict", fitted[0] / "model", new_images, "--json-lines", code=1)
    rows = [json.loads(line) for line in found.stdout.splitlines()]
    assert [row["status"] == "ok" for row in rows] == [True, True, False, True, True, True]
    assert sum(rows[0]["probabilities"].values()) == pytest.approx(1)
    assert (rows[2]["predicted"], rows[2]["probabilities"]) == (None, {})
    output = tmp_path / "out" / "rows.csv"
    good = [new_images / "0.png", new_images / "1.png"]
    written = headstart("predict", fitted[0], *good, "-o", output, "-q")
    assert written.stdout.startswith(f"Wrote {output}\nNext, with labelled images: headstart evaluate ")
    assert written.stderr == ""
    assert [row["predicted"] for row in read_csv(output.read_text())] == [row["predicted"] for row in rows[:2]]


@pytest.mark.parametrize("name", ["no/such/*.png", "empty"])
def test_predict_without_any_image_leaves_with_2(fitted: tuple[Path, Result], name: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    found = headstart("predict", fitted[0], tmp_path / name, "-o", tmp_path / "rows.csv", code=2)
    assert "no images there" in found.stderr
    assert not (tmp_path / "rows.csv").exists()


def test_names_no_file_system_takes_get_a_row_too(fitted: tuple[Path, Result]) -> None:
    found = headstart("predict", fitted[0], "x" * 5000 + ".png", "y" * 5000 + ".png", code=1)
    assert [row["status"] for row in read_csv(found.stdout)] == ["the path is longer than the file system allows"] * 2


def test_predict_without_a_model_leaves_with_2(tmp_path: Path) -> None:
    assert "holds no model" in headstart("predict", tmp_path, "a.png", code=2).stderr


# Evaluate, compare, report -------------------------------------------------------------------------------------------


def test_evaluate(fitted: tuple[Path, Result], tmp_path: Path) -> None:
    outside = helpers.write_folders(tmp_path / "outside", 30, seed=77)
    found = headstart("evaluate", fitted[0], outside)
    assert last_line(found).startswith("Next: headstart predict ")
    assert "sd across folds" not in found.stdout
    as_json = json.loads(headstart("evaluate", fitted[0], outside, "--json", "-q").stdout)
    assert f"{as_json['metrics']['accuracy']['value']:.3f}" in found.stdout


def test_evaluate_refuses_training_data(fitted: tuple[Path, Result], folders: Path) -> None:
    assert "used to train this model" in headstart("evaluate", fitted[0], folders, code=2).stderr


@pytest.mark.usefixtures("no_figures")
def test_compare(fitted: tuple[Path, Result], folders: Path, tmp_path: Path) -> None:
    second = tmp_path / "second"
    split = ["--split", fitted[0] / "split.json", "--resize", "pad", "-q"]
    headstart("fit", folders, "-o", second, *[part for part in QUICK if part not in ("--split", "nested:3x2")], *split)
    found = headstart("compare", fitted[0], second)
    assert last_line(found) == f"Next: headstart report {second}"
    as_json = json.loads(headstart("compare", fitted[0], second, "--json").stdout)
    assert as_json == compare(fitted[0], second).to_json()
    assert "results.json" in headstart("compare", fitted[0], tmp_path, code=2).stderr


@pytest.mark.usefixtures("empty_figures")
def test_report(fitted: tuple[Path, Result], tmp_path: Path) -> None:
    copy = Path(shutil.copytree(fitted[0], tmp_path / "run"))
    (copy / "report.html").unlink()
    found = headstart("report", copy, "--no-images", "-q")
    assert found.stdout.startswith(f"Report: {copy / 'report.html'}\nNext: ")
    assert (copy / "report.html").is_file()
    assert "no headstart run" in headstart("report", tmp_path, code=2).stderr


# The rest -------------------------------------------------------------------------------------------------------------


def test_backbones() -> None:
    found = headstart("backbones")
    assert all(name in found.stdout for name in ENTRIES)
    assert last_line(found) == "Next: headstart fit DATA -o runs/first --backbone NAME"
    assert {row["name"] for row in json.loads(headstart("backbones", "--json").stdout)} == set(ENTRIES)


def test_cache(folders: Path, tmp_path: Path) -> None:
    from headstart.data import ImageDataset
    from headstart.features.cache import FeatureCache
    from headstart.features.extract import extract_features

    place = ["--cache", tmp_path / "cache"]
    extract_features(ImageDataset.from_folder(folders), helpers.extractor(), cache=FeatureCache(tmp_path / "cache"))
    info = json.loads(headstart("cache", "info", *place, "--json").stdout)
    assert (info["n_rows"], info["n_settings"]) == (48, 1)
    assert str(tmp_path / "cache") in headstart("cache", "info", *place).stdout.replace("\n", "")
    assert headstart("cache", "verify", *place).stdout == "Every file of the cache is whole.\n"
    (shard,) = (tmp_path / "cache").rglob("*.safetensors")
    shard.write_bytes(b"damaged")
    assert "removed: 1 file." in headstart("cache", "verify", *place, code=1).stdout
    refused = CliRunner().invoke(main, ["cache", "clear", *map(str, place)], input="n\n")
    assert refused.exit_code == 1
    assert headstart("cache", "clear", *place, "--yes").stdout.startswith("Freed ")
    assert json.loads(headstart("cache", "info", *place, "--json").stdout)["n_rows"] == 0


def test_demo_without_its_images_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headstart.samples.solar_cells.importlib.util.find_spec", lambda name: None)
    found = headstart("demo", "-o", tmp_path / "run", code=2)
    assert 'pip install "headstart[demo]"' in found.stderr
    assert not (tmp_path / "run").exists()


def test_cells_of_the_demo() -> None:
    import importlib.util

    if importlib.util.find_spec("elpv_dataset") is None:
        pytest.skip("the package elpv-dataset is not installed")
    from headstart.samples.solar_cells import solar_cells

    cells = solar_cells()
    dataset = cells.dataset(cells.probability > 0.5)
    assert len(dataset) == 2624
    assert np.bincount(dataset.labels).tolist() == [1803, 821]  # published counts: 1508 + 295, 106 + 715
    assert dataset.load(0).size == (300, 300)


def test_interrupting_leaves_with_130(folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*args: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("headstart.workflow.job.audit.audit_dataset", interrupted)
    found = headstart("fit", folders, "-o", tmp_path / "run", *QUICK, code=130)
    assert "The same command goes on from there" in found.stderr


def test_interrupting_before_the_command_begins_leaves_with_130_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*args: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(click.Group, "parse_args", interrupted)
    found = headstart("doctor", code=130)
    assert found.stderr.strip() == "Interrupted before anything was done."


def test_a_closed_pipe_is_no_traceback(fitted: tuple[Path, Result], folders: Path) -> None:
    command = f'"{sys.executable}" -m headstart predict "{fitted[0]}" "{folders}" --json-lines | head -1'
    found = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=120)
    assert len(found.stdout.splitlines()) == 1
    assert "Traceback" not in found.stderr
