"""The audit of table columns: what is missing, what is constant, what gives the label away."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from headstart.data import ImageDataset, audit_dataset
from headstart.data.audit.table import column_facts, told_from_bins
from headstart.data.table.column import TableColumn

LABELS = np.tile([0, 0, 0, 1], 30)


def audited(table: dict[str, Any], **more: Any) -> Any:
    images = np.random.default_rng(0).integers(0, 255, (len(LABELS), 8, 8), dtype=np.uint8)
    return audit_dataset(ImageDataset.from_arrays(images, LABELS, table=table, **more), n_workers=1)


def test_a_column_that_gives_the_label_away_is_a_warning_with_its_score() -> None:
    noise = np.random.default_rng(1).normal(size=len(LABELS))
    sites = np.where(LABELS == 1, "clinic", "practice")
    found = audited({"sure": 0.01 * noise + LABELS, "noise": noise, "site": sites})
    (told,) = [text for text in found.warnings if "predict the class alone" in text]
    assert "2 table columns each predict the class alone" in told
    assert "(chance is 0.50): 'sure' (1.00), 'site' (1.00). Are they known" in told
    noise_facts = found.columns[1]
    assert noise_facts.balanced_accuracy == pytest.approx(0.5, abs=0.2)
    assert found.to_json()["table_columns"][2]["balanced_accuracy"] == 1.0


def test_one_column_that_gives_the_label_away_is_named_alone() -> None:
    (told,) = audited({"site": np.where(LABELS == 1, "clinic", "practice")}).warnings
    assert "'site' alone predicts the class with a balanced accuracy of 1.00 (chance is 0.50)" in told


def test_missing_values_can_give_the_label_away() -> None:
    found = audited({"size": [None if label else 3 + row for row, label in enumerate(LABELS)]})
    assert found.columns[0].n_missing == 30
    assert any("'size' alone predicts" in text for text in found.warnings)


def test_a_value_of_one_group_alone_says_nothing() -> None:
    """Age of a patient: images of one patient would give each other away."""
    groups = np.arange(len(LABELS)) // 12
    classes = groups % 2
    images = np.zeros((len(LABELS), 8, 8), dtype=np.uint8)
    dataset = ImageDataset.from_arrays(images, classes, groups=groups, table={"age": 20.0 + groups})
    (facts,) = audit_dataset(dataset, n_workers=1).columns
    assert facts.balanced_accuracy == pytest.approx(0.5)


def test_constant_and_mostly_missing_columns_are_reported() -> None:
    found = audited({"same": [1] * len(LABELS), "few": [1, 2, *[None] * (len(LABELS) - 2)]})
    assert any("one value in all images tell nothing: 'same'" in text for text in found.warnings)
    assert any("'few' is missing in 98% of the images" in text for text in found.warnings)
    assert any(line.startswith("table column few: number, 2 values, 118 missing; alone") for line in found.lines())


def test_columns_that_are_mostly_missing_are_one_warning() -> None:
    gaps = [None] * (len(LABELS) - 2)
    found = audited({"few": [1, 2, *gaps], "fewer": [1, None, *gaps]})
    (told,) = [text for text in found.warnings if "missing" in text]
    assert told == "2 table columns are missing in most of the images: 'few' (98%), 'fewer' (99%)."


def test_a_column_without_any_value_is_said() -> None:
    gone = TableColumn.of("gone", [None] * len(LABELS), kind="number")
    images = np.zeros((len(LABELS), 2, 2), dtype=np.uint8)
    found = audit_dataset(ImageDataset.from_arrays(images, LABELS, table=[gone]), n_workers=1)
    assert found.columns[0].balanced_accuracy == 0.5
    assert any("'gone' is missing in 100% of the images" in text for text in found.warnings)


def test_balanced_accuracy_of_bins_by_hand() -> None:
    labels = np.array([0, 0, 0, 0, 1, 1])
    folds = np.array([0, 1, 0, 1, 0, 1])
    # Bin 0 holds three of class 0; bin 1 holds one of class 0 and both of class 1, and tells it wrongly.
    bins = np.array([0, 0, 0, 1, 1, 1])
    assert told_from_bins(bins, labels, folds, 2) == pytest.approx((3 / 4 + 1) / 2)
    assert told_from_bins(np.zeros(6, dtype=np.int64), labels, folds, 2) == 0.5


def test_noise_scores_at_chance() -> None:
    generator = np.random.default_rng(0)
    images = np.zeros((len(LABELS), 2, 2), dtype=np.uint8)
    tables = [{"noise": generator.normal(size=len(LABELS))} for _ in range(60)]
    found = [column_facts(ImageDataset.from_arrays(images, LABELS, table=table))[0] for table in tables]
    scores = [facts.balanced_accuracy for facts in found]
    assert np.mean(scores) == pytest.approx(0.5, abs=3 * np.std(scores) / np.sqrt(60))
