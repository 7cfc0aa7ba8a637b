"""One sequence of checks: what `fit` refuses, its estimate and the other jobs refuse in the same words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import helpers
import numpy as np
import pytest

import headstart
from headstart.data import ImageDataset
from headstart.data.split.split_file import write_split
from headstart.errors import HeadstartError
from headstart.heads import HeadSpec, grid
from headstart.study.search.candidate import FeatureSourceSpec
from headstart.study.search.halving.plan import HalvingPlan
from headstart.study.search.space import Space
from headstart.workflow.fit import estimate_fit
from headstart.workflow.learning_curve import HEADS
from headstart.workflow.preflight import Preflight, make_run_split
from headstart.workflow.run import Run

SMALL = {"backbone": helpers.BACKBONE, "weights": "random", "input_size": helpers.SIDE}
TWO = {**SMALL, "backbone": f"{helpers.BACKBONE},resnet18"}

HALVED = Space((FeatureSourceSpec(),), HEADS, halving=HalvingPlan(folds=(9,)))
"""Heads of a curve, dropped by nine inner folds."""

Job = Callable[[Path, Path, dict[str, Any]], object]


def fit(data: Path, output: Path, changes: dict[str, Any]) -> object:
    return headstart.fit(data, output, helpers.options(**{"study": None} | changes))


def estimate(data: Path, output: Path, changes: dict[str, Any]) -> object:
    return estimate_fit(data, output, helpers.options(**{"study": None} | changes))


def curve(data: Path, output: Path, changes: dict[str, Any]) -> object:
    changes = dict(changes)
    requested = headstart.CurveOptions(metric=changes.pop("metric", "balanced_accuracy"))
    return headstart.curve(data, output, helpers.options(**{"study": None} | changes), requested)


def pretrain(data: Path, output: Path, changes: dict[str, Any]) -> object:
    options = headstart.PretrainOptions(**{**SMALL, "threads": 1, "device": "cpu", **changes})
    return headstart.pretrain(data, output.with_name(f"{output.name}.safetensors"), options)


def rank(data: Path, output: Path, changes: dict[str, Any]) -> object:
    return headstart.rank_backbones(data, helpers.options(**{"backbone": TWO["backbone"], **changes}))


JOBS: dict[str, Job] = {"estimate": estimate, "curve": curve, "pretrain": pretrain, "rank": rank}


def refusal(job: Job, data: Path, output: Path, changes: dict[str, Any]) -> str:
    """The words of a refusal; nothing may have been written anywhere."""
    before = helpers.tree(data.parent)
    with pytest.raises(HeadstartError) as found:
        job(data, output, changes)
    assert helpers.tree(data.parent) == before
    return str(found.value)


def two_classes(root: Path) -> Path:
    return helpers.write_folders(root)


def three_classes(root: Path) -> Path:
    return helpers.write_folders(root, 36, classes=("a", "b", "c"))


def one_class(root: Path) -> Path:
    return helpers.write_folders(root, 12, classes=("a",))


def broken(root: Path) -> Path:
    data = helpers.write_folders(root)
    (data / "calm" / "bad.png").write_bytes(b"bad")
    return data


# For every case: the data, what differs from options that work, where the output lies, the words, and the jobs beside
# the estimate that refuse the same thing in the same words.
CASES: dict[str, tuple[Callable[[Path], Path], dict[str, Any], str, str, tuple[str, ...]]] = {
    "inside the data": (two_classes, {}, "data/run", "lies inside the data", ("curve",)),
    "in a class of the data": (two_classes, {}, "data/calm/run", "lies inside the data", ("curve",)),
    "a file": (two_classes, {}, "data/calm/000.png", "lies inside the data", ("curve",)),
    "no such weights": (
        two_classes,
        {"weights": "nowhere.pth"},
        "run",
        "no such file of weights",
        ("curve", "pretrain"),
    ),
    "unknown backbone": (two_classes, {"backbone": "vgg91"}, "run", "Did you mean 'vgg19'", ("curve", "pretrain")),
    "one class": (one_class, {}, "run", "training needs at least two", ("curve", "pretrain", "rank")),
    "unreadable": (broken, {}, "run", "1 of 49 images cannot be read", ("curve", "pretrain", "rank")),
    "metric for two classes": (three_classes, {"metric": "f1"}, "run", "two", ("curve",)),
    "operating point": (three_classes, {"operating_point": "youden"}, "run", "two classes", ()),
    "unknown positive class": (two_classes, {"positive": "x"}, "run", "Unknown class 'x'", ("curve",)),
    "positive of three": (three_classes, {"positive": "a"}, "run", "--positive is for two classes", ("curve",)),
    "too many folds": (two_classes, {"split": "nested:99x4"}, "run", "Use ", ("rank",)),
    "no such split": (two_classes, {"split": "nowhere.json"}, "run", "nowhere.json", ("rank",)),
    "depth without fine-tuning": (two_classes, {"unlock": 2}, "run", "Add --strategy fine-tune", ()),
    "too deep": (two_classes, {"strategy": "fine-tune", "unlock": 9}, "run", "unlock is 9", ()),
    "unknown strategy": (two_classes, {"strategy": "fine-tuning"}, "run", "fine-tune", ()),
    "views of nothing": (two_classes, {"views": 4}, "run", "nothing is augmented", ("curve", "rank")),
    "halving with too few folds": (two_classes, {"study": HALVED}, "run", "Halving sees folds [9]", ()),
}


@pytest.mark.parametrize("case", CASES)
def test_what_a_fit_refuses_the_others_refuse_in_the_same_words(case: str, tmp_path: Path) -> None:
    make, changes, place, words, others = CASES[case]
    data = make(tmp_path / "data")
    expected = refusal(fit, data, tmp_path / place, changes)
    assert words in expected
    for job in ("estimate", *others):
        assert refusal(JOBS[job], data, tmp_path / place, changes) == expected, job


def test_weights_are_written_outside_the_data_too(tmp_path: Path) -> None:
    data = two_classes(tmp_path / "data")
    assert "lies inside the data" in refusal(pretrain, data, data / "net", {})


@pytest.mark.parametrize("job", [fit, estimate, curve])
def test_an_output_that_holds_something_else_is_refused_by_all(job: Job, tmp_path: Path) -> None:
    data = two_classes(tmp_path / "data")
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.txt").write_text("mine")
    assert "no headstart run (thesis.txt)" in refusal(job, data, tmp_path / "thesis", {})
    assert "is a file" in refusal(job, data, tmp_path / "thesis" / "thesis.txt", {})


@pytest.mark.parametrize("job", [headstart.fit, estimate_fit, headstart.curve])
def test_a_path_that_is_empty_is_refused_by_all(job: Any, folders: Path) -> None:
    with pytest.raises(HeadstartError, match="The path of the run folder is empty"):
        job(folders, "", helpers.options())


def test_the_estimate_refuses_the_folder_of_another_run(run: Run, folders: Path) -> None:
    words = [refusal(job, folders, run.folder, {"seed": 3}) for job in (fit, estimate)]
    assert "It differs in: options.seed is 0 there, 3 here" in words[0]
    assert words[0] == words[1]


def test_the_estimate_of_the_same_run_is_given(run: Run, folders: Path) -> None:
    before = helpers.tree(run.folder)
    assert estimate_fit(folders, run.folder, helpers.options())["images"] == 48
    assert helpers.tree(run.folder) == before


def test_ranking_needs_two_backbones(folders: Path, tmp_path: Path) -> None:
    with pytest.raises(HeadstartError, match="Ranking needs two backbones at least"):
        headstart.rank_backbones(folders, helpers.options())


def test_a_split_named_by_its_file_was_not_taken_by_a_rule(folders: Path, tmp_path: Path) -> None:
    dataset = ImageDataset.from_folder(folders)
    drawn = make_run_split(dataset, helpers.options(split="auto"))
    write_split(tmp_path / "split.json", drawn)
    named = make_run_split(dataset, helpers.options(split=str(tmp_path / "split.json")))
    assert drawn.rule.startswith("with 2 classes") and (named.rule, named.hash) == ("", drawn.hash)


def heads_tried(n_classes: int, **changes: Any) -> list[HeadSpec]:
    """Heads of the plan for so many classes of six grey images each."""
    labels = [f"class {number:02d}" for number in range(n_classes)] * 6
    pixels = np.random.default_rng(0).integers(0, 255, (len(labels), 8, 8, 3), dtype=np.uint8)
    dataset = ImageDataset.from_arrays(pixels, labels)
    job = Preflight.of(dataset, None, helpers.options(**{"study": None} | changes)).job
    return list(job.plan.heads)


def test_the_grid_heeds_the_number_of_classes_and_a_study_does_not() -> None:
    assert heads_tried(64) == grid("quick", n_classes=64) != grid("quick")
    assert heads_tried(63) == grid("quick")
    assert set(heads_tried(64, grid="wide")) == set(grid("wide"))
    named = Space((FeatureSourceSpec(),), HEADS)
    assert heads_tried(64, study=named) == [candidate.head for candidate in named.candidates()]
    assert heads_tried(64, quick=True) == [HeadSpec("logistic")]
