"""Labels from table to report: raters, soft labels, weights, label issues of a run."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import helpers
import numpy as np
import pytest
from click.testing import CliRunner, Result
from label_tables import (
    images,
    soft_rows,
    table,
    weighted_rows,
    wide_rows,
)

from headstart.cli import main
from headstart.data import ImageDataset, read_dataset
from headstart.errors import DataError, HeadstartError, SplitError


def test_a_fold_whose_weights_are_all_zero_is_refused_by_name(tmp_path: Path) -> None:
    """A split.json that was drawn without weights may leave a part of it with nothing that counts."""
    from headstart import fit
    from headstart.data.split.make import split_dataset
    from headstart.data.split.split_file import write_split

    rows = weighted_rows(tmp_path, [1.0] * 24)
    split = split_dataset(read_dataset(table(tmp_path, rows)), scheme="nested:3x2")
    write_split(tmp_path / "split.json", split)
    for row, fold in zip(rows, split.fold_of(0).tolist(), strict=True):
        row["weight"] = float(fold == 1)  # nothing that trains where the second fold is judged
    dataset = read_dataset(table(tmp_path, rows))
    with pytest.raises(
        SplitError, match=r"split.json: all 16 images that train in outer fold 2 have weight 0, such as"
    ):
        fit(dataset, tmp_path / "run", helpers.options(split=str(tmp_path / "split.json")))
    assert not (tmp_path / "run").exists()


def headstart(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def rated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A finished run on images that three raters labelled: two agree mostly, the third guesses; two repeats."""
    from headstart import DataSource, fit

    root = tmp_path_factory.mktemp("rated")
    generator = np.random.default_rng(5)
    rows = []
    for number, row in enumerate(images(root, 48)):
        truth = number % 2
        for rater, share in (("anna", 0.05), ("ben", 0.1), ("carl", 0.4)):
            if generator.random() < 0.8:
                label = helpers.CLASSES[truth ^ int(generator.random() < share)]
                rows.append({"image": row["image"], "rater": rater, "label": label})
    path = table(root, rows)
    with helpers.empty_figures():
        run = fit(DataSource(str(path)), root / "run", helpers.cheap_options(repeats=2))
    return path, run


def test_check_tells_how_far_raters_agree(rated: tuple[Path, Any]) -> None:
    path, _ = rated
    done = headstart("check", path, "--no-features", "--quiet")
    assert done.exit_code == 0, done.output
    assert "Krippendorff's alpha, classes without order: 0." in done.output
    assert "images of each rater: anna" in done.output and "are tied" in done.output
    found = json.loads(headstart("check", path, "--no-features", "--quiet", "--json").stdout)["agreement"]
    low, high = found["alpha_nominal"]["ci95"]
    assert 0 < low < found["alpha_nominal"]["value"] < high < 1 and found["alpha_ordinal"] is None


def test_options_of_labels_reach_the_reader(tmp_path: Path) -> None:
    path = table(tmp_path, wide_rows(tmp_path))
    done = headstart(
        "check", path, "--rater-columns", "anna,ben,carl", "--votes", "shares", "--no-features", "--json", "-q"
    )
    assert json.loads(done.stdout)["agreement"]["n_tied"] == 1
    said = headstart(
        "check", path, "--rater-columns", "anna,ben,carl", "--classes", "rough,calm", "--no-features", "-q"
    )
    assert "classes: rough 3, calm 2" in said.output
    assert "--rater-columns anna,ben,carl --classes rough,calm" in said.output  # the next command
    soft = table(tmp_path, [{**row, "q_calm": 0.9, "q_rough": 0.1} for row in images(tmp_path, 4)])
    done = headstart("check", soft, "--soft-prefix", "q_", "--no-features", "-q")
    assert "classes: calm 4, rough 0" in done.output
    refused = headstart("check", tmp_path / "calm", "--votes", "shares")
    assert refused.exit_code == 2 and "no option 'votes'" in refused.output


def test_a_run_lists_its_label_issues(rated: tuple[Path, Any]) -> None:
    _, run = rated
    labels = run.results.labels
    with (run.folder / "label_issues.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert labels.issues.n_listed == len(rows) > 0
    assert [int(row["rank"]) for row in rows] == list(range(1, len(rows) + 1))
    confidence = [float(row["self_confidence"]) for row in rows]
    assert confidence == sorted(confidence)
    first, entry = rows[0], labels.issues.top[0]
    assert first["image"] == entry.image and first["label"] != first["suggested"]
    assert float(first["margin"]) == entry.probability - entry.self_confidence > 0
    assert 0 <= int(first["repeats_agree"]) <= int(first["repeats"]) == 2 and first["votes"]
    assert labels.n_soft == run.results.audit.agreement.n_tied
    assert sum(map(sum, labels.issues.confident_joint)) <= labels.issues.n_judged == 48


def test_the_list_is_what_the_predictions_of_the_run_say(rated: tuple[Path, Any]) -> None:
    """Remade from predictions.csv by the plain definition."""
    _, run = rated
    rows = list(csv.DictReader(io.StringIO((run.folder / "predictions.csv").read_text())))
    names = sorted({row["image"] for row in rows})
    mean = {name: np.mean([float(row["probability:rough"]) for row in rows if row["image"] == name]) for name in names}
    label = {row["image"]: row["label"] for row in rows}
    threshold = {
        "rough": np.mean([mean[name] for name in names if label[name] == "rough"]),
        "calm": np.mean([1 - mean[name] for name in names if label[name] == "calm"]),
    }
    wrong = [name for name in names if label[name] == "calm" and mean[name] >= max(threshold["rough"], 0.5)]
    wrong += [name for name in names if label[name] == "rough" and 1 - mean[name] >= max(threshold["calm"], 0.5)]
    listed = {row["image"] for row in csv.DictReader(io.StringIO((run.folder / "label_issues.csv").read_text()))}
    assert listed == set(wrong)


@pytest.mark.usefixtures("empty_figures")
def test_the_report_shows_label_issues_and_agreement(rated: tuple[Path, Any], tmp_path: Path) -> None:
    import re
    import shutil

    from headstart.workflow.run import rewrite_report

    _, run = rated
    page = run.report.read_text(encoding="utf-8")
    section = page[page.index('id="labels"') :]
    section = section[: section.index("<section", 10)] if "<section" in section[10:] else section
    first = run.results.labels.issues.top[0]
    assert "The images were labelled by 3 raters; Krippendorff's alpha was 0." in page.replace("&#39;", "'")
    assert "Computing Krippendorff" in page[page.index('id="methods"') :]
    assert "not a correction" in section and first.image in section and "Krippendorff" in section
    pictured = section.count("data:image/jpeg") + section.count("its picture stands further up")
    assert pictured == min(12, run.results.labels.issues.n_listed)
    assert "of 2 repeats agree" in section and re.search(r"votes: \w+ \d", section)
    copy = tmp_path / "run"
    shutil.copytree(run.folder, copy)
    rewrite_report(copy, images=False)
    hidden = (copy / "report.html").read_text(encoding="utf-8")
    assert "rank 1" in hidden and "data:image/jpeg" not in hidden
    assert not [row.image for row in run.results.labels.issues.top if row.image in hidden]


def test_runs_without_raters_say_nothing_of_them(run: Any) -> None:
    assert run.results.audit.agreement is None and run.results.labels.n_soft is None
    assert "Krippendorff" not in run.report.read_text(encoding="utf-8")
    header = (run.folder / "label_issues.csv").read_text().splitlines()[0]
    assert header == "rank,image,label,suggested,self_confidence,probability,margin,repeats_agree,repeats"


def test_errors_of_labels_leave_no_traceback(tmp_path: Path) -> None:
    rows = [{**row, "p:calm": 0.5, "p:rough": 0.6} for row in images(tmp_path, 4)]
    done = headstart("fit", table(tmp_path, rows), "-o", tmp_path / "run")
    assert done.exit_code == 2 and "do not sum to one" in done.output and not (tmp_path / "run").exists()
    assert issubclass(DataError, HeadstartError)


@pytest.mark.usefixtures("empty_figures")
def test_soft_labels_are_trained_on_and_hard_ones_judged(tmp_path: Path) -> None:
    from headstart import fit

    dataset = read_dataset(table(tmp_path, soft_rows(tmp_path)))
    hard = ImageDataset.from_files([tmp_path / name for name in dataset.names], dataset.label_names())
    soft_run = fit(dataset, tmp_path / "soft", helpers.cheap_options(split="nested:2x2"))
    hard_run = fit(hard, tmp_path / "hard", helpers.cheap_options(split="nested:2x2"))
    assert soft_run.results.labels.n_soft == 16 and hard_run.results.labels.n_soft is None
    assert soft_run.results.task.class_counts == hard_run.results.task.class_counts

    def spread(run: Any) -> float:
        rows = csv.DictReader(io.StringIO((run.folder / "predictions.csv").read_text()))
        return float(np.std([float(row["probability:rough"]) for row in rows]))

    assert spread(soft_run) != spread(hard_run)
    assert "16 of 24 images are shared between classes" in soft_run.report.read_text(encoding="utf-8").replace(
        "\n", " "
    )
