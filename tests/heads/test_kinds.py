"""A kind of head registered from here: specs, study files, searches, bundles, results and reports all know it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import helpers
import numpy as np
import pytest

from headstart import fit, load_model
from headstart.decisions.scaling import softmax
from headstart.errors import BundleError, InputError
from headstart.heads import FittedHead, HeadSpec, cost, fit_heads, grid, searchable_kinds, total_cost
from headstart.heads.arithmetic import Arrays, BlockPredictor
from headstart.heads.kinds import KINDS, FitCost, FitSize, HeadKind, Layout, Setting, register_head
from headstart.heads.training_rows import TrainingRows
from headstart.results.candidates_table import read_candidates
from headstart.study.search.schema import schema_bytes
from headstart.study.search.toml import read_space

STUDY = """
[[head]]
kind = "centroid"
sharpness = [0.1, 0.5, 1.0]
"""


def fit_centroids(
    specs: Sequence[HeadSpec], rows: TrainingRows, *, precision: str = "fp32"
) -> list[dict[str, np.ndarray]]:
    means = np.stack([rows.standardised[rows.labels == label].mean(axis=0) for label in range(rows.n_present)])
    return [{"means": means} for _ in specs]


def centroid_predictor(spec: HeadSpec, arrays: Arrays) -> BlockPredictor:
    sharpness = spec.number("sharpness")
    return lambda block: softmax(-sharpness * ((block[:, None] - arrays["means"]) ** 2).sum(axis=2))


def centroid_layout(spec: HeadSpec) -> Layout:
    return {"means": ("float64", "Pd")}


def centroid_cost(spec: HeadSpec, size: FitSize) -> FitCost:
    return FitCost(1.0, 5.0, "means")


def centroid_damage(arrays: Arrays) -> str:
    return "array 'means' lies beyond 1e6" if (np.abs(arrays["means"]) > 1e6).any() else ""


CENTROID = HeadKind(
    name="centroid",
    title="Nearest centroid",
    headline="centroid, sharpness {sharpness}",
    settings={"sharpness": Setting(1.0), "metric": Setting("euclidean", choices=("euclidean", "cosine"))},
    layout=centroid_layout,
    fit=fit_centroids,
    predictor=centroid_predictor,
    cost=centroid_cost,
    damage=centroid_damage,
    grids={"quick": [{"sharpness": 2.0}]},
)


@pytest.fixture
def centroid() -> Iterator[HeadKind]:
    yield register_head(CENTROID)
    KINDS.discard("centroid")


def fitted(**settings: Any) -> FittedHead:
    features = np.array([[0, 1], [1, 0], [5, 6], [6, 5]], dtype=np.float32)
    (head,) = fit_heads([HeadSpec("centroid", settings)], features, np.array([0, 0, 1, 1]), n_classes=2, seed=0)
    return head


def test_specs_lists_grids_and_costs_know_a_new_kind(centroid: HeadKind) -> None:
    assert searchable_kinds()[-1] == "centroid"
    assert HeadSpec("centroid", {"metric": "cosine"}).label == "centroid, sharpness 1, metric cosine"
    assert grid("quick")[-1] == HeadSpec("centroid", {"sharpness": 2.0}) and len(grid("wide")) == 53
    specs = [HeadSpec("centroid", {"sharpness": value}) for value in (1.0, 2.0)]
    assert cost(specs[0], 10, 10, 2) == 6.0 and total_cost(specs, 10, 10, 2) == 7.0
    with pytest.raises(InputError, match="'sharpness' of a centroid head must be a number > 0"):
        HeadSpec("centroid", {"sharpness": 0})


def test_a_new_kind_predicts_and_comes_back_from_its_arrays(centroid: HeadKind) -> None:
    head = fitted()
    rows = np.array([[0, 0], [6, 6]], dtype=np.float32)
    assert head.predict_proba(rows).argmax(axis=1).tolist() == [0, 1] and not head.holds_training_features
    again = FittedHead.from_tensors(head.spec, head.to_tensors())
    assert np.array_equal(again.predict_proba(rows), head.predict_proba(rows))
    with pytest.raises(BundleError, match="lies beyond 1e6"):
        FittedHead.from_tensors(head.spec, {**head.to_tensors(), "means": head.arrays["means"] * 1e9})
    with pytest.raises(BundleError, match="array 'means' must have shape"):
        FittedHead.from_tensors(head.spec, {**head.to_tensors(), "means": head.arrays["means"][:1]})


def test_a_study_file_and_its_schema_know_a_new_kind(centroid: HeadKind, tmp_path: Path) -> None:
    space = read_space(helpers.write_text(tmp_path / "study.toml", STUDY))
    assert [candidate.head.label for candidate in space.candidates()][1] == "centroid, sharpness 0.5"
    assert "CentroidHeads" in json.loads(schema_bytes())["$defs"]
    wrong = helpers.write_text(tmp_path / "wrong.toml", STUDY.replace("0.1", "-1"))
    with pytest.raises(InputError, match=r"\(centroid\): key 'sharpness' must be a number > 0"):
        read_space(wrong)


@pytest.mark.usefixtures("empty_figures")
def test_a_search_over_a_new_kind_leaves_results_report_and_bundle(
    centroid: HeadKind, folders: Path, run: Any, tmp_path: Path
) -> None:
    study = helpers.write_text(tmp_path / "study.toml", STUDY)
    folder = tmp_path / "run"
    fit(folders, folder, helpers.options(study=study))
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    assert results["search"]["kinds"] == ["centroid"]
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "Nearest centroid" in page and "centroid, sharpness" in page
    model = load_model(folder / "model")
    assert model.head.spec.kind == "centroid" and set(model.head.arrays) >= {"means"}
    assert set(read_candidates(folder / "candidates.parquet").columns["kind"]) == {"centroid"}
    older = read_candidates(Path(run.folder) / "candidates.parquet")  # written before the kind was there
    assert np.isnan(older.columns["sharpness"]).all()


def test_what_does_not_fit_together_is_refused_when_registered(centroid: HeadKind) -> None:
    with pytest.raises(ValueError, match="a kind of head 'centroid' already"):
        register_head(CENTROID)
    with pytest.raises(ValueError, match="names the setting 'colour', which it does not have"):
        HeadKind(**{**vars(CENTROID), "name": "other", "headline": "colour {colour}"})


def test_only_heads_that_store_features_hold_rows() -> None:
    assert [name for name, kind in KINDS.items() if kind.holds_rows] == ["knn", "svm"]


def test_looking_kinds_up_loads_neither_torch_nor_scikit_learn() -> None:
    code = (
        "import sys; from headstart.heads import searchable_kinds; searchable_kinds(); "
        "print({'torch', 'sklearn', 'scipy.optimize', 'scipy.linalg'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
