"""The agreement of raters in the results."""

from __future__ import annotations

from pathlib import Path

import helpers
import numpy as np
from label_tables import (
    SECTION_C,
    images,
    ratings,
    table,
)

from headstart.data import ImageDataset, read_dataset
from headstart.data.labels.raters import Ratings
from headstart.results.writers.agreement import agreement_facts


def test_one_rater_alone_is_reported_and_alpha_undefined(tmp_path: Path) -> None:
    rows = [
        {**row, "rater": "anna", "label": helpers.CLASSES[number % 2]} for number, row in enumerate(images(tmp_path, 6))
    ]
    dataset = read_dataset(table(tmp_path, rows))
    assert "one rater, 'anna'" in dataset.notes[0] and dataset.soft is None
    found = agreement_facts(dataset)
    assert found is not None and found.alpha_nominal.value is None
    assert "no image was rated by two raters" in found.alpha_nominal.reason


def test_agreement_of_ordered_classes_and_the_most_disputed(tmp_path: Path) -> None:
    codes = ratings(SECTION_C, "12345")
    cells = [[None if code < 0 else f"grade {code + 1}" for code in row] for row in codes.tolist()]
    dataset = ImageDataset.from_arrays(helpers.noise(12), ratings=cells)
    found = agreement_facts(dataset)
    assert found is not None
    assert round(found.alpha_nominal.value or 0, 3) == 0.743
    assert found.alpha_ordinal is not None and round(found.alpha_ordinal.value or 0, 3) == 0.815
    assert found.n_rated_once == 1 and found.n_rated_by_several == 11 and found.n_disputed == 3
    assert found.disputed[0].to_json() == {
        "image": "000005",
        "votes": {"grade 1": 1, "grade 2": 1, "grade 3": 1, "grade 4": 1},
        "disagreement": 0.75,
    }
    assert found.n_tied == 1 and found.n_gaps == 7
    assert agreement_facts(ImageDataset.from_arrays(helpers.noise(2), ["a", "b"])) is None
    assert Ratings(np.array([[-1, -1]]), ("a", "b")).disagreement(2).tolist() != [0.0]
