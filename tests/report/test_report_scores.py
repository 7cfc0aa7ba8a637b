"""The scores of a report: every one with its interval, folds and candidates in full, undefined ones said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from made_run import FakeImages, Page, make_run, report, results_of, write_json

from headstart.metrics import METRICS
from headstart.report.figures.candidates import sorted_candidates
from headstart.results.read import read_run


def test_every_score_stands_with_its_interval(two: tuple[Path, Page, FakeImages]) -> None:
    folder, page, _ = two
    results = results_of(folder)
    for name, entry in results["metrics"].items():
        bounds = "n/a" if entry["ci95"] is None else "{:.3f} to {:.3f}".format(*entry["ci95"])
        assert f"{METRICS[name].title} {entry['value']:.3f} {bounds}" in page.text
    assert results["headline"]["text"] in page.text
    assert "The interval speaks of the expected score of this procedure trained on data of this size." in page.text


def test_every_candidate_warning_and_fold_is_shown(two: tuple[Path, Page, FakeImages]) -> None:
    folder, page, _ = two
    results = results_of(folder)
    assert results["warnings"][0] in page.text
    for candidate in results["candidates"]:
        assert candidate["label"] in page.text
    counts = np.bincount(read_run(folder).predictions.labels[read_run(folder).predictions.fold == 2])
    assert f"3 192 48 {counts[0]} {counts[1]}" in page.text
    assert "Fold 2 holds fewer images: its groups are large." in page.text


def test_candidates_are_ranked_by_what_chose_them(empty_figures: None, tmp_path: Path) -> None:
    make_run(tmp_path, n=60)
    results = results_of(tmp_path)
    results["protocol"]["choose_by"] = "roc_auc"
    for place, entry in enumerate(results["candidates"]):
        entry["inner_score"] = 0.70 + place / 100
    results["candidates"][5].update(inner_score=None, inner_log_loss=None)
    write_json(tmp_path / "results.json", results)
    assert [entry.label for entry in sorted_candidates(read_run(tmp_path).results)] == [
        results["candidates"][place]["label"] for place in (4, 3, 2, 1, 0, 5)
    ]
    assert "Inner ROC AUC" in report(tmp_path).text


def test_undefined_scores_are_shown_as_such(empty_figures: None, tmp_path: Path) -> None:
    make_run(tmp_path, n=60)
    results = results_of(tmp_path)
    for entry in (
        *results["metrics"].values(),
        *(e for c in results["per_class"].values() for e in c["metrics"].values()),
    ):
        if isinstance(entry, dict):
            entry.update(value=None, ci95=None, fold_sd=None)
    results["candidates"][0]["inner_log_loss"] = None
    results["optimism"] = {"metric": "log_loss", "inner": None, "outer": None, "difference": None}
    write_json(tmp_path / "results.json", results)
    assert "ROC AUC undefined undefined undefined" in report(tmp_path).text
