"""A whole fit over several sources and any space: same bytes again, right bundle, every mistake said in words."""

from __future__ import annotations

import importlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import helpers
import numpy as np
import pytest
from click.testing import CliRunner, Result

from headstart import FitOptions, fit, load_model
from headstart.cli import main
from headstart.data import ImageDataset
from headstart.decisions import Decisions
from headstart.errors import InputError, RunError, WeightsError
from headstart.features.extract import extract_features
from headstart.features.open import open_extractor
from headstart.heads import FittedHead, HeadSpec
from headstart.results.candidates_table import read_candidates
from headstart.storage import hash_file
from headstart.study.execution.journal import Journal
from headstart.study.search.candidate import FeatureSourceSpec
from headstart.study.search.space import HeadTable, Space
from headstart.workflow.check import check_data
from headstart.workflow.fit import estimate_fit
from headstart.workflow.job.sources import extraction_settings
from headstart.workflow.options.search_space import search_space, source_options
from headstart.workflow.run import Run

FITTING = importlib.import_module("headstart.workflow.fit")
BACKBONES = ("test_resnet", "test_efficientnet")
STUDY = """
[[source]]
backbone = ["test_resnet", "test_efficientnet"]
input_size = 32

[[head]]
kind = "logistic"
C = [0.001, 0.03]

[[head]]
kind = "dense"
units = 8
learning_rate = [1e-3, 1e-2]
epochs = [2, 4, 8]
"""
LASTING = ("results.json", "predictions.csv", "split.json", "candidates.parquet", "folds/heads.json")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("study") / "study.toml"
    path.write_text(STUDY)
    return path


def asked(study: Path | Space | None = None, **changes: Any) -> FitOptions:
    wanted = {"backbone": None, "input_size": None, "study": study} | changes
    return helpers.options(**wanted)


@pytest.fixture(scope="module")
def searched(folders: Path, study: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished search over two sources, with its report; read only."""
    with helpers.empty_figures():
        return fit(folders, tmp_path_factory.mktemp("searched") / "run", asked(study))


def lasting(folder: Path) -> dict[str, bytes]:
    return {
        name: content for name, content in helpers.tree(folder).items() if name in LASTING or name.startswith("model")
    }


def command(*arguments: object, code: int = 0) -> Result:
    found = CliRunner().invoke(main, [str(argument) for argument in arguments])
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    assert found.exit_code == code, found.output
    return found


# The whole way --------------------------------------------------------------------------------------------------------


def test_every_candidate_of_every_source_is_written_down(searched: Run) -> None:
    table = read_candidates(searched.folder / "candidates.parquet")
    assert len(table) == 16 * 4  # three outer folds and the refit
    assert set(table.columns["backbone"]) == set(BACKBONES)
    assert np.isfinite(table.columns["inner_score"]).all()
    results = searched.results
    assert results.search.to_json() | {"notes": None, "training_sets": None} == {
        "space": "study",
        "n_candidates": 16,
        "n_points": 16,
        "kinds": ["dense", "logistic"],
        "method": "all",
        "halving": None,
        "notes": None,
        "training_sets": None,
        "views": {},
    }
    assert [source.backbone for source in results.sources] == list(BACKBONES)
    assert [source.number for source in results.sources] == [0, 1]
    assert sum(source.times_chosen for source in results.sources) == 3
    assert results.sources[0].engine_record.label == "torch fp32"
    outer = table.of_outer_folds()
    judged = np.isfinite(outer.columns["outer_score"])
    assert judged.sum() == 2 * 3  # the best of each source, in each outer fold
    assert judged[outer.columns["chosen"]].all()


def test_the_choice_is_the_best_score_of_the_file(searched: Run) -> None:
    columns = read_candidates(searched.folder / "candidates.parquet").columns
    for fold in (0, 1, 2, -1):
        rows = columns["fold"] == fold
        best = columns["inner_score"][rows].min()
        assert columns["inner_score"][rows & columns["chosen"]].tolist() == [best]


def test_the_bundle_holds_the_chosen_source_alone(searched: Run, tmp_path: Path) -> None:
    final = searched.results.final_model
    source = searched.results.sources[final.source]
    model = load_model(searched.folder)
    assert searched.results.backbone.name == source.backbone == model.backbone.name
    assert model.head.spec.to_json() == final.model_dump(include={"kind", "settings"})
    assert model.predict_proba(helpers.noise(4, seed=9)).shape == (4, 2)
    assert len(list((searched.folder / "model").glob("backbone*"))) == 1
    shutil.copytree(searched.folder / "model", tmp_path / "moved")
    np.testing.assert_array_equal(
        load_model(tmp_path / "moved").predict_proba(helpers.noise(4, seed=9)),
        model.predict_proba(helpers.noise(4, seed=9)),
    )


def test_fold_heads_say_what_their_features_come_from(searched: Run, folders: Path, study: Path) -> None:
    """From heads.json alone the out-of-fold predictions are made again."""
    from safetensors.numpy import load_file

    dataset = ImageDataset.from_folder(folders)
    rows = [line.split(",") for line in (searched.folder / "predictions.csv").read_text().splitlines()[1:]]
    found = {(row[0], int(row[6])): [float(value) for value in row[3:5]] for row in rows}
    options = asked(study)
    space = search_space(options)
    for entry in json.loads((searched.folder / "folds" / "heads.json").read_text())["heads"]:
        source = space.sources[entry["source"]["number"]]
        assert source.backbone == entry["source"]["backbone"]
        features = extract_features(
            dataset, open_extractor(extraction_settings(source_options(options, source), dataset))
        )
        arrays = load_file(searched.folder / "folds" / entry["file"])
        head = FittedHead.from_tensors(HeadSpec.from_json(entry["head"]), arrays)
        said = Decisions.from_json(entry["decisions"], head.n_classes).apply(head.predict_proba(features))
        for name, given in zip(dataset.names, said.probabilities, strict=True):
            if (name, entry["fold"]) in found:
                assert found[name, entry["fold"]] == given.tolist()


def test_sources_do_not_change_each_other(
    searched: Run, folders: Path, study: Path, tmp_path: Path, no_figures: None
) -> None:
    """A source alone gives its candidates the inner scores that it gave them beside another."""
    alone = Space((FeatureSourceSpec("test_efficientnet", input_size=32),), search_space(asked(study)).tables)
    run = fit(folders, tmp_path / "run", asked(alone))
    one, both = (read_candidates(folder / "candidates.parquet").columns for folder in (run.folder, searched.folder))
    beside = both["backbone"] == "test_efficientnet"
    np.testing.assert_array_equal(one["inner_score"], both["inner_score"][beside])


def test_again_with_another_cache_gives_the_same_bytes(
    searched: Run, folders: Path, study: Path, tmp_path: Path, no_figures: None
) -> None:
    moved = Path(shutil.copy(study, tmp_path / "another name.toml"))
    again = fit(folders, tmp_path / "run", asked(moved, cache=str(tmp_path / "cache")))
    assert lasting(again.folder) == lasting(searched.folder)


@pytest.mark.parametrize("n_pieces", [0, 5, 17])
def test_killed_and_resumed_ends_with_the_same_bytes(
    n_pieces: int,
    searched: Run,
    folders: Path,
    study: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    no_figures: None,
) -> None:
    class KilledError(BaseException):
        pass

    put, left = Journal.put, [n_pieces]

    def killing(self: Journal, key: str, tensors: Any) -> None:
        if not left[0]:
            raise KilledError
        left[0] -= 1
        put(self, key, tensors)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "put", killing)
        with pytest.raises(KilledError):
            fit(folders, tmp_path / "run", asked(study))
    assert not (tmp_path / "run" / "results.json").exists()
    sizes = helpers.sizes_computed(monkeypatch)
    again = fit(folders, tmp_path / "run", asked(study))
    assert set(sizes) <= {1}  # the features of both sources were kept; the model measures what one picture alone gives
    assert lasting(again.folder) == lasting(searched.folder)


def test_a_finished_search_is_only_read_and_another_is_refused(searched: Run, folders: Path, study: Path) -> None:
    notes = helpers.Notes()
    assert fit(folders, searched.folder, asked(study), progress=notes).results == searched.results
    assert "is complete; nothing is left to do" in notes.texts[-1]
    with pytest.raises(RunError, match=r"It differs in: search\.content is .* there"):
        fit(folders, searched.folder, asked(study, search="halving"))
    fewer = Space((FeatureSourceSpec("test_resnet", input_size=32),), search_space(asked(study)).tables)
    with pytest.raises(RunError, match=r"search\.candidates is 16 there, 8 here; search\.sources is 2 there, 1 "):
        fit(folders, searched.folder, asked(fewer))


def test_report_shows_the_search_and_both_sources(searched: Run) -> None:
    page = searched.report.read_text()
    for words in (
        "16 candidates, 3 outer folds, 2 inner folds each",
        "2 sources of features competed",
        "Best candidate of each source of features",
        "test_efficientnet, 32 px",
    ):
        assert words in page, words
    assert (searched.folder / "figures" / "search_effects.svg").is_file()


def test_int8_of_two_sources_is_resumed_from_what_the_run_kept(folders: Path, tmp_path: Path, no_figures: None) -> None:
    """The bundle holds the quantised network of one source; that of the other lies beside the fold heads."""
    pytest.importorskip("openvino")
    pytest.importorskip("nncf")
    space = Space(
        tuple(FeatureSourceSpec(name, input_size=32) for name in BACKBONES),
        (HeadTable.of("logistic", {"C": [0.01, 0.1]}),),
    )
    first = fit(folders, tmp_path / "run", asked(space, precision="int8"))
    hashes = [source.engine.network_sha256 for source in first.results.sources]
    assert len(set(hashes)) == 2
    networks = [tmp_path / "run" / "folds" / name for name in ("network.safetensors", "network-1.safetensors")]
    assert [hash_file(path) for path in networks] == hashes
    before = lasting(first.folder)
    (first.folder / "report.html").unlink()
    assert lasting(fit(folders, tmp_path / "run", asked(space, precision="int8")).folder) == before
    networks[1 - first.results.final_model.source].unlink()
    lost = lasting(first.folder)
    assert lasting(fit(folders, tmp_path / "run", asked(space, precision="int8")).folder) == lost  # nothing left to do
    (first.folder / "report.html").unlink()
    assert lasting(fit(folders, tmp_path / "run", asked(space, precision="int8")).folder) == before  # made again


# Through the command line ---------------------------------------------------------------------------------------------

MACHINE = [
    "--weights",
    "random",
    "--device",
    "cpu",
    "--threads",
    1,
    "--no-cache",
    "--split",
    "nested:3x2",
    "-q",
    "--no-baselines",
]


def test_halving_and_two_backbones_by_the_command_line(folders: Path, tmp_path: Path, no_figures: None) -> None:
    path = tmp_path / "study.toml"
    path.write_text(
        STUDY.replace('backbone = ["test_resnet", "test_efficientnet"]', "").replace(
            "[1e-3, 1e-2]", "[1e-3, 3e-3, 1e-2, 0.03]"
        )
    )
    options = ["--backbone", "test_resnet,test_efficientnet", "--study", path, "--search", "halving"]
    command("fit", folders, "-o", tmp_path / "run", *options, *MACHINE)
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["search"]["method"] == "halving"
    assert results["search"]["n_candidates"] == 2 * (2 + 4 * 3)
    assert results["search"]["halving"].startswith("Successive halving: ")
    assert [source["label"] for source in results["sources"]] == ["test_resnet, 32 px", "test_efficientnet, 32 px"]
    table = read_candidates(tmp_path / "run" / "candidates.parquet")
    assert table.halving == results["search"]["halving"]
    last = table.columns["rung"].max()
    assert (table.columns["rung"] < last).any()
    assert (table.columns["rung"][table.columns["chosen"]] == last).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '[[head]]\nkind = "dense"\ndropuot = 0.5',
            "[[head]] number 1 (dense): Unknown key 'dropuot'. Did you mean 'dropout'",
        ),
        ('[[head]]\nkind = "dense"\ndropout = 1.0', "key 'dropout' must be"),
        ("[[head]", "is no valid TOML"),
        ("", "names no heads, so there is nothing to try"),
        ('grid = "paper"\n[[source]]\nwhite_level = 0', "[[source]] number 1"),
    ],
)
def test_mistakes_in_a_study_leave_with_2(text: str, message: str, folders: Path, tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    path.write_text(text)
    found = command("fit", folders, "-o", tmp_path / "run", "--study", path, *MACHINE, code=2)
    assert message in found.stderr
    assert str(path) in found.stderr
    assert found.stdout == ""
    assert not (tmp_path / "run").exists()


LARGE = """
[[head]]
kind = "dense"
units = 8
batch_size = [4, 64, 1_000_000]
epochs = 2
"""


def test_batches_larger_than_the_folds_allow_are_reported_and_run(
    folders: Path, tmp_path: Path, no_figures: None
) -> None:
    path, notes = tmp_path / "large.toml", helpers.Notes()
    path.write_text(LARGE)
    options = asked(path, backbone="test_resnet", input_size=32)
    run = fit(folders, tmp_path / "run", options, progress=notes)
    (said,) = run.results.search.notes
    assert re.match(r"Batch sizes 64, 1000000 are too large for \d\d training rows: batches of 8 rows are used", said)
    assert f"Note: {said}" in notes.texts
    assert estimate_fit(folders, tmp_path / "other", options)["notes"] == [said]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[head]]\nkind = "dense"\nunits = 30_000_000', "Training 'dense 30000000 relu"),
        ('grid = "quick"\n[halving]\nfolds = [1, 3]', "Halving sees folds [1, 3], but the split has 2 inner folds"),
        ('grid = "quick"\n[[head]]\nkind = "svm"\ngamma = [0.25, 1.0]', "'RBF SVM C = 3, gamma x 0.25' twice"),
    ],
)
@pytest.mark.parametrize("estimate", [False, True])
def test_what_folds_or_memory_do_not_allow_is_refused_before_anything_is_written(
    text: str, message: str, estimate: bool, folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def computed(*arguments: object) -> None:
        raise AssertionError("features were computed, or the speed measured, for a study that cannot be")

    path = tmp_path / "my.toml"
    path.write_text(text)
    monkeypatch.setattr("headstart.workflow.job.sources.extract_features", computed)
    monkeypatch.setattr("headstart.study.time_estimate.measured_speed", computed)
    options = ["--study", path, "--backbone", "test_resnet", *(["--estimate"] if estimate else [])]
    found = command("fit", folders, "-o", tmp_path / "run", *options, *MACHINE, code=2)
    assert message in found.stderr
    assert not (tmp_path / "run").exists()


def test_ten_million_candidates_are_refused_with_count_and_remedy(folders: Path, tmp_path: Path) -> None:
    path = tmp_path / "huge.toml"
    rates = [f"{1e-4 * (1 + number / 1000):.7f}" for number in range(1000)]
    drops = [f"{0.1 + number / 2000:.4f}" for number in range(1000)]
    path.write_text(
        f'[[head]]\nkind = "dense"\nlearning_rate = [{", ".join(rates)}]\ndropout = [{", ".join(drops)}]\n'
        "epochs = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]\n"
    )
    found = command("fit", folders, "-o", tmp_path / "run", "--study", path, *MACHINE, code=2)
    assert "holds 10,000,000 candidates" in found.stderr
    assert "[sample]" in found.stderr
    assert not (tmp_path / "run").exists()


def test_paper_grid_offline_names_all_four_and_the_commands(folders: Path, tmp_path: Path) -> None:
    found = command("fit", folders, "-o", tmp_path / "run", "--grid", "paper", "--offline", code=2)
    assert "No pretrained weights for 4 of 4 backbones" in found.stderr
    assert "headstart backbones fetch vgg19 resnet50 xception densenet121 --to DIR" in found.stderr
    assert "headstart backbones add DIR" in found.stderr
    assert not (tmp_path / "run").exists()
    one = command("fit", folders, "-o", tmp_path / "run", "--backbone", "vgg19", "--offline", code=2)
    assert "No pretrained weights for 'vgg19'" in one.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--grid", "quick", "--study", "{study}"], "--grid and --study exclude each other"),
        (["--backbone", "test_vit", "--study", "{study}"], "names backbones itself (test_resnet, test_efficientnet)"),
        (["--input-size", "64", "--study", "{study}"], "--input-size 64, but {study} says input_size = 32"),
        (["--backbone", "test_vit,,test_resnet"], "separated by single commas"),
        (["--backbone", "test_vit,test_vit"], "name each backbone once"),
        (["--backbone", "test_vit,test_resnte"], "Unknown backbone 'test_resnte'"),
        (["--study", "nowhere.toml"], "nowhere.toml cannot be read"),
        (["--search", "all", "--study", "{halved}"], "asks for halving"),
    ],
)
def test_contradictions_are_refused_in_words(
    options: list[str], message: str, folders: Path, study: Path, tmp_path: Path
) -> None:
    halved = tmp_path / "halved.toml"
    halved.write_text(STUDY + "\n[halving]\nkeep = 0.5\n")
    names = {"study": str(study), "halved": str(halved)}
    given = [option.format(**names) for option in options]
    found = command("fit", folders, "-o", tmp_path / "run", *given, *MACHINE, code=2)
    assert message.format(**names) in found.stderr
    assert not (tmp_path / "run").exists()


def test_one_file_of_weights_cannot_fit_two_backbones() -> None:
    with pytest.raises(InputError, match=r"one file of weights cannot fit 2 backbones"):
        search_space(FitOptions(backbone="vgg19,resnet50", weights="vgg19.pth"))


def test_weights_that_cannot_be_had_are_reported_together(folders: Path, tmp_path: Path) -> None:
    """Files that are no weights, one for each source."""
    bad = [tmp_path / f"{name}.pth" for name in BACKBONES]
    sources = tuple(
        FeatureSourceSpec(name, weights=str(path), input_size=32) for name, path in zip(BACKBONES, bad, strict=True)
    )
    space = Space(sources, (HeadTable.of("logistic", {"C": [1.0]}),))
    with pytest.raises(WeightsError, match=r"Weights of 2 backbones cannot be used") as caught:
        fit(folders, tmp_path / "run", asked(space, weights=None))
    assert all(str(path) in str(caught.value) for path in bad)
    assert not (tmp_path / "run").exists()


# What the options ask for ---------------------------------------------------------------------------------------------


def test_space_of_the_options() -> None:
    assert [source.backbone for source in search_space(FitOptions(grid="paper")).sources] == [
        "vgg19",
        "resnet50",
        "xception",
        "densenet121",
    ]
    assert search_space(FitOptions(grid="paper")).count() == 1296
    assert search_space(FitOptions(grid="paper", backbone="vgg16")).count() == 324
    assert search_space(FitOptions()).sources == (FeatureSourceSpec(),)
    assert search_space(FitOptions(search="halving")).halving is not None
    open_sizes = Space(
        (FeatureSourceSpec(input_size=32), FeatureSourceSpec(input_size=48)), (HeadTable.of("knn", {"k": [3]}),)
    )
    found = search_space(FitOptions(study=open_sizes, backbone="vgg16,vgg19")).sources
    assert [source.label for source in found] == ["vgg16, 32 px", "vgg16, 48 px", "vgg19, 32 px", "vgg19, 48 px"]
    with pytest.raises(InputError, match="Unknown search 'halve'"):
        FitOptions(search="halve")


def test_views_of_one_backbone_share_it(folders: Path, tmp_path: Path, no_figures: None) -> None:
    """Two input sizes; near-duplicates are confirmed by the first source and that is said."""
    data = Path(shutil.copytree(folders, tmp_path / "data"))
    smooth = np.kron(np.random.default_rng(0).integers(0, 255, (5, 6, 3)), np.ones((16, 16, 1))).astype(np.uint8)
    helpers.write_image(data / "calm" / "a.png", smooth)
    helpers.write_image(data / "calm" / "a-again.jpg", smooth)
    sources = tuple(FeatureSourceSpec("test_resnet", input_size=side) for side in (32, 48))
    notes = helpers.Notes()
    space = Space(sources, (HeadTable.of("logistic", {"C": [0.01, 0.1]}),))
    run = fit(data, tmp_path / "run", asked(space), progress=notes)
    assert [source.preparation.size for source in run.results.sources] == [(32, 32), (48, 48)]
    assert "Near duplicates are confirmed by the features of test_resnet, 32 px." in notes.texts
    assert run.results.audit.near_duplicates.features_of == "test_resnet, 32 px"
    assert any("features of 50 images from each of 2 sources (100 to be computed" in text for text in notes.texts)


def test_the_default_backbone_beside_its_own_name_is_refused(folders: Path, tmp_path: Path) -> None:
    sources = (
        FeatureSourceSpec(weights="random", input_size=32),
        FeatureSourceSpec("efficientnet_lite0", weights="random", input_size=32),
    )
    space = Space(sources, (HeadTable.of("logistic", {"C": [1.0]}),))
    with pytest.raises(InputError, match=r"names the source 'efficientnet_lite0, random, 32 px' twice"):
        fit(folders, tmp_path / "run", asked(space, weights=None))


def test_estimate_and_check_with_several_sources(folders: Path, study: Path, tmp_path: Path) -> None:
    few = estimate_fit(folders, tmp_path / "run", asked(study))
    assert few["candidates"] == 16
    assert list(few["sources"]) == ["test_resnet, 32 px", "test_efficientnet, 32 px"]
    plan = estimate_fit(folders, tmp_path / "run", asked(backbone="test_resnet,test_vit", grid="paper"))
    assert plan["candidates"] == 648
    assert plan["seconds"]["heads"] > few["seconds"]["heads"]
    assert plan["total_minutes"] == pytest.approx(sum(plan["seconds"].values()) / 60, abs=0.06)
    assert not (tmp_path / "run").exists()
    assert check_data(folders, asked(backbone="test_resnet,test_vit")).audit.n_images == 48


def test_random_weights_among_others_are_warned_of(folders: Path, tmp_path: Path, no_figures: None) -> None:
    """Weights of a file beside random ones: warned of, and the headline says what the final model has."""
    from safetensors.torch import save_file

    from headstart.backbones.build import build
    from headstart.backbones.registry import find_entry

    weights = tmp_path / "weights.safetensors"
    save_file(build(find_entry("test_resnet"), seed=5).state_dict(), weights)
    sources = (
        FeatureSourceSpec("test_resnet", weights=str(weights), input_size=32),
        FeatureSourceSpec("test_efficientnet", input_size=32),
    )
    space = Space(sources, (HeadTable.of("logistic", {"C": [0.01]}),))
    with pytest.raises(InputError, match="one file of weights cannot fit 2 backbones"):
        fit(folders, tmp_path / "run", asked(space, weights=str(weights)))
    sources = (sources[0], FeatureSourceSpec("test_efficientnet", weights="random", input_size=32))
    run = fit(folders, tmp_path / "run", asked(Space(sources, space.tables), weights=None))
    assert any(
        "Random weights compete, a baseline (test_efficientnet, random, 32 px)" in text for text in run.results.warnings
    )
    final = run.results.sources[run.results.final_model.source]
    assert run.headline.startswith("Random weights") == final.weights.source.startswith("random")
