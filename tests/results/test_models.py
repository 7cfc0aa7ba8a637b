"""The typed results of a run: read as written, their ranges checked, and older formats brought up to date."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from changed_document import changed

from headstart.errors import RunError
from headstart.results import RunResults
from headstart.storage import json_bytes

OLD = Path(__file__).with_name("data") / "format1" / "results.json"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """A document of this format with every part there is: a fine-tuned run of two sources, rated by three raters."""
    return RunResults.read(OLD).to_json()


def test_a_document_is_read_as_it_was_written(tmp_path: Path, document: dict[str, Any]) -> None:
    found = RunResults.read(OLD)
    found.write(tmp_path / "results.json")
    assert RunResults.read(tmp_path / "results.json") == found
    assert (tmp_path / "results.json").read_bytes() == json_bytes(document)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("task", "n_images"), 0, "task.n_images: Input should be greater than or equal to 1"),
        (("folds", 0, "n_test"), -3, r"folds\[0\].n_test: Input should be greater"),
        (("metrics", "accuracy", "ci95"), [0.9, 0.1], "metrics.accuracy.ci95: its lower end lies above"),
        (("metrics", "accuracy", "ci95"), [0.9], "metrics.accuracy.ci95"),
        (("metrics", "accuracy", "value"), "high", "metrics.accuracy.value should be a number but is text"),
        (("decisions", "abstention", "area"), 1.5, "decisions.abstention.area: Input should be less"),
        (("decisions", "final", "calibrator", "kind"), "odd", "decisions.final.calibrator"),
        (("decisions", "operating_point"), None, "decisions.operating_point should be an object but is null"),
        (("decisions", "folds", 1, "conformal"), None, r"decisions.folds\[1\].conformal should be an object"),
        (("protocol", "split_hash"), "abc", "protocol.split_hash: String should match"),
        (("protocol", "choose_by"), "odd", "metrics.odd is missing, which protocol.choose_by speaks of"),
        (("final_model", "source"), 7, "final_model.source 7 is the number of none of the sources"),
        (("transfer", "verdict"), "maybe", "transfer.verdict: Input should be 'helps'"),
        (("confusion",), [[1.0, 2.0]], "confusion should be 2 x 2"),
        (("task", "positive"), "nobody", "task.positive 'nobody' is none of the classes"),
        (("task", "classes"), ["calm", "calm"], "task.classes should list two or more different names"),
        (("folds",), [], "folds is empty"),
    ],
)
def test_another_range_is_refused(document: dict[str, Any], path: tuple[Any, ...], value: Any, words: str) -> None:
    with pytest.raises(RunError, match=words):
        RunResults.from_text(json.dumps(changed(document, path, value)), Path("RUN/results.json"))


def test_a_document_from_before_table_columns_is_read(document: dict[str, Any]) -> None:
    earlier = changed(document, ("table",), ...)
    assert "table" not in earlier
    assert RunResults.from_text(json.dumps(earlier), Path("RUN/results.json")).to_json() == document


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_a_number_that_is_not_finite_is_refused(document: dict[str, Any], number: str) -> None:
    text = json.dumps(changed(document, ("optimism", "inner"), "HERE")).replace('"HERE"', number)
    with pytest.raises(
        RunError, match=r"not a JSON number|a number that is too large|optimism.inner should be a finite number"
    ):
        RunResults.from_text(text, Path("RUN/results.json"))


@pytest.mark.parametrize("number", [3, 0, True, "2", 2.5, None, [1], {"a": 1}])
def test_a_format_that_is_not_read_is_refused(document: dict[str, Any], number: Any) -> None:
    with pytest.raises(RunError, match=r"has format .* but this headstart reads format 2"):
        RunResults.from_text(json.dumps({**document, "format": number}), Path("RUN/results.json"))


def test_format_1_is_read_in_the_words_of_format_2() -> None:
    old, found = json.loads(OLD.read_text()), RunResults.read(OLD)
    assert found.format == 2
    assert found.transfer is not None and found.decisions is not None and found.labels is not None
    assert [one.name for one in found.transfer.baselines] == [rival["name"] for rival in old["transfer"]["rivals"]]
    assert found.transfer.gains["accuracy"].baseline == old["transfer"]["gains"]["accuracy"]["rival"]
    assert found.audit.near_duplicates.features_of == old["audit"]["twins"]["features_of"]
    assert found.labels.issues.n_listed == old["labels"]["doubtful"]["n_listed"]
    assert found.per_class["calm"].metrics["recall"].model_dump(mode="json") == old["per_class"]["calm"]["recall"]
    assert found.decisions.conformal is not None
    assert found.decisions.conformal.min_calibration_size == old["decisions"]["conformal"]["least_images"]
    assert found.folds[0].chosen.training_set.balance == old["folds"][0]["chosen"]["treatment"]["balance"]
    kept = old["leakage_tax"]["accuracy"]["groups_ignored"]
    assert found.optimism_from_ignored_groups is not None
    assert found.optimism_from_ignored_groups["accuracy"].groups_ignored == kept


def test_format_1_without_the_later_parts_is_read() -> None:
    old = json.loads(OLD.read_text())
    for part in ("decisions", "labels", "transfer", "transferability", "fine_tuning", "leakage_tax"):
        del old[part]
    found = RunResults.from_text(json.dumps(old), Path("RUN/results.json"))
    assert found.decisions is None and found.labels is None and found.transfer is None
    assert found.optimism_from_ignored_groups is None
