"""A metric registered from here: evaluations, the command line, results and reports all know it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import helpers
import numpy as np
import pytest
from click.testing import CliRunner

from headstart import FitOptions, fit
from headstart.cli import main
from headstart.errors import InputError
from headstart.metrics import CLASS_METRICS, METRICS, OutOfFold, evaluate, find_metric, metrics_for, score
from headstart.metrics.registry import register_class_metric, register_metric, selection_metrics
from headstart.metrics.tally import Tally


def cohens_kappa(tally: Tally) -> np.ndarray:
    confusion = tally.confusion
    total = confusion.sum(axis=(1, 2))
    seen = np.trace(confusion, axis1=1, axis2=2) / total
    chance = (confusion.sum(axis=1) * confusion.sum(axis=2)).sum(axis=1) / total**2
    return np.asarray((seen - chance) / (1 - chance))


@pytest.fixture
def kappa() -> Iterator[None]:
    facts = {"evidence": "all", "bounds": (-1.0, 1.0), "uses_probabilities": False}
    register_metric("kappa", "Cohen's kappa", **facts)(cohens_kappa)
    yield
    METRICS.discard("kappa")


def test_a_new_metric_is_part_of_every_evaluation(kappa: None) -> None:
    labels, predicted = np.array([0, 0, 0, 1, 1, 2, 2, 2]), np.array([0, 0, 1, 1, 1, 2, 2, 0])
    probabilities = np.eye(3)[predicted] * 0.7 + 0.1
    by_hand = (6 / 8 - (3 * 3 + 2 * 3 + 3 * 2) / 64) / (1 - (3 * 3 + 2 * 3 + 3 * 2) / 64)
    assert score(labels, probabilities)["kappa"] == pytest.approx(by_hand)
    oof = OutOfFold.from_test_set(labels, probabilities, classes="abc")
    found = evaluate(oof, correction="none").metrics["kappa"]
    assert found.value == pytest.approx(by_hand) and -1 <= found.low < by_hand < found.high <= 1
    assert list(METRICS)[-1] == "kappa" and selection_metrics()[-1] == "kappa"


@pytest.mark.usefixtures("empty_figures")
def test_a_new_metric_chooses_and_stands_in_help_results_and_report(kappa: None, folders: Path, tmp_path: Path) -> None:
    page = " ".join(CliRunner().invoke(main, ["fit", "--help"]).output.split())
    assert "choose by: accuracy," in page and "kappa." in page and " ece" not in page
    folder = tmp_path / "run"
    fit(folders, folder, helpers.options(metric="kappa"))
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    assert set(results["metrics"]["kappa"]) >= {"value", "ci95"}
    assert "Cohen&#39;s kappa" in (folder / "report.html").read_text(encoding="utf-8")


def test_metrics_of_two_classes_and_of_one_class_against_the_rest() -> None:
    assert find_metric("f1").max_classes == 2 and "f1" not in {metric.name for metric in metrics_for(3)}
    with pytest.raises(InputError, match=r"needs two classes; there are 3. Use 'f1_macro' or the scores per class"):
        find_metric("f1").check_classes(3)
    assert find_metric("brier").bounds_for(2) == (0, 1) and find_metric("brier").bounds_for(3) == (0, 2)
    assert list(CLASS_METRICS) == ["precision", "recall", "specificity", "f1", "roc_auc", "pr_auc"]
    register_class_metric("npv", "Negative predictive value", evidence="rest")(lambda tally: 1.0 - tally.ranked[0])
    try:
        oof = OutOfFold.from_test_set([0, 0, 1, 1], [[0.9, 0.1], [0.6, 0.4], [0.7, 0.3], [0.2, 0.8]], classes="ab")
        assert "npv" in evaluate(oof, correction="none").per_class["a"]
    finally:
        CLASS_METRICS.discard("npv")


def test_what_candidates_cannot_be_chosen_by_is_refused() -> None:
    assert "ece" in METRICS and "ece" not in selection_metrics()
    with pytest.raises(InputError, match="no score to choose by"):
        FitOptions(metric="ece")


def test_a_name_is_registered_once() -> None:
    with pytest.raises(ValueError, match="There is a metric 'mcc' already"):
        register_metric("mcc", "Matthews correlation", evidence="all")(cohens_kappa)


def test_looking_metrics_up_loads_no_heavy_library() -> None:
    """The help of commands lists them, and has half a second in all."""
    code = (
        "import sys; from headstart.metrics.registry import selection_metrics; selection_metrics(); "
        "print({'scipy', 'sklearn', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
