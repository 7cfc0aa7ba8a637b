"""Ordered classes from the command line to the bundle."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path
from typing import Any

import helpers
import numpy as np
import pytest
from click.testing import CliRunner

from headstart import ImageDataset, fit, load_model
from headstart.cli import main
from headstart.decisions import read_costs
from headstart.errors import InputError
from headstart.report import write_report
from headstart.results import RunResults
from headstart.storage import write_json
from headstart.workflow import compare, evaluate
from headstart.workflow.options.search_space import search_space
from headstart.workflow.run import Run

ORDER = ("low", "middle", "high")
COSTS = ",high,low,middle\nmiddle,1,3,0\nlow,2,0,1\nhigh,0,10,4\n"
STUDY = """
[[head]]
kind = "cumulative"
C = [0.01, 0.1]

[[head]]
kind = "corn"
C = 0.1
"""


def graded(n_images: int = 54, *, seed: int = 0) -> ImageDataset:
    """Grey noise whose strength rises with the class."""
    pixels = helpers.noise(n_images, seed=seed, spread=(20.0, 23.0, 26.0))
    return ImageDataset.from_arrays(pixels, helpers.labels_of(n_images, ORDER))


@pytest.fixture(scope="module")
def ordinal_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("ordinal")
    costs = helpers.write_text(folder / "costs.csv", COSTS)
    study = helpers.write_text(folder / "study.toml", STUDY)
    made = helpers.options(
        ordinal="low,middle,high", metric="quadratic_kappa", conformal=0.7, costs=costs, study=str(study)
    )
    with helpers.empty_figures():
        return fit(graded(), folder / "run", made)


def table(run: Run) -> list[dict[str, str]]:
    with (run.folder / "predictions.csv").open(newline="") as lines:
        return list(csv.DictReader(lines))


def test_results_hold_the_order_and_its_scores(ordinal_run: Run) -> None:
    found = RunResults.read(ordinal_run.folder / "results.json")
    assert found.task.classes == ORDER and found.task.ordered
    assert found.protocol.choose_by == "quadratic_kappa"
    kappa = found.metrics["quadratic_kappa"]
    assert kappa.value > 0.5 and kappa.ci95[0] < kappa.value < kappa.ci95[1]
    assert [one.above for one in found.ordinal.thresholds] == ["low", "middle"]
    assert found.final_model.label.startswith(("cumulative", "CORN"))
    assert {fold.chosen.kind for fold in found.folds} <= {"cumulative", "corn"}


def test_predicted_classes_are_of_the_least_expected_cost(ordinal_run: Run, tmp_path: Path) -> None:
    costs = read_costs(helpers.write_text(tmp_path / "costs.csv", COSTS)).in_order(ORDER).array
    rows = table(ordinal_run)
    probabilities = np.array([[float(row[f"probability:{name}"]) for name in ORDER] for row in rows])
    expected = [ORDER[code] for code in (probabilities @ costs).argmin(axis=1)]
    assert [row["predicted"] for row in rows] == expected
    labels = np.array([ORDER.index(row["label"]) for row in rows])
    chosen = np.array([ORDER.index(name) for name in expected])
    scores = ordinal_run.results.decisions.class_rule
    assert scores.mean_cost.value == pytest.approx(costs[labels, chosen].mean())
    assert scores.most_probable_cost.value == pytest.approx(costs[labels, probabilities.argmax(axis=1)].mean())
    (line, _) = ordinal_run.results.decisions.lines
    assert line.startswith("Decided by the least expected cost: accuracy")


def test_sets_are_intervals(ordinal_run: Run) -> None:
    found = [json.loads(row["set"]) for row in table(ordinal_run)]
    intervals = [list(ORDER[low:high]) for low in range(3) for high in range(low + 1, 4)]
    assert all(one in intervals for one in found)


def test_the_bundle_knows_order_costs_and_intervals(ordinal_run: Run) -> None:
    model = load_model(ordinal_run.folder)
    assert model.ordered and model.classes == ORDER and model.decisions.conformal.intervals
    assert json.loads((ordinal_run.folder / "model" / "manifest.json").read_text())["format"] == 9
    test_set = graded(30, seed=9)
    probabilities, predicted = model.predict_proba(test_set), model.predict(test_set)
    costs = np.array(model.decisions.class_rule.costs.values)
    assert predicted.tolist() == [ORDER[code] for code in (probabilities @ costs).argmin(axis=1)]
    found = evaluate(model, test_set)
    assert found.metrics["quadratic_kappa"].value > 0.3 and len(found.ordinal.thresholds) == 2
    assert found.class_rule.rule.kind == "costs" and found.class_rule.mean_cost.value >= 0
    assert found.decision_lines[0].startswith("Decided by the least expected cost")


def test_the_report_tells_of_order_costs_and_intervals(ordinal_run: Run) -> None:
    page = " ".join(re.sub(r"<[^>]+>", " ", ordinal_run.report.read_text(encoding="utf-8")).split())
    assert "The classes from the lowest to the highest: low, middle, high." in page
    assert "above low" in page and "above middle" in page and "Classes apart" in page
    assert "Classes decided on by the least expected cost" in page and "Costs: rows true, columns predicted" in page
    assert "filled up to an interval of the ordered classes" in page
    assert "The classes are ordered (low, middle, high); Cohen&#39;s kappa with quadratic weights was" in page


def test_expected_classes_stand_in_the_report_too(ordinal_run: Run, tmp_path: Path) -> None:
    """The same run as if the class nearest to the mean had been asked for: its scores, and no table of costs."""
    folder = Path(shutil.copytree(ordinal_run.folder, tmp_path / "run"))
    written = json.loads((folder / "results.json").read_text())
    written["decisions"]["requested"]["class_rule"] = {"kind": "expected", "costs": None}
    written["decisions"]["class_rule"] |= {"mean_cost": None, "most_probable_cost": None}
    write_json(folder / "results.json", written)
    with helpers.empty_figures():
        write_report(folder)
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "of the class nearest to the mean over the ordered classes" in page and "Costs: rows true" not in page


def test_two_ordered_runs_are_compared_by_the_scores_of_their_order(ordinal_run: Run) -> None:
    found = compare(ordinal_run.folder, ordinal_run.folder)
    assert found.metrics["quadratic_kappa"].difference == 0.0


def test_an_ordered_data_set_needs_no_option(tmp_path: Path, no_figures: None) -> None:
    (tmp_path / "study.toml").write_text('[[head]]\nkind = "logistic"\n')
    made = helpers.options(study=str(tmp_path / "study.toml"), metric="linear_kappa", decide="expected")
    found = fit(graded().with_order(ORDER), tmp_path / "run", made).results
    assert found.task.ordered and "linear_kappa" in found.metrics


def test_unordered_classes_show_nothing_ordinal(tmp_path: Path, no_figures: None) -> None:
    (tmp_path / "study.toml").write_text('[[head]]\nkind = "logistic"\n')
    made = helpers.options(metric="cohen_kappa", study=str(tmp_path / "study.toml"))
    run = fit(graded(), tmp_path / "run", made)
    written = json.loads((run.folder / "results.json").read_text())
    shown = set(written["metrics"])
    assert "cohen_kappa" in shown and not shown & {"linear_kappa", "quadratic_kappa", "class_error", "rps"}
    assert "ordinal" not in written and "ordered" not in written["task"]
    assert "class_rule" not in written["decisions"] and "class_rule" not in written["decisions"]["requested"]
    assert "ordered" not in json.loads((run.folder / "model" / "model.json").read_text())["facts"]


def test_a_grid_has_heads_of_ordered_classes_where_there_are_such() -> None:
    kinds = {head.kind for head in search_space(helpers.options(study=None, ordinal=ORDER)).tables}
    assert {"cumulative", "corn", "logistic", "knn"} <= kinds
    assert {"cumulative", "corn"}.isdisjoint(table.kind for table in search_space(helpers.options(study=None)).tables)


def test_options_that_exclude_each_other_are_refused() -> None:
    with pytest.raises(InputError, match="--decide expected takes the mean over ordered classes"):
        helpers.options(decide="expected").check_order()
    with pytest.raises(InputError, match="'quadratic_kappa' needs ordered classes"):
        helpers.options(metric="quadratic_kappa").check_order()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--ordinal", "low,middle,top"], "--ordinal: Unknown class 'top'"),
        (["--ordinal", "low,high"], "names 2 of 3 classes; 'middle' is missing"),
        (["--ordinal", "low,middle,low,high"], "names the class 'low' twice"),
        (["--ordinal", "auto"], "the names 'high', 'low', 'middle' do not say their order"),
        (["--metric", "quadratic_kappa"], "'quadratic_kappa' needs ordered classes. Name their order"),
        (["--decide", "expected"], "but the classes have no order. Name it (--ordinal low,middle,high)"),
        (["--study", "STUDY"], "The head 'cumulative logit C = 0.01' needs ordered classes"),
        (["--costs", "COSTS"], "costs.csv: The cost of predicting 'low' for 'high' is nan"),
        (["--costs", "missing.csv"], "missing.csv cannot be read as a CSV file of costs"),
        (["--costs", "SMALL"], "--costs has 2 of 3 classes; 'middle' is missing"),
    ],
)
def test_misuse_is_reported_before_anything_is_written(
    options: list[str], message: str, graded_folders: Path, tmp_path: Path
) -> None:
    files = {
        "COSTS": helpers.write_text(tmp_path / "costs.csv", COSTS.replace("10", "nan")),
        "SMALL": helpers.write_text(tmp_path / "small.csv", ",low,high\nlow,0,1\nhigh,1,0\n"),
        "STUDY": helpers.write_text(tmp_path / "study.toml", STUDY),
    }
    given = [str(files.get(word, word)) for word in options]
    network = ["--backbone", helpers.BACKBONE, "--weights", "random", "--input-size", "32", "--no-cache"]
    done = invoke("fit", str(graded_folders), "-o", str(tmp_path / "run"), *network, *given, "--quiet")
    assert done.exit_code == 2 and message in " ".join(done.stderr.split())
    assert not (tmp_path / "run").exists()


def test_two_classes_have_no_order(folders: Path, tmp_path: Path) -> None:
    done = invoke("fit", str(folders), "-o", str(tmp_path / "run"), "--weights", "random", "--ordinal", "calm,rough")
    assert done.exit_code == 2 and "--ordinal is for three classes or more; there are 2" in done.stderr


@pytest.fixture(scope="module")
def graded_folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return helpers.write_folders(tmp_path_factory.mktemp("graded") / "data", 36, classes=ORDER)


def invoke(*words: str) -> Any:
    return CliRunner().invoke(main, list(words))
