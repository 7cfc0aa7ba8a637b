"""Calibration, operating point and prediction sets applied together, stored and restored."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from scipy.special import expit, logit

from headstart.decisions import (
    ConformalSets,
    DecisionRules,
    Decisions,
    OperatingPoint,
    OperatingRule,
    Platt,
)
from headstart.errors import InputError


def test_decisions_apply_in_their_order_and_come_back_from_json() -> None:
    point = OperatingPoint("youden", 1, 0.28)
    decisions = Decisions(Platt(0.5, 0.2), point, ConformalSets(0.9, (0.4, 0.25), (30, 20)))
    raw = np.array([[0.5, 0.5], [0.7, 0.3], [0.9, 0.1], [0.99, 0.01]])
    said = decisions.apply(raw)
    np.testing.assert_allclose(said.probabilities[:, 1], expit(0.5 * logit(raw[:, 1]) + 0.2))
    assert said.predicted.tolist() == (said.probabilities[:, 1] >= 0.28).astype(int).tolist() == [1, 1, 1, 0]
    assert said.sets is not None  # on what the head says, not on what became of it
    assert said.sets.tolist() == [[True, True], [True, True], [True, False], [True, False]]
    assert Decisions.from_json(json.loads(json.dumps(decisions.to_json())), 2) == decisions
    plain = Decisions().apply(raw)
    assert np.array_equal(plain.probabilities, raw) and plain.sets is None and not plain.predicted.any()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("operating_point", {"rule": "youden", "positive": 2, "threshold": 0.5, "note": ""}),
        ("operating_point", {"rule": "youden", "positive": 1, "threshold": 1.5, "note": ""}),
        ("conformal", {"level": 0.9, "floors": [0.1], "n_calibration": [5]}),
        ("conformal", {"level": 9.0, "floors": [0.1, 0.1], "n_calibration": [5, 5]}),
    ],
)
def test_damaged_decisions_are_refused(key: str, value: dict[str, Any]) -> None:
    stored = {**Decisions().to_json(), key: value}
    with pytest.raises(InputError):
        Decisions.from_json(stored, 2)
    with pytest.raises(InputError):
        DecisionRules("auto", OperatingRule("youden"), None).check_classes(3)
