"""A provisional answer, and the whole job that replaces it."""

import json

import helpers
import pytest

import headstart
from headstart.errors import RunError
from headstart.workflow import FitOptions
from headstart.workflow.fit import estimate_fit
from headstart.workflow.options.quick import quick_options, quick_space
from headstart.workflow.options.search_space import search_space

ASKED = {"grid": "wide", "features": "last,multi", "ensemble": True, "strategy": "fine-tune", "conformal": 0.9}


def test_a_provisional_answer_is_one_head_with_nothing_beside_it():
    asked = FitOptions(
        grid="wide", features="last,multi", ensemble=True, strategy="fine-tune", quick=True, conformal=0.9
    )
    found = quick_options(asked)
    assert (found.baselines, found.explanations, found.ensemble, found.strategy) == (
        *(False, False, False),
        "feature-extraction",
    )
    assert (found.quick, found.conformal, found.features) == (True, 0.9, "last,multi")
    (candidate,) = quick_space(search_space(asked)).candidates()
    assert candidate.head.kind == "logistic"
    assert asked.identity() == {**FitOptions(**ASKED).identity(), "quick": True}


def test_the_estimate_counts_nothing_that_a_provisional_answer_leaves_out(folders, tmp_path):
    asked = helpers.cheap_options(baselines=True, explanations=True, cache=str(tmp_path / "cache"))
    seconds = estimate_fit(folders, tmp_path / "run", asked, quick=True)["seconds"]
    assert (seconds["baselines"], seconds["explanations"]) == (0, 0) and seconds["report"] > 0


def test_a_provisional_answer_is_replaced_by_the_whole_job(folders, tmp_path, no_figures):
    folder = tmp_path / "run"
    asked = helpers.cheap_options(split="auto", cache=str(tmp_path / "cache"))
    first = headstart.fit(folders, folder, asked, quick=True)
    assert first.results.provisional and first.results.search.n_candidates == 1
    assert first.headline.startswith("Provisional, of one head on one holdout.")
    assert first.results.warnings[0].startswith("Provisional: one head")
    assert first.results.protocol.scheme.startswith("holdout:") and len(first.results.folds) == 1
    assert headstart.fit(folders, folder, asked, quick=True).results == first.results
    with pytest.raises(RunError, match=r"holds another run.*options.seed is 0 there, 1 here"):
        headstart.fit(folders, folder, asked, seed=1)

    found = headstart.fit(folders, folder, asked)
    assert not found.results.provisional and found.results.protocol.scheme == "nested:5x4"
    assert "quick" not in json.loads((folder / "run.json").read_text())["identity"]["options"]
    assert "provisional" not in json.loads((folder / "results.json").read_text())
    with pytest.raises(RunError, match=r"holds the whole job, begun or finished.*Leave --quick out"):
        headstart.fit(folders, folder, asked, quick=True)
