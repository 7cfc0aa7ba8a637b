"""Views and balancing in a whole fit: chosen by inner folds, kept in the bundle, the same bytes again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import helpers
import numpy as np
import pytest
from click.testing import CliRunner

from headstart import ImageDataset, fit, load_model
from headstart.augment import KINDS, policy_for_kind, views
from headstart.cli import main
from headstart.errors import InputError
from headstart.features.extract import extract_views
from headstart.results.candidates_table import read_candidates
from headstart.study.search.candidate import FeatureSourceSpec
from headstart.study.search.space import HeadTable, Space
from headstart.study.search.toml import read_space
from headstart.study.training_set.spec import TrainingSetSpec
from headstart.workflow.fit import estimate_fit
from headstart.workflow.options.search_space import search_space
from headstart.workflow.options.training_set import N_VIEWS, left_out_notes, requested_views, with_training_sets
from headstart.workflow.preflight import check_views
from headstart.workflow.run import Run

CHEAP = Space((FeatureSourceSpec(),), (HeadTable.of("logistic", {"C": [0.01, 1.0]}),))


def asked(**changes: Any) -> Any:
    return helpers.options(**({"study": CHEAP} | changes))


@pytest.fixture(scope="module")
def augmented(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Trained on flips alone, so that the bundle predicts from views; read only."""
    folder = tmp_path_factory.mktemp("augmented")
    photographs = helpers.write_folders(folder / "photographs")
    with helpers.empty_figures():
        return fit(photographs, folder / "run", asked(augment="flips", tta=True))


# A whole fit ----------------------------------------------------------------------------------------------------------


def test_the_bundle_predicts_the_mean_over_the_views_of_training(augmented: Run) -> None:
    model = load_model(augmented.folder)
    assert [view.symmetry for view in model.views] == ["identity", "mirror", "flip", "turn_180"]
    new = ImageDataset.from_arrays(helpers.noise(5, seed=3))
    features = extract_views(new, model.extractor, views("flips", 4))
    each = np.stack([model.head.predict_proba(np.ascontiguousarray(features[:, number])) for number in range(4)])
    expected = model.decisions.apply(each.mean(axis=0)).probabilities
    np.testing.assert_allclose(model.predict_proba(new), expected, atol=1e-6)


def test_predictions_do_not_depend_on_company_and_bad_files_get_their_row(augmented: Run, tmp_path: Path) -> None:
    model = load_model(augmented.folder)
    paths = [
        helpers.write_image(tmp_path / f"{row}.png", pixels) for row, pixels in enumerate(helpers.noise(40, seed=4))
    ]
    whole = model.predict_proba([str(path) for path in paths])
    paths[3].write_bytes(b"no picture")
    found = list(model.predict_each(ImageDataset.from_files([str(path) for path in paths])))
    assert [row.image for row in found] == [str(path) for path in paths]
    assert [row.error is None for row in found].count(False) == 1
    kept = [row for row in range(40) if row != 3]
    np.testing.assert_allclose([found[row].probabilities for row in kept], whole[kept], atol=1e-6)


def test_out_of_fold_probabilities_are_those_of_the_heads_of_the_folds(augmented: Run) -> None:
    rows = (augmented.folder / "predictions.csv").read_text().splitlines()
    assert len(rows) == 49
    search = augmented.results.search
    assert [one.to_json() for one in search.training_sets] == [
        {
            "balance": "none",
            "augment": "flips",
            "tta": True,
            "label": "flips, mean over views",
            "times_chosen": 3,
            "inner_score": pytest.approx(search.training_sets[0].inner_score),
        }
    ]
    assert [view.index for view in search.views["flips"]] == [0, 1, 2, 3]


def test_the_report_shows_the_views_and_the_methods_say_so(augmented: Run) -> None:
    page = augmented.report.read_text(encoding="utf-8")
    assert "What was done to the training images" in page
    assert "Views of flips, 4 of each image" in page
    assert "turn 180" in page
    assert "trained on views of the images too (flips, 4 views of each, itself among them). Such heads predict" in page


@pytest.mark.usefixtures("no_figures")
def test_several_ways_compete_and_the_file_says_which(folders: Path, tmp_path: Path) -> None:
    run = fit(folders, tmp_path / "run", asked(augment="none,dihedral", balance="none,smote", tta=True))
    columns = read_candidates(run.folder / "candidates.parquet").columns
    assert set(columns["balance"]) == {"none", "smote"}
    assert set(zip(columns["augment"], columns["tta"], strict=True)) == {("none", "False"), ("dihedral", "True")}
    assert run.results.search.n_candidates == 8
    assert sum(row.times_chosen for row in run.results.search.training_sets) == 3
    again = fit(folders, tmp_path / "again", asked(augment="none,dihedral", balance="none,smote", tta=True))
    for name in ("results.json", "predictions.csv", "candidates.parquet"):
        assert (run.folder / name).read_bytes() == (again.folder / name).read_bytes()


def test_other_views_are_another_run(augmented: Run) -> None:
    photographs = augmented.folder.parent / "photographs"
    with pytest.raises(InputError, match=r"another run|other options|holds"):
        fit(photographs, augmented.folder, asked(augment="flips", tta=True, views=2))


@pytest.mark.usefixtures("empty_figures")
def test_without_pictures_the_report_shows_no_views(folders: Path, tmp_path: Path) -> None:
    run = fit(folders, tmp_path / "run", asked(augment="flips", images=False))
    page = run.report.read_text(encoding="utf-8")
    assert "What was done to the training images" in page
    assert "Views of flips" not in page


def test_the_estimate_counts_views(folders: Path, tmp_path: Path) -> None:
    plan = estimate_fit(folders, tmp_path / "run", asked(augment="dihedral"))
    assert plan["views"] == 8
    assert plan["features_in_cache"] == 0
    assert not (tmp_path / "run").exists()


# What is asked for ----------------------------------------------------------------------------------------------------


def test_auto_takes_what_suits_the_kind_beside_none() -> None:
    space = with_training_sets(CHEAP, asked(augment="auto", image_kind="micrograph"))
    assert space.training_sets == (TrainingSetSpec(), TrainingSetSpec(augment="dihedral"))
    assert with_training_sets(CHEAP, asked(augment="auto", image_kind="digit")).training_sets == (TrainingSetSpec(),)
    assert {policy_for_kind(kind) for kind in KINDS} <= {*N_VIEWS, "none"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"augment": "flip"}, "Did you mean 'flips'"),
        ({"augment": "auto"}, "--image-kind"),
        ({"image_kind": "micrograph"}, "--augment auto"),
        ({"augment": "flips", "image_kind": "digit"}, "--augment auto"),
        ({"augment": "auto", "image_kind": "micrografs"}, "Did you mean 'micrograph'"),
        ({"augment": "flips", "views": 5}, "4 different views"),
        ({"views": 4}, "nothing is augmented"),
        ({"tta": True}, "needs views"),
        ({"balance": "views"}, "needs views"),
        ({"balance": "smote,,none"}, "once, separated"),
        ({"balance": "smotee"}, "Did you mean 'smote'"),
        ({"augment": "nowhere.toml"}, "nowhere.toml cannot be read"),
    ],
)
def test_what_cannot_be_requested_is_refused_in_words(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        search_space(asked(**changes))


def test_views_that_lay_a_rectangle_on_its_side_are_refused() -> None:
    wide = (32, 48)
    check_views(views("dihedral", 4), [wide])
    with pytest.raises(InputError, match="exchanges height and width"):
        check_views(views("dihedral", 5), [wide])


def test_heads_that_hold_all_rows_are_left_out_where_views_make_too_many() -> None:
    options = asked(augment="none,dihedral")
    space = with_training_sets(
        Space((FeatureSourceSpec(),), (HeadTable.of("svm", {}), HeadTable.of("logistic", {}))), options
    )
    assert left_out_notes(space, requested_views(space, options), 1000) == []
    (note,) = left_out_notes(space, requested_views(space, options), 1001)
    assert "svm is not tried on views of dihedral: 8,008 rows" in note


@pytest.mark.usefixtures("no_figures")
def test_the_command_line_takes_them(folders: Path, tmp_path: Path) -> None:
    arguments = ["fit", folders, "-o", tmp_path / "run", "--backbone", helpers.BACKBONE, "--weights", "random"]
    more = ["--input-size", 32, "--split", "holdout:60/20/20", "--no-cache", "--threads", 1, "--quiet"]
    ways = ["--augment", "flips", "--views", 2, "--tta", "--balance", "weights"]
    found = CliRunner().invoke(main, [str(part) for part in (*arguments, *more, *ways)])
    assert found.exit_code == 0, found.output
    assert [view.index for view in load_model(tmp_path / "run").views] == [0, 1]
    wrong = CliRunner().invoke(main, [str(part) for part in (*arguments, *more, "--balance", "smot")])
    assert wrong.exit_code == 2
    assert "Did you mean 'smote'" in wrong.output


# study.toml -----------------------------------------------------------------------------------------------------------


def study_file(folder: Path, training: str) -> Path:
    path = folder / "study.toml"
    path.write_text(f'grid = "quick"\n\n[training]\n{training}\n')
    return path


def test_a_study_names_its_training_sets(tmp_path: Path) -> None:
    path = study_file(tmp_path, 'balance = ["none", "smote"]\naugment = ["none", "flips"]\ntta = [false, true]')
    space = read_space(path)
    assert [one.label for one in space.training_sets] == [
        "",
        "flips",
        "flips, mean over views",
        "smote",
        "smote, flips",
        "smote, flips, mean over views",
    ]
    with pytest.raises(InputError, match=r"\[training\] table itself"):
        search_space(asked(study=path, balance="smote"))


@pytest.mark.parametrize(
    ("training", "words"),
    [
        ('balanse = "smote"', r"\[training\].*Did you mean 'balance'"),
        ('balance = "smot"', r"\[training\].*Did you mean 'smote'"),
        ("tta = true", r"\[training\].*needs views"),
        ('tta = "yes"', r"\[training\]: key 'tta'"),
        ('augment = ["flips", "flips"]', r"\[training\].*twice"),
    ],
)
def test_mistakes_of_the_training_table_are_reported_with_table_and_key(
    tmp_path: Path, training: str, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        read_space(study_file(tmp_path, training))
