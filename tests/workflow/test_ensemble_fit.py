"""`--ensemble` in a run: results, report, bundle and prediction; resuming, curves, and what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import helpers
import numpy as np
import pytest
from click.testing import CliRunner
from safetensors.numpy import load_file

import headstart
from headstart import load_model
from headstart.augment import views
from headstart.cli import main
from headstart.cli.output import print_run
from headstart.decisions import AS_THEY_ARE
from headstart.errors import BundleError, InputError
from headstart.features.extractor import Extractor
from headstart.finetuning.result import History
from headstart.report.context import ReportContext
from headstart.report.sections.methods import methods_text
from headstart.results.read import read_run
from headstart.storage import hash_bytes, hash_json, json_bytes
from headstart.study.ensemble import folds as ensemble_room
from headstart.study.ensemble.greedy import Acceptance
from headstart.study.search.candidate import FeatureSourceSpec
from headstart.study.search.space import HeadTable, Space
from headstart.workflow import evaluate, fit
from headstart.workflow.options.data import DataSource
from headstart.workflow.predict import predict_files

CHEAP = Space((FeatureSourceSpec(),), (HeadTable.of("logistic", {"C": [0.1, 1.0]}), HeadTable.of("knn", {"k": [5]})))


@pytest.fixture(autouse=True)
def plain_reports() -> Iterator[None]:
    with helpers.empty_figures():
        yield


def options(**changes: Any) -> Any:
    return helpers.options(**({"study": CHEAP, "ensemble": True} | changes))


ASKED: dict[str, Any] = {
    "features": "last,multi,descriptors",
    "calibrate": "none",
    "conformal": 0.8,
    "operating_point": "sensitivity>=0.8",
}


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Options of the runs that are compared; their features are computed once."""
    return {**ASKED, "cache": str(tmp_path_factory.mktemp("cache"))}


@pytest.fixture(scope="module")
def made(folders: Path, asked: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A finished run over three sets of features with sets and an operating point; read only."""
    with helpers.empty_figures():
        return fit(folders, tmp_path_factory.mktemp("ensembles") / "run", options(**asked))


@pytest.fixture(scope="module")
def single(folders: Path, asked: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The same run without an ensemble."""
    with helpers.no_figures():
        return fit(folders, tmp_path_factory.mktemp("singles") / "run", options(**asked, ensemble=False))


def test_results_and_report_name_members_weights_and_costs(made: Any, capsys: pytest.CaptureFixture[str]) -> None:
    found = made.results.ensemble
    assert found.times_kept == sum(fold.kept for fold in found.folds) > 0 and found.final.kept
    assert sum(one.weight for one in found.final.members) == pytest.approx(1)
    assert len({one.label.partition(":")[0] for one in found.final.members}) > 1, "several sets of features"
    assert all(one.score_without is not None for one in found.final.members)
    assert set(found.against_single.metrics) >= {"balanced_accuracy", "accuracy", "log_loss"}
    assert made.results.final_model.label.startswith(f"ensemble of {len(found.final.members)}: ")
    page = made.report.read_text(encoding="utf-8")
    assert "What one member less would cost" in page and "1 forward pass of each image" in page
    record = read_run(made.folder)
    assert "selected greedily with replacement" in methods_text(ReportContext(record))
    print_run(made)
    assert f"An ensemble was kept in {found.times_kept} of 3 outer folds; log loss" in capsys.readouterr().out


def test_the_bundle_is_the_weighted_mean_of_its_members(made: Any, folders: Path) -> None:
    model, dataset = made.model(), headstart.read_dataset(folders).subset(np.arange(8))
    alone = [replace(one, others=(), decisions=AS_THEY_ARE) for one in (model, *model.others)]
    expected = sum(weight * one.predict_proba(dataset) for weight, one in zip(model.weights, alone, strict=True))
    np.testing.assert_allclose(model.predict_proba(dataset), expected, atol=1e-6)
    assert model.predict_sets(dataset).shape == (8, 2) and model.decisions.operating_point is not None


def test_each_network_is_stored_and_run_once(made: Any, folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {path.name for path in (made.folder / "model").iterdir()}
    assert names == {
        "manifest.json",
        "model.json",
        "backbone.safetensors",
        "head.safetensors",
        *(f"member-{number}.head.safetensors" for number in range(1, len(made.results.ensemble.final.members))),
    }
    seen: list[int] = []
    plain = Extractor.compute

    def counted(self: Extractor, pixels: np.ndarray) -> np.ndarray:
        seen.append(len(pixels))
        return plain(self, pixels)

    monkeypatch.setattr(Extractor, "compute", counted)
    made.model().predict_proba(headstart.read_dataset(folders).subset(np.arange(8)))
    assert sum(seen) == 8


def test_predict_says_the_price_and_goes_on_after_a_bad_file(made: Any, folders: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    notes = helpers.Notes()
    inputs = [str(broken), *sorted(str(path) for path in folders.rglob("*.png"))[:3]]
    n_bad = predict_files(
        load_model(made.folder), inputs, output=tmp_path / "out.csv", json_lines=False, progress=notes
    )
    lines = (tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()
    assert n_bad == 1 and len(lines) == 5 and "broken.png" in lines[1] and ",ok," in lines[2]
    assert any("ensemble of" in text and "1 forward pass of each image, roughly" in text for text in notes.texts)


def test_evaluate_and_compare_take_it(made: Any, single: Any, tmp_path: Path) -> None:
    found = evaluate(made.folder, helpers.write_folders(tmp_path / "new", 12, seed=7))
    assert 0 <= found.metrics["accuracy"].value <= 1
    assert single.results.ensemble is None
    row = headstart.compare(single.folder, made.folder).metrics["log_loss"]
    gain = made.results.ensemble.against_single.metrics["log_loss"]
    assert (row.first, row.second) == (pytest.approx(gain.b), pytest.approx(gain.a))


def test_a_damaged_or_missing_member_is_named(made: Any, tmp_path: Path) -> None:
    for number, (change, words) in enumerate(
        [
            (lambda path: path.unlink(), "member-1.head.safetensors: the file is missing.*whole copy"),
            (lambda path: path.write_bytes(b"x"), "member-1.head.safetensors: the content was changed.*whole copy"),
        ]
    ):
        folder = tmp_path / str(number)
        shutil.copytree(made.folder / "model", folder)
        change(folder / "member-1.head.safetensors")
        with pytest.raises(BundleError, match=words):
            load_model(folder)


def test_members_of_other_features_than_their_head_takes_are_refused(made: Any, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(made.folder / "model", folder)
    description = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    description["ensemble"]["members"][0]["features"] = {"blocks": ["layer2:mean"], "beside": [], "averaged": []}
    content = json_bytes(description)
    (folder / "model.json").write_bytes(content)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["files"]["model.json"] = hash_bytes(content)
    signed = {name: value for name, value in manifest.items() if name != "sha256"}
    (folder / "manifest.json").write_bytes(json_bytes({**signed, "sha256": hash_json(signed)}))
    with pytest.raises(BundleError, match=r"member 2 of the ensemble.*member-1\.head\.safetensors.*cannot be restored"):
        load_model(folder)


def test_a_killed_fit_goes_on_to_the_same_bytes(
    made: Any, asked: dict[str, Any], folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = ensemble_room._Ensembles.compete, [0]

    def dying(self: Any, result: Any) -> Any:
        calls[0] += 1
        if calls[0] == 2:
            raise KeyboardInterrupt
        return real(self, result)

    with monkeypatch.context() as patch:
        patch.setattr(ensemble_room._Ensembles, "compete", dying)
        with pytest.raises(KeyboardInterrupt):
            fit(folders, tmp_path / "killed", options(**asked))
    resumed = fit(folders, tmp_path / "killed", options(**asked))
    for name in ("results.json", "predictions.csv"):
        assert (resumed.folder / name).read_bytes() == (made.folder / name).read_bytes()


def test_what_is_not_kept_predicts_as_without(
    single: Any, asked: dict[str, Any], folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ensemble_room, "judge_selection", lambda *_: Acceptance(-1.0, -0.5))
    refused = fit(folders, tmp_path / "refused", options(**asked))
    assert (refused.folder / "predictions.csv").read_bytes() == (single.folder / "predictions.csv").read_bytes()
    assert refused.results.ensemble.times_kept == 0 and refused.results.ensemble.price is None
    assert "no better than the best candidate" in refused.report.read_text(encoding="utf-8")
    assert not refused.model().others


def test_a_curve_is_drawn_of_ensembles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[bool] = []

    def spy(*given: Any, **named: Any) -> Any:
        found = ensemble_room.ensemble_folds(*given, **named)
        kept.extend(result.ensemble.is_kept for result in found)
        return found

    monkeypatch.setattr("headstart.workflow.learning_curve.ensemble_folds", spy)
    pictures = helpers.write_folders(tmp_path / "many", 72)
    headstart.curve(
        pictures, tmp_path / "curve", helpers.options(study=None, ensemble=True), sizes=4, repeats=2, folds=2
    )
    assert len(kept) == 16 and any(kept)


def test_table_columns_stand_beside_every_member(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ensemble_room, "judge_selection", lambda *_: Acceptance(-0.5, -1.0))
    monkeypatch.setattr(ensemble_room, "select_members", lambda *_: (0, 4, 0))
    root = helpers.write_folders(tmp_path / "data", 30)
    names = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.png"))
    rows = [
        {"image": name, "label": name.split("/")[0], "size": number % 7 + 3 * (name[0] == "r")}
        for number, name in enumerate(names)
    ]
    source = DataSource(helpers.write_table(root / "all.csv", rows), table_columns=("size",))
    run = fit(source, tmp_path / "run", options(features="last,multi", split="nested:2x2"))
    assert run.results.ensemble.final.kept
    model, dataset = run.model(), headstart.read_dataset(root / "all.csv", table_columns=["size"])
    members = [replace(one, others=(), table=model.table, decisions=AS_THEY_ARE) for one in (model, *model.others)]
    expected = sum(weight * one.predict_proba(dataset) for weight, one in zip(model.weights, members, strict=True))
    raw = replace(model, decisions=AS_THEY_ARE)
    np.testing.assert_allclose(raw.predict_proba(dataset), expected, atol=1e-6)


def test_members_that_see_views_share_the_pass_of_those_that_do_not(made: Any, folders: Path) -> None:
    model, dataset = made.model(), headstart.read_dataset(folders).subset(np.arange(4))
    seen = tuple(views("flips", 4))
    first = replace(model, views=seen, others=(), decisions=AS_THEY_ARE)
    averaged = replace(first, views=(), features=replace(first.features, averaged=seen))
    plain = replace(first, views=())
    members = (plain, first, averaged)
    together = replace(plain, others=members[1:], weights=(0.5, 0.3, 0.2))
    expected = 0.5 * plain.predict_proba(dataset) + 0.3 * first.predict_proba(dataset)
    expected = expected + 0.2 * averaged.predict_proba(dataset)
    np.testing.assert_allclose(together.predict_proba(dataset), expected, atol=1e-6)
    assert together.price.forward_passes == 4


def test_a_fine_tuned_network_and_heads_on_several_features_are_members(
    folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Selected on the holdout; the bundle holds of the tuned network what training changed, and predicts the mean."""
    monkeypatch.setattr(ensemble_room, "judge_selection", lambda *_: Acceptance(-0.5, -1.0))
    monkeypatch.setattr(ensemble_room, "select_members", lambda library, rows: (0, 3, library.n_candidates - 1))
    monkeypatch.setattr(History, "best_epoch", property(lambda self: self.n_epochs))  # noise may be best untrained
    asked = options(
        features="last,multi",
        strategy="fine-tune",
        unlock=1,
        fine_tuning="epochs=2,batch_size=8",
        split="nested:2x2",
        calibrate="none",
    )
    run = fit(folders, tmp_path / "run", asked)
    found = run.results.ensemble
    assert [one.kind for one in found.final.members] == ["head", "head", "fine-tuning"]
    assert found.times_kept == 2 and all(fold.n_rows == 12 for fold in found.folds) and found.final.n_rows == 24
    assert run.results.fine_tuning is not None
    model, dataset = run.model(), headstart.read_dataset(folders)
    assert [one.unlocked is not None for one in (model, *model.others)] == [False, False, True]
    stored = load_file(run.folder / "model" / "member-2.backbone.safetensors")
    assert stored and all("layer4" in name for name in stored)
    assert "member-1.backbone.safetensors" not in {path.name for path in (run.folder / "model").iterdir()}
    expected = np.mean(
        [replace(one, others=(), decisions=AS_THEY_ARE).predict_proba(dataset) for one in (model, *model.others)],
        axis=0,
    )
    np.testing.assert_allclose(model.predict_proba(dataset), expected, atol=1e-6)
    assert model.price.forward_passes == 2


def test_one_candidate_is_refused_before_anything_is_written(folders: Path, tmp_path: Path) -> None:
    single = Space((FeatureSourceSpec(),), (HeadTable.of("logistic", {"C": [0.1]}),))
    with pytest.raises(InputError, match=r"--ensemble averages several candidates, but one is tried: logistic"):
        fit(folders, tmp_path / "run", options(study=single))
    assert not (tmp_path / "run").exists()
    done = CliRunner().invoke(main, ["fit", str(folders), "-o", str(tmp_path / "run"), "--ensemble", "--ensembles"])
    assert done.exit_code == 2


def test_the_option_is_part_of_the_identity_of_a_run() -> None:
    assert options().identity()["ensemble"] is True
    assert "ensemble" not in options(ensemble=False).identity()
