"""Novelty from the command line to the bundle: strangers are flagged, and all of it is said."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import cast

import helpers
import numpy as np
import pytest
from click.testing import CliRunner

from headstart import ImageDataset, fit, load_model
from headstart.cli import main
from headstart.errors import BundleError, InputError
from headstart.model import load_fold_models
from headstart.progress import Progress
from headstart.storage import hash_file, hash_json, write_json
from headstart.study.ensemble import folds as ensemble_room
from headstart.study.ensemble.greedy import Acceptance
from headstart.study.finetuning import competition
from headstart.workflow import evaluate
from headstart.workflow.predict import predict_rows
from headstart.workflow.run import Run


@pytest.fixture(scope="module")
def novel_run(folders: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    with helpers.empty_figures():
        made = helpers.cheap_options(novelty=0.1, conformal=0.8)
        return fit(folders, tmp_path_factory.mktemp("runs") / "novel", made)


@pytest.fixture
def strangers(tmp_path: Path) -> Path:
    """One picture of the kind, one flat one, and a file that is no picture."""
    helpers.write_image(tmp_path / "new" / "a_like.png", helpers.noise(1, seed=77)[0])
    helpers.write_image(tmp_path / "new" / "b_flat.png", np.full((20, 24, 3), (250, 20, 20), dtype=np.uint8))
    helpers.write_text(tmp_path / "new" / "c_broken.png", "no picture")
    return tmp_path / "new"


def predicted(run: Run, images: Path, *more: str) -> str:
    found = CliRunner().invoke(main, ["predict", str(run.folder), str(images), "--quiet", *more])
    assert found.exit_code == 1  # one image cannot be read
    return found.stdout


def test_strangers_are_flagged_in_csv_and_json(novel_run: Run, strangers: Path) -> None:
    like, flat, broken = csv.DictReader(predicted(novel_run, strangers).splitlines())
    assert (like["unlike_training"], flat["unlike_training"], broken["unlike_training"]) == ("no", "yes", "")
    assert float(flat["distance"]) > float(like["distance"]) > 0 == len(broken["distance"])
    assert float(flat["novelty_p"]) == pytest.approx(1 / 49) and float(like["novelty_p"]) > 0.1
    assert list(like)[-4:] == ["set", "distance", "novelty_p", "unlike_training"]
    lines = [json.loads(line) for line in predicted(novel_run, strangers, "--json-lines").splitlines()]
    assert [line["unlike_training"] for line in lines] == [False, True, None]
    assert lines[0]["distance"] == float(like["distance"])


def test_an_image_is_judged_alone_as_in_company(novel_run: Run) -> None:
    model = load_model(novel_run.folder)
    images = helpers.noise(5, seed=8)
    together = [one.novelty for one in model.predict_each(ImageDataset.from_arrays(images))]
    alone = [next(model.predict_each(ImageDataset.from_arrays(images[row : row + 1]))).novelty for row in range(5)]
    assert together == alone


def test_results_report_and_bundle_say_so(novel_run: Run) -> None:
    found = novel_run.results.novelty
    assert found is not None and found.rate == 0.1 and found.measure == "knn" and found.holds_training_features
    assert found.final.n_calibration == 48 and len(found.folds) == 3 and len(found.farthest) == 20
    assert sum(fold.n_flagged for fold in found.folds) / 48 == pytest.approx(found.flagged.value)
    page = novel_run.report.read_text(encoding="utf-8")
    assert "Images unlike anything seen" in page and found.farthest[0].image in page
    assert "The model holds the features of training images" in page
    description = json.loads((novel_run.folder / "model" / "model.json").read_text())
    assert description["holds_training_features"] is True and description["novelty"]["holds_training_features"] is True
    assert json.loads((novel_run.folder / "model" / "manifest.json").read_text())["format"] == 8


def test_models_of_the_outer_folds_do_not_judge_by_all_images(novel_run: Run) -> None:
    found = load_fold_models(novel_run.folder / "folds", load_model(novel_run.folder))
    assert len(found.models) == 3 and all(one.model.novelty is None for one in found.models)


def test_a_test_set_tells_how_many_are_flagged(novel_run: Run, tmp_path: Path) -> None:
    found = evaluate(novel_run.folder, helpers.write_folders(tmp_path / "test", 12, seed=31))
    assert found.novelty is not None and found.novelty.flagged.value == pytest.approx(0, abs=0.2)
    said = CliRunner().invoke(main, ["evaluate", str(novel_run.folder), str(tmp_path / "test"), "--quiet"]).stdout
    assert "Unlike the training images (knn, rate 0.1)" in " ".join(said.split())


def test_views_table_and_blocks_judge_the_image_itself(tmp_path: Path, no_figures: None) -> None:
    """The features of a training image, under averaged predictions and beside table columns, are those of the fit."""
    images, labels = helpers.noise(48), helpers.labels_of(48)
    table = {"age": np.arange(48.0)}
    cases = {
        "views": ({}, {"augment": "flips", "tta": True}),
        "table": (table, {"novelty_measure": "mahalanobis"}),
        "blocks": ({}, {"features": "layer1:max+last"}),
    }
    for name, (columns, changes) in cases.items():
        data = ImageDataset.from_arrays(images, labels, table=columns)
        run = fit(data, tmp_path / name, helpers.cheap_options(novelty=0.1, **changes))
        model = load_model(run.folder)
        seen = [one.novelty for one in model.predict_each(data)]
        assert not any(one is None or one.is_novel for one in seen)
        if name != "table":
            assert max(one.distance for one in seen if one is not None) < 1e-3  # each is its own neighbour
        else:
            assert not model.holds_training_features


def test_damaged_arrays_of_a_bundle_are_refused(novel_run: Run, tmp_path: Path) -> None:
    model = load_model(novel_run.folder)
    model.save(tmp_path / "model")
    description = json.loads((tmp_path / "model" / "model.json").read_text())
    description["novelty"]["blocks"] = [3]
    write_json(tmp_path / "model" / "model.json", description)
    manifest = json.loads((tmp_path / "model" / "manifest.json").read_text())
    manifest["files"]["model.json"] = hash_file(tmp_path / "model" / "model.json")
    signed = {name: value for name, value in manifest.items() if name != "sha256"}
    write_json(tmp_path / "model" / "manifest.json", {**signed, "sha256": hash_json(signed)})
    with pytest.raises(BundleError, match="'reference' of the distance"):
        load_model(tmp_path / "model")


def test_a_rate_that_flags_nothing_is_said(folders: Path, tmp_path: Path, no_figures: None) -> None:
    run = fit(folders, tmp_path / "run", helpers.cheap_options(novelty=0.01))
    assert any("needs 99 training images" in warning for warning in run.results.warnings)
    assert run.results.novelty is not None and run.results.novelty.final.threshold is None


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(InputError, match=r"For 5 % write 0\.05"):
        helpers.options(novelty=5)
    with pytest.raises(InputError, match=r"Add --novelty 0\.05"):
        helpers.options(novelty_measure="mahalanobis")


# Beside ensembles and fine-tuned networks -----------------------------------------------------------------------------

TUNED = {"strategy": "fine-tune", "unlock": 1, "fine_tuning": "epochs=2,batch_size=8", "split": "nested:2x2"}


def check_judged(run: Run, folders: Path, strangers: Path) -> None:
    """The bundle flags a stranger and no training image, each of which is its own neighbour, alone as in company."""
    model, data = load_model(run.folder), ImageDataset.from_folder(folders)
    assert json.loads((run.folder / "model" / "manifest.json").read_text())["format"] == 10
    assert model.holds_training_features and model.detector is not None
    seen = [one.novelty for one in model.predict_each(data)]
    assert max(one.distance for one in seen if one is not None) < 1e-3
    assert not any(one is None or one.is_novel for one in seen)
    (alone,) = model.predict_each(data.subset([7]))
    assert alone.novelty is not None and seen[7] is not None
    assert alone.novelty.distance == pytest.approx(seen[7].distance, abs=1e-6)
    assert (alone.novelty.p_value, alone.novelty.is_novel) == (seen[7].p_value, seen[7].is_novel)
    (in_a_batch,) = model.on_machine(batch_size=model.engine.batch_size).predict_each(data.subset([7]))
    assert in_a_batch.novelty == seen[7]
    like, flat, broken = csv.DictReader(predicted(run, strangers).splitlines())
    assert (like["unlike_training"], flat["unlike_training"], broken["unlike_training"]) == ("no", "yes", "")
    assert float(like["distance"]) > 0.001


def test_an_ensemble_is_judged_by_its_weightiest_head(
    folders: Path, strangers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ensemble_room, "judge_selection", lambda *_: Acceptance(-0.5, -1.0))
    monkeypatch.setattr(ensemble_room, "select_members", lambda *_: (0, 2, 2))
    asked = helpers.cheap_options(novelty=0.1, ensemble=True, features="last,layer2:max", split="nested:2x2")
    with helpers.empty_figures():
        run = fit(folders, tmp_path / "run", asked)
    model = load_model(run.folder)
    assert model.novelty is None and model.others[0].novelty is not None and model.n_voting == len(model.weights) == 2
    assert model.others[0].novelty.distance.n_features == model.others[0].head.n_features != model.head.n_features
    check_judged(run, folders, strangers)
    assert "in the features of the weightiest head" in " ".join(run.report.read_text(encoding="utf-8").split())
    found = evaluate(run.folder, helpers.write_folders(tmp_path / "test", 12, seed=31))
    assert found.novelty is not None and found.novelty.flagged.value == pytest.approx(0, abs=0.2)


def test_beside_a_fine_tuned_network_the_frozen_one_is_kept_for_the_distances(
    folders: Path, strangers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no vote: probabilities are those of the fine-tuned network alone."""
    real = competition._Competition._scores
    monkeypatch.setattr(
        competition._Competition, "_scores", lambda *given: np.append(real(*given)[0], real(*given).min() - 1.0)
    )
    monkeypatch.setattr(competition, "_eligible", lambda scores, tried: scores)
    with helpers.empty_figures():
        run = fit(folders, tmp_path / "run", helpers.cheap_options(novelty=0.1, **TUNED))
    model, data = load_model(run.folder), ImageDataset.from_folder(folders)
    assert model.unlocked is not None and model.weights == (1.0, 0.0) and model.others[0].unlocked is None
    alone = replace(model, others=(), weights=())
    np.testing.assert_allclose(model.predict_proba(data), alone.predict_proba(data), atol=1e-9)
    check_judged(run, folders, strangers)
    assert "best candidate on frozen features" in " ".join(run.report.read_text(encoding="utf-8").split())
    notes = helpers.Notes()
    list(predict_rows(model, [str(folders / "calm" / "000.png")], progress=cast(Progress, notes)))
    assert "a fine-tuned network beside the frozen one" in notes.texts[0] and "2 forward passes" in notes.texts[0]
    stored = {path.name for path in (run.folder / "model").iterdir()}
    assert "novelty.safetensors" in stored and "member-1.backbone.safetensors" in stored
