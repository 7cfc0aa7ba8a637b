"""The learning curve: laws that are known are found, nothing leaks, what is too far is refused."""

from __future__ import annotations

import importlib
import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import helpers
import numpy as np
import pytest
from click.testing import CliRunner

import headstart
from headstart import CurveOptions, ImageDataset
from headstart.cli import main
from headstart.errors import DataError, InputError, RunError
from headstart.heads import HeadSpec
from headstart.metrics import find_metric
from headstart.study.data import StudyData
from headstart.study.learning_curve.curve import (
    curve_document,
    curve_sizes,
    draw_subsets,
    losses_of,
    stratified_order,
    verdict,
)
from headstart.study.learning_curve.power_law import EXPONENTS, Points, PowerLaw, points_of
from headstart.study.nested_cv import run_folds
from headstart.study.plan import StudyPlan

CURVE = importlib.import_module("headstart.workflow.learning_curve")
SIZES = np.array([50.0, 100, 200, 400, 800])


def exact(a: float, b: float, c: float, *, error: float = 1e-4) -> Points:
    loss = a + b * (SIZES / 100) ** -c
    return Points(SIZES, loss, np.full(5, error), np.full(5, error))


# The law --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("a", "b", "c"), [(0.1, 0.2, 0.5), (0.0, 0.3, 0.3), (0.25, 0.05, 1.0)])
def test_an_exact_law_is_found_and_carried_on(a: float, b: float, c: float) -> None:
    law = PowerLaw.fit(exact(a, b, c), 800)
    assert law.exponent == pytest.approx(c, abs=0.03)
    assert law.asymptote == pytest.approx(a, abs=0.01)
    for n in (50, 800, 2400):
        assert law.predict(n).loss == pytest.approx(a + b * (n / 100) ** -c, abs=2e-3)
    assert law.gain(2400).loss == pytest.approx(b * (8**-c - 24**-c), abs=2e-3)


def test_the_band_widens_beyond_the_points_and_with_their_errors() -> None:
    sure, unsure = (PowerLaw.fit(exact(0.1, 0.2, 0.5, error=error), 800) for error in (1e-3, 1e-2))
    widths = [sure.predict(n).high - sure.predict(n).low for n in (800, 1600, 2400)]
    assert widths[0] < widths[1] < widths[2]
    assert unsure.predict(2400).high - unsure.predict(2400).low > 3 * widths[2]


def test_the_band_holds_nine_times_in_ten_where_the_law_is_true() -> None:
    """Losses of 8 independent draws about a known law; the band is for one more draw at 3 times the images."""
    generator, held = np.random.default_rng(0), 0
    for _ in range(200):
        c = generator.choice(EXPONENTS[(EXPONENTS >= 0.3) & (EXPONENTS <= 1.0)])
        truth = 0.1 + 0.15 * (SIZES / 100) ** -c
        losses = truth + 0.1 / np.sqrt(SIZES) * generator.normal(size=(8, 5))
        band = PowerLaw.fit(points_of(SIZES, losses, 10**6), 800).predict(2000)
        one = 0.1 + 0.15 * 20**-c + 0.1 / np.sqrt(2000) * generator.normal()
        held += band.low <= one <= band.high
    assert held >= 170  # 180 expected; 3 standard errors are 13


def test_more_images_never_hurt_and_no_loss_is_negative() -> None:
    rising = Points(SIZES, np.linspace(0.2, 0.3, 5), np.full(5, 0.01), np.full(5, 0.01))
    law = PowerLaw.fit(rising, 800)
    assert law.gain(2400).loss == pytest.approx(0.0, abs=1e-9)
    steep = PowerLaw.fit(exact(0.0, 0.3, 0.5), 800)
    assert (steep.numbers >= 0).all()


def test_more_than_three_times_the_images_is_refused() -> None:
    law = PowerLaw.fit(exact(0.1, 0.2, 0.5), 800)
    law.predict(2400)
    for ask in (law.predict, law.gain):
        with pytest.raises(InputError, match=r"2,401 images are more than 3 times the 800.*at most 2,400"):
            ask(2401)
    with pytest.raises(InputError, match="at least 1"):
        law.predict(0)


def test_too_few_points_are_refused() -> None:
    with pytest.raises(InputError, match="at least 4 sizes and 2 draws of each"):
        points_of(SIZES[:3], np.zeros((5, 3)), 800)
    with pytest.raises(InputError, match="2 draws"):
        points_of(SIZES, np.zeros((1, 5)), 800)


def test_draws_of_the_same_images_count_once() -> None:
    generator = np.random.default_rng(0)
    losses = 0.2 + generator.normal(size=(10, 5)) / np.sqrt(SIZES)
    points = points_of(SIZES, losses, 800)
    np.testing.assert_allclose(points.of_mean[-1], points.single[-1])
    np.testing.assert_allclose(points.of_mean[0], points.single[0] / np.sqrt(10))


def test_the_words_follow_the_numbers() -> None:
    steep = verdict(PowerLaw.fit(exact(0.05, 0.4, 0.5), 800))
    assert steep["kind"] == "yes"
    assert steep["text"].startswith("About ")
    assert "more images for +2 points" in steep["text"]
    needed = 800 + steep["more_for_two_points"]
    assert 0.4 * (8**-0.5 - (needed / 100) ** -0.5) == pytest.approx(0.02, abs=2e-3)
    flat = verdict(PowerLaw.fit(exact(0.3, 0.0, 0.5), 800))
    assert flat["kind"] == "no"
    assert "More images will not help" in flat["text"]
    assert flat["more_for_two_points"] is None
    vague = verdict(PowerLaw.fit(exact(0.2, 0.12, 0.4, error=0.03), 800))
    assert vague["kind"] == "unclear"
    assert "cannot be said" in vague["text"]


# The subsets ----------------------------------------------------------------------------------------------------------


def made(n: int = 200, *, groups: bool = False, positive: int = 4) -> ImageDataset:
    labels = ["rough" if row % positive == 0 else "calm" for row in range(n)]
    given = [str(row // 2) for row in range(n)] if groups else None
    pixels = np.arange(n, dtype=np.uint8)[:, None, None] + np.zeros((n, 4, 4), dtype=np.uint8)
    return ImageDataset.from_arrays(pixels, labels, groups=given)


@pytest.mark.parametrize("groups", [False, True])
def test_subsets_are_nested_whole_and_apart_from_what_is_judged(groups: bool) -> None:
    dataset = made(groups=groups)
    draws = draw_subsets(dataset, n_sizes=5, n_repeats=2, n_folds=4, seed=0)
    assert len(draws.folds) == 2 * 4 * 5
    member = np.arange(200) if dataset.groups is None else dataset.groups
    for start in range(0, len(draws.folds), 5):
        of_fold = draws.folds[start : start + 5]
        for small, large in itertools.pairwise(of_fold):
            assert set(small.train) < set(large.train)
        for fold, size in zip(of_fold, draws.sizes, strict=True):
            assert size <= len(fold.train) <= size + 1
            assert not set(member[fold.train]) & set(member[fold.test])
            tests = np.concatenate([test for _, test in fold.inner])
            assert sorted(tests) == sorted(fold.train)
            for train, test in fold.inner:
                assert not set(member[train]) & set(member[test])
    judged = np.concatenate([fold.test for fold in draws.folds[0:20:5]])
    assert sorted(judged) == list(range(200))


def test_every_beginning_of_an_order_holds_the_classes_in_their_shares() -> None:
    labels = (np.arange(400) % 4 == 0).astype(np.int64)
    order = stratified_order(labels, np.arange(400), np.random.default_rng(0))
    assert sorted(order) == list(range(400))
    for n in (40, 80, 200):
        assert abs(labels[order[:n]].sum() - n / 4) <= 2


def test_too_few_images_are_refused_in_words() -> None:
    with pytest.raises(DataError, match=r"from 32 images.*to the 30 of a training fold|Add images"):
        draw_subsets(made(40), n_sizes=6, n_repeats=2, n_folds=4, seed=0)
    assert curve_sizes(100, 20, 6).tolist()[0] == 20


def study(data: StudyData, dataset: ImageDataset, metric: str = "balanced_accuracy") -> tuple[Any, np.ndarray]:
    draws = draw_subsets(dataset, n_sizes=5, n_repeats=3, n_folds=4, seed=0)
    plan = StudyPlan.of_heads([HeadSpec("logistic", {"C": 0.01})])
    found = run_folds(data, draws.folds, plan)
    return draws, losses_of(draws, found, data, metric, 1)


def test_noise_has_a_flat_curve_at_chance() -> None:
    dataset = made(240, positive=2)
    features = np.random.default_rng(0).normal(size=(240, 20)).astype(np.float32)
    draws, losses = study(StudyData((features,), np.asarray(dataset.labels), 2), dataset)
    found = curve_document(draws, losses, 240, "balanced_accuracy", [])
    assert abs(found["mean"][-1] - 0.5) < 0.08
    assert found["verdict"]["gain_at_three_times"]["value"] < 0.03


def test_the_score_is_that_of_all_held_out_images_together() -> None:
    dataset = made(160, positive=2)
    labels = np.asarray(dataset.labels)
    features = (np.random.default_rng(0).normal(size=(160, 5)) + labels[:, None]).astype(np.float32)
    data = StudyData((features,), labels, 2)
    draws, losses = study(data, dataset, "log_loss")
    plan = StudyPlan.of_heads([HeadSpec("logistic", {"C": 0.01})])
    found = run_folds(data, [fold for fold in draws.folds if draws.place(fold) == (1, 2)], plan)
    rows = np.concatenate([one.outer.test for one in found])
    probabilities = np.concatenate([one.probabilities for one in found])
    assert losses[1, 2] == pytest.approx(find_metric("log_loss")(labels[rows], probabilities, None, positive=1))


# The whole way --------------------------------------------------------------------------------------------------------

FEW = CurveOptions(sizes=4, repeats=2, folds=3)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("curve")
    photographs = helpers.write_folders(folder / "photographs", 96)
    return headstart.curve(photographs, folder / "curve", helpers.options(study=None, split="nested:5x4"), FEW)


def test_a_curve_leaves_numbers_figure_and_page(drawn: Any) -> None:
    results = json.loads((drawn.folder / "curve.json").read_text())
    assert results["verdict"]["text"] == drawn.verdict
    assert len(results["sizes"]) == len(results["mean"]) == 4
    assert np.array(results["scores"]).shape == (2, 4)
    page = drawn.page.read_text(encoding="utf-8")
    assert drawn.verdict.replace("+", "&#43;") in page or drawn.verdict in page
    assert "lie beside it in curve.json" in page
    assert (drawn.folder / "figures" / "curve.svg").is_file()
    assert not (drawn.folder / "work").exists()


def test_the_same_curve_again_gives_the_same_bytes_also_after_an_interruption(
    drawn: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photographs = drawn.folder.parent / "photographs"
    monkeypatch.setattr(CURVE.CurveResults, "write", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        headstart.curve(photographs, tmp_path / "curve", helpers.options(study=None, split="nested:5x4"), FEW)
    monkeypatch.undo()
    assert not (tmp_path / "curve" / "curve.json").exists()
    fitted: list[int] = []
    from headstart.study import inner_selection

    plain = inner_selection.inner_predictions
    monkeypatch.setattr(inner_selection, "inner_predictions", lambda *a: fitted.append(1) or plain(*a))
    headstart.curve(photographs, tmp_path / "curve", helpers.options(study=None, split="nested:5x4"), FEW)
    assert fitted == []
    for name in ("curve.json", "figures/curve.svg"):
        assert (tmp_path / "curve" / name).read_bytes() == (drawn.folder / name).read_bytes()


def test_heads_of_a_curve_are_trained_on_soft_labels_as_those_of_a_fit(
    drawn: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = ImageDataset.from_folder(drawn.folder.parent / "photographs")
    soft = np.where(np.eye(2)[np.asarray(dataset.labels)] == 1, 0.8, 0.2)
    given: list[StudyData] = []
    monkeypatch.setattr(CURVE, "run_folds", lambda data, *a, **k: given.append(data) or run_folds(data, *a, **k))
    found = headstart.curve(
        replace(dataset, soft=soft), tmp_path / "soft", helpers.options(study=None, split="nested:5x4"), FEW
    )
    assert given[0].soft is not None and np.array_equal(given[0].soft, soft)
    assert found.results.mean != drawn.results.mean


def test_another_curve_is_not_overwritten(drawn: Any) -> None:
    photographs = drawn.folder.parent / "photographs"
    with pytest.raises(RunError, match=r"curve\.n_repeats is 2 there, 3 here"):
        headstart.curve(
            photographs,
            drawn.folder,
            helpers.options(study=None, split="nested:5x4"),
            CurveOptions(sizes=4, repeats=3, folds=3),
        )


@pytest.mark.parametrize(
    ("options", "wanted", "words"),
    [
        ({"grid": "quick"}, {}, "heads of its own"),
        ({"balance": "smote"}, {}, "heads of its own"),
        ({"backbone": "test_resnet,test_efficientnet"}, {}, "one backbone"),
        ({}, {"at": (100_000,)}, "--at 100,000"),
        ({}, {"metric": "acuracy"}, "Did you mean 'accuracy'"),
        ({}, {"metric": "ece"}, "no learning curve"),
        ({}, {"sizes": 3}, "expected 4 to 30"),
    ],
)
def test_what_cannot_be_drawn_is_reported_and_nothing_written(
    folders: Path, tmp_path: Path, options: dict[str, Any], wanted: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        headstart.curve(
            folders, tmp_path / "curve", helpers.options(**{"study": None} | options), CurveOptions(**wanted)
        )
    assert not (tmp_path / "curve").exists()


def test_the_command_line_draws_and_predicts(tmp_path: Path) -> None:
    photographs = helpers.write_folders(tmp_path / "photographs", 96)
    arguments = ["curve", photographs, "-o", tmp_path / "out", "--backbone", helpers.BACKBONE, "--weights", "random"]
    more = ["--input-size", 32, "--sizes", 4, "--repeats", 2, "--folds", 3, "--at", 150, "--no-cache", "-q"]
    found = CliRunner().invoke(main, [str(part) for part in (*arguments, *more, "--threads", 1)])
    assert found.exit_code == 0, found.output
    assert "law, 90 % band" in found.output
    assert "Next: headstart fit" in found.output
    far = CliRunner().invoke(main, [str(part) for part in (*arguments, *more, "--at", 9000)])
    assert far.exit_code == 2
    assert "at most" in far.output
