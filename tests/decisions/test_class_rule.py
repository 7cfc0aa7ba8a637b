"""Classes decided on by the least expected cost and by the mean; sets that are intervals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from headstart.decisions import ClassRule, CostTable, DecisionRules, Decisions, fit_conformal, fit_decisions, read_costs
from headstart.decisions.class_rule import evaluate_class_rule
from headstart.decisions.conformal import ConformalSets
from headstart.errors import InputError
from headstart.metrics import OutOfFold

CLASSES = ("low", "middle", "high")
TABLE = CostTable(CLASSES, ((0.0, 1.0, 2.0), (3.0, 0.0, 1.0), (10.0, 4.0, 0.0)))
FILE = ",high,low,middle\nmiddle,1,3,0\nlow,2,0,1\nhigh,0,10,4\n"


def test_the_class_of_least_expected_cost_by_brute_force() -> None:
    probabilities = np.random.default_rng(0).dirichlet(np.ones(3), 200)
    found = ClassRule("costs", TABLE).predicted(probabilities)
    for row, chosen in zip(probabilities, found, strict=True):
        costs = [sum(row[true] * TABLE.values[true][guess] for true in range(3)) for guess in range(3)]
        assert costs[chosen] == pytest.approx(min(costs), abs=1e-12)


def test_costs_of_one_give_the_most_probable_class() -> None:
    probabilities = np.random.default_rng(0).dirichlet(np.ones(3), 200)
    alike = CostTable(CLASSES, tuple(map(tuple, (1.0 - np.eye(3)).tolist())))
    assert np.array_equal(ClassRule("costs", alike).predicted(probabilities), probabilities.argmax(axis=1))


def test_the_expected_class_is_the_rounded_mean() -> None:
    probabilities = np.random.default_rng(1).dirichlet(np.ones(5), 500)
    expected = np.round(probabilities @ np.arange(5))
    assert np.array_equal(ClassRule("expected").predicted(probabilities), expected)
    halves = np.array([[0.5, 0.5, 0.0], [0.2, 0.1, 0.7], [0.3, 0.4, 0.3], [0.0, 0.0, 1.0], [0.25, 0.0, 0.75]])
    assert ClassRule("expected").predicted(halves).tolist() == [0, 2, 1, 2, 2]  # ties: equal, and the more probable


def test_a_file_of_costs_names_its_classes_in_any_order(tmp_path: Path) -> None:
    path = tmp_path / "costs.csv"
    path.write_text(FILE)
    assert read_costs(path).in_order(CLASSES) == TABLE


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (FILE.replace("high,0,10,4\n", ""), "the lines are of the classes 'middle', 'low', the columns of 'high'"),
        (FILE.replace("10", "-10"), r"predicting 'low' for 'high' is -10; expected a finite number >= 0"),
        (FILE.replace("10", "nan"), r"predicting 'low' for 'high' is nan"),
        (FILE.replace("10", "ten"), "the line of 'high' holds 'ten'; expected a number"),
        (FILE.replace("10,4", "10"), "the line of 'high' holds 2 costs, but there are 3 classes"),
        (FILE.replace(",", ";"), "no table of costs, with commas between its cells"),
        (",a,b\na,0,0\nb,0,0\n", "No mistake costs more than the right answer"),
        (",a,a\na,0,1\na,1,0\n", "name the class 'a' twice"),
        ("", "there is no table of costs"),
    ],
)
def test_what_is_no_table_of_costs_is_refused_with_its_file(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "costs.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=words) as caught:
        read_costs(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_and_other_classes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read as a CSV file of costs"):
        read_costs(tmp_path / "none.csv")
    with pytest.raises(InputError, match=r"--costs: Unknown class 'high'"):
        TABLE.in_order(("low", "middle", "hi"))
    with pytest.raises(InputError, match="has 3 of 4 classes; 'top' is missing"):
        TABLE.in_order((*CLASSES, "top"))
    with pytest.raises(InputError, match="--operating-point and --costs each decide on the class"):
        from headstart.decisions import parse_rule

        DecisionRules("none", parse_rule("youden"), None, ClassRule("costs", TABLE))


def test_decisions_with_a_rule_are_stored_whole_and_others_as_before() -> None:
    rng = np.random.default_rng(2)
    probabilities, labels = rng.dirichlet(np.ones(3), 90), rng.integers(0, 3, 90)
    rules = DecisionRules("none", None, 0.8, ClassRule("costs", TABLE), intervals=True)
    found, _ = fit_decisions(probabilities, labels, None, rules)
    again = Decisions.from_json(found.to_json(), 3)
    assert again == found and again.conformal is not None and again.conformal.intervals
    assert np.array_equal(again.apply(probabilities).predicted, ClassRule("costs", TABLE).predicted(probabilities))
    plain, _ = fit_decisions(probabilities, labels, None, DecisionRules("none", None, 0.8))
    assert set(plain.to_json()) == {"calibrator", "operating_point", "conformal"}
    assert set(plain.to_json()["conformal"]) == {"level", "floors", "n_calibration"}
    assert "class_rule" not in DecisionRules().to_json()
    with pytest.raises(InputError, match="costs of 3 classes, but 4 classes"):
        Decisions.from_json(found.to_json() | {"conformal": None}, 4)


def test_mean_costs_are_those_of_the_confusion_matrix() -> None:
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 3, 60)
    probabilities = rng.dirichlet(np.ones(3), 60)
    oof = OutOfFold.from_test_set(labels, probabilities, classes=CLASSES, ordered=True)
    rule = ClassRule("costs", TABLE)
    predicted = rule.predicted(probabilities)
    found = evaluate_class_rule(rule, oof, predicted[None], seed=0, correction="none")
    assert found.mean_cost.value == pytest.approx(TABLE.array[labels, predicted].mean())
    assert found.most_probable_cost.value == pytest.approx(TABLE.array[labels, probabilities.argmax(axis=1)].mean())
    assert found.mean_cost.low < found.mean_cost.value < found.mean_cost.high
    assert found.mean_cost.value < found.most_probable_cost.value
    assert {"quadratic_kappa", "class_error"} <= set(found.metrics)


def test_intervals_have_no_gap_are_never_empty_and_cover_as_often() -> None:
    rng = np.random.default_rng(4)
    latent = rng.normal(size=4000)
    labels = np.digitize(latent + rng.normal(size=4000), [-1, 0, 1])
    scores = -((latent[:, None] - np.array([-1.5, -0.5, 0.5, 1.5])) ** 2) + rng.normal(size=(4000, 4))
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    plain = fit_conformal(probabilities[:2000], labels[:2000], 0.8)
    ordered = fit_conformal(probabilities[:2000], labels[:2000], 0.8, intervals=True)
    assert ordered.thresholds == plain.thresholds
    holes, sets = plain.sets(probabilities[2000:]), ordered.sets(probabilities[2000:])
    edges = np.diff(np.pad(sets.astype(int), ((0, 0), (1, 1))), axis=1)
    assert ((edges == 1).sum(axis=1) == 1).all() and (sets >= holes).all() and (sets.sum(axis=1) > 0).all()
    assert (sets != holes).any()
    truth = labels[2000:]
    for code in range(4):
        covered = sets[truth == code, code].mean()
        assert covered >= holes[truth == code, code].mean() and covered > 0.8 - 0.06
    assert ConformalSets.from_json(ordered.to_json(), 4) == ordered
