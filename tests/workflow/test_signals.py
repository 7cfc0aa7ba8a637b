"""Recordings go through the one fit: judged recording by recording, from the command line too."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import helpers
import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

sys.path.append(str(Path(__file__).parents[1] / "signals"))
from made_recordings import write, write_folder

from headstart.cli import main
from headstart.errors import DataError, HeadstartError
from headstart.results.models.recordings import RecordingsJudged
from headstart.signals import SignalRecipe
from headstart.workflow.options.signals import SignalOptions
from headstart.workflow.run import rewrite_report
from headstart.workflow.signals import estimate_signals, fit_signals, show_signals

CUT = ("--window", "20s", "--reference", "30s")
FIT = ("--backbone", helpers.BACKBONE, "--weights", "random", "--input-size", "32", "--split", "nested:3x2")
SMALL = (*FIT, "--threads", "1", "--device", "cpu", "--no-baselines", "-q")


def signals(**changes: Any) -> SignalOptions:
    return SignalOptions(**({"window": "20s", "reference": "30s", "label_rule": "centre"} | changes))


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["signals", *map(str, arguments)])


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("recordings") / "ring", 6)


@pytest.mark.usefixtures("empty_figures")
def test_a_run_holds_its_recipe_and_folds_divide_recordings(ring: Path, tmp_path: Path) -> None:
    run = fit_signals(ring, tmp_path / "run", signals(stride="20s"), helpers.cheap_options(split="nested:2x2"))
    assert run.results.task.positive == "anomaly"
    assert run.results.metrics["roc_auc"].value > 0.9, "the anomaly is plain"
    assert not [text for text in run.results.warnings if "uplicate" in text]
    split = json.loads((run.folder / "split.json").read_text())
    assert len(set(split["groups"])) == 6
    for folder in (run.folder, run.folder / "model"):
        stored = json.loads((folder / "signals.json").read_text())
        recipe = SignalRecipe.from_json(stored["recipe"])
        assert (recipe.length, recipe.stride, recipe.reference, recipe.standardise) == (20, 20, 30, "reference")
        assert stored["sizes"] == pytest.approx([10, 1000], rel=0.5)
    judged = RecordingsJudged.read(run.folder / "recordings.json")
    assert [one.name for one in judged.recordings] == [f"{number}.csv" for number in range(6)]
    assert judged.pooled.confusion == tuple(
        tuple(sum(one.confusion[row][column] for one in judged.recordings) for column in (0, 1)) for row in (0, 1)
    )
    assert sum(map(sum, judged.pooled.confusion)) == 24
    assert judged.pooled.roc_auc == pytest.approx(run.results.metrics["roc_auc"].value)
    assert {one.event_s for one in judged.recordings} == {((60.0, 120.0),)}
    assert all(one.time_s == (50.0, 70.0, 90.0, 110.0) for one in judged.recordings)
    for one in judged.recordings:
        seconds = np.zeros(120, dtype=bool)
        for first, last in one.alarm_s:
            seconds[int(first) : int(last)] = True
        assert one.events.normal_hours_in_alarm == pytest.approx(seconds[:60].sum() / 3600)
    report = run.report.read_text()
    assert "Recordings: events and alarms" in report
    assert "Events found: 6 of 6" in report
    before = helpers.tree(run.folder)
    again = fit_signals(ring, tmp_path / "run", signals(stride="20s"), helpers.cheap_options(split="nested:2x2"))
    assert again.headline == run.headline
    assert {name for name, content in helpers.tree(run.folder).items() if before[name] != content} == set()


@pytest.mark.usefixtures("empty_figures")
def test_a_report_written_again_finds_its_windows_and_without_images_names_no_recording(
    ring: Path, tmp_path: Path
) -> None:
    options = helpers.cheap_options(split="nested:2x2")
    run = fit_signals(ring, tmp_path / "run", signals(stride="20s", channels=("pressure", "speed")), options)
    n_pictures = run.report.read_text().count("data:image/jpeg")
    assert n_pictures > 10
    heard = helpers.Notes()
    rewrite_report(run.folder, progress=heard)
    assert (run.report.read_text().count("data:image/jpeg"), heard.texts) == (n_pictures, [])
    rewrite_report(run.folder, images=False)
    assert "3.csv" not in run.report.read_text()
    assert "recording 4" in run.report.read_text()
    stored = json.loads((run.folder / "run.json").read_text())
    stored["source"]["data"]["recordings"] = str(tmp_path / "gone")
    (run.folder / "run.json").write_text(json.dumps(stored))
    rewrite_report(run.folder, progress=heard)
    assert len(heard.texts) == 1
    assert "The report is written without pictures" in heard.texts[0]


@pytest.mark.usefixtures("no_figures")
def test_notes_on_recordings_are_told_once(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "ring", 4)
    text = (root / "0.csv").read_text().splitlines()
    (root / "0.csv").write_text("\n".join([*text[:40], *text[41:]]) + "\n")
    found = call("fit", root, *CUT, "--stride", "20s", *SMALL, "-o", tmp_path / "run")
    assert found.exit_code == 0, found.output
    assert found.output.count("resampled to one sample") == 1
    assert "Events found: 4 of 4" in found.stdout
    planned = call("fit", root, *CUT, *SMALL, "-o", tmp_path / "other", "--estimate")
    assert planned.output.count("resampled to one sample") == 1


@pytest.mark.usefixtures("no_figures")
def test_windows_are_standardised_in_every_fold_and_in_the_bundle(ring: Path, tmp_path: Path) -> None:
    given = signals(reference=None, stride="30s", standardise="training", statistics=False)
    run = fit_signals(ring, tmp_path / "run", given, helpers.cheap_options(split="nested:2x2", baselines=True))
    names = {one.name for one in run.results.transfer.baselines}
    assert names >= {"signal_statistics", "signal_clock", "handcrafted_forest", "majority"}
    assert "A rule that calls every window anomaly has an F1 score of 0." in " ".join(run.results.transfer.notes)
    model = run.model()
    assert model.preparation.settings()["name"] == "signal_standardising"
    from headstart.signals import read

    dataset = read(ring, **given.reading())
    predicted = model.predict_proba(dataset)
    assert predicted.shape == (len(dataset), 2)
    assert np.isfinite(predicted).all()


@pytest.mark.usefixtures("no_figures")
def test_pictures_of_windows_are_fine_tuned_without_the_statistics_beside_them(ring: Path, tmp_path: Path) -> None:
    tuning = helpers.cheap_options(split="nested:2x2", strategy="fine-tune", fine_tuning="epochs=1")
    with pytest.raises(HeadstartError, match=r"sees pictures alone.*Add --no-statistics"):
        fit_signals(ring, tmp_path / "run", signals(), tuning)
    assert not (tmp_path / "run").exists()
    run = fit_signals(ring, tmp_path / "run", signals(stride="30s", statistics=False), tuning)
    assert run.results.fine_tuning is not None
    assert len(RecordingsJudged.read(run.folder / "recordings.json").recordings) == 6


def test_an_estimate_writes_nothing(ring: Path, tmp_path: Path) -> None:
    plan = estimate_signals(ring, tmp_path / "run", signals(stride="20s"), helpers.cheap_options(split="nested:2x2"))
    assert plan["images"] == 6 * 4
    assert not (tmp_path / "run").exists()


def test_show_draws_windows_of_every_class(ring: Path, tmp_path: Path) -> None:
    shown = show_signals(ring, tmp_path / "sheet.png", signals(image="matrix"))
    assert [one["recording"] for one in shown.rows()] == [f"{number}.csv" for number in range(6)]
    assert {one["windows"] for one in shown.rows()} == {8}
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size[0] > 900
    found = call("show", ring, *CUT, "-o", tmp_path / "again.png")
    assert found.exit_code == 0
    assert f"Next: headstart signals fit {ring} --window 20s --reference 30s -o RUN" in found.stdout
    assert json.loads(call("show", ring, *CUT, "-o", tmp_path / "b.png", "--json").stdout)["recipe"]["length"] == 20


@pytest.mark.usefixtures("no_figures")
def test_the_three_commands_from_nothing(tmp_path: Path) -> None:
    simulated = call("simulate", "-o", tmp_path / "ring", "--recordings", 6, "--minutes", 12, "--events-per-hour", 20)
    assert simulated.exit_code == 0
    assert "Simulated, not measured: 6 recordings of 12 minutes" in simulated.stdout
    cut = ("--window", "60s", "--stride", "60s", "--reference", "300s")
    planned = call("fit", tmp_path / "ring", *cut, *SMALL, "-o", tmp_path / "run", "--estimate")
    assert planned.exit_code == 0, planned.output
    assert not (tmp_path / "run").exists()
    again = call("simulate", "-o", tmp_path / "ring")
    assert again.exit_code == 2
    assert "is there already" in again.stderr


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("time,p\n0,1\n1,off\n", (), "holds 'off' in row 3"),
        ("time,p\n0,1\n1,2\n2,3\n", (), "do not fit into its 3 s behind the first 30 s"),
        ("time,p\n1,1\n0,2\n", (), "runs backwards"),
        ("time,p\n0,1\n1,2\n", ("--image", "cube"), "do not fit"),
        ("time,p\n0,1\n1,2\n", ("--rate", "0"), "0"),
        ("time,p\n0,1\n1,2\n", ("--channels", "q"), "channel 'q'"),
    ],
)
def test_bad_input_is_refused_and_nothing_written(
    tmp_path: Path, text: str, options: tuple[str, ...], message: str
) -> None:
    write(tmp_path / "in" / "a.csv", text)
    for verb, output in (("fit", "run"), ("show", "sheet.png")):
        found = call(verb, tmp_path / "in", *CUT, *options, *(SMALL if verb == "fit" else ()), "-o", tmp_path / output)
        assert found.exit_code == 2
        assert message in found.stderr
        assert "Traceback" not in found.output
        assert not (tmp_path / output).exists()


def test_recordings_without_labels_and_outputs_among_them_are_refused(ring: Path, tmp_path: Path) -> None:
    write(tmp_path / "in" / "a.csv", "time,p\n" + "".join(f"{n},{n % 3}\n" for n in range(600)))
    with pytest.raises(DataError, match="tells no labels"):
        fit_signals(tmp_path / "in", tmp_path / "run", signals(), helpers.options())
    with pytest.raises(HeadstartError, match="lies inside the data"):
        fit_signals(ring, ring / "run", signals(), helpers.options())
    with pytest.raises(HeadstartError, match=r"ends with \.png"):
        show_signals(ring, tmp_path / "sheet.jpg", signals())
