"""The heads of the outer folds with the network of the final model: they predict what they were judged by."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from headstart import ImageDataset, read_dataset
from headstart.errors import RunError
from headstart.model import load_fold_models
from headstart.workflow.run import Run


def judged(run: Run) -> dict[tuple[str, int], list[float]]:
    """Probabilities of ``predictions.csv`` by image and fold."""
    with (run.folder / "predictions.csv").open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    columns = [f"probability:{name}" for name in run.results.task.classes]
    return {(row["image"], int(row["fold"])): [float(row[column]) for column in columns] for row in rows}


def test_models_of_the_folds_predict_what_was_judged(run: Run, folders: Path) -> None:
    dataset, expected = read_dataset(folders), judged(run)
    found = load_fold_models(run.folder / "folds", run.model())
    assert found.n_folds == 3
    assert [(one.repeat, one.fold) for one in found.models] == [(0, 0), (0, 1), (0, 2)]
    for one in found.models:
        tested = [row for row, name in enumerate(dataset.names) if (name, one.fold) in expected]
        given = one.model.predict_proba(ImageDataset.from_files([str(folders / dataset.names[row]) for row in tested]))
        np.testing.assert_array_equal(given, [expected[dataset.names[row], one.fold] for row in tested])


def test_folds_of_another_network_are_counted_and_left_out(run: Run, tmp_path: Path) -> None:
    folds = Path(shutil.copytree(run.folder / "folds", tmp_path / "folds"))
    content = json.loads((folds / "heads.json").read_text())
    content["heads"][1]["source"]["backbone"] = "test_efficientnet"
    (folds / "heads.json").write_text(json.dumps(content))
    found = load_fold_models(folds, run.model())
    assert [one.fold for one in found.models] == [0, 2]
    assert found.n_folds == 3


@pytest.mark.parametrize("damage", ["missing", "no json", "changed head", "no head"])
def test_damaged_heads_are_refused_by_name(run: Run, tmp_path: Path, damage: str) -> None:
    folds = Path(shutil.copytree(run.folder / "folds", tmp_path / "folds"))
    first = folds / json.loads((folds / "heads.json").read_text())["heads"][0]["file"]
    if damage == "missing":
        (folds / "heads.json").unlink()
    elif damage == "no json":
        (folds / "heads.json").write_text("[]")
    elif damage == "no head":
        first.unlink()
    else:
        first.write_bytes(first.read_bytes()[:-1] + b"\x02")
    with pytest.raises(
        RunError, match=r"heads\.json: the heads of the outer folds cannot be understood .* fit"
    ) as caught:
        load_fold_models(folds, run.model())
    assert "Errno" not in str(caught.value)
    if damage in ("missing", "no head"):
        assert "cannot be read: no such file or directory" in str(caught.value)
