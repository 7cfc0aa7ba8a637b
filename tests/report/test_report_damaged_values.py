"""Whatever value stands in a run's files, the report is written, or an error names the file and the field."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_run import make_run

from headstart.errors import RunError
from headstart.report.context import ReportContext
from headstart.report.document import Picture
from headstart.report.figures.decisions import decision_plots
from headstart.report.html import render_page
from headstart.report.sections import ordered_sections
from headstart.results import RunResults
from headstart.results.models.timings import RunTimings
from headstart.results.read import RunRecord, read_run

OLD = Path(__file__).parents[1] / "results" / "data" / "format1" / "results.json"
DAMAGES = (..., None, 0, 1, -1, 1e9, 0.5, "", "odd", [], {}, "shorter")


class EveryPicture(dict[str, Picture]):
    """Every figure that a section may ask for, not drawn."""

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> Picture:
        return Picture(name, "data:,", 100, "", "")


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> RunRecord:
    """A run of two classes with the results of a fine-tuned run: every part there is."""
    folder = tmp_path_factory.mktemp("whole")
    make_run(folder, classes=("calm", "rough"), n=40)
    return replace(read_run(folder), results=RunResults.read(OLD))


def build(record: RunRecord) -> str:
    context = ReportContext(record)
    for spec in ordered_sections():
        list(spec.methods(context))
    sections = [spec.build(context, EveryPicture()) for spec in ordered_sections()]
    return render_page("run", [one for one in sections if one is not None], version=record.results.headstart)


def damaged(document: Any) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """The document with one damage, in one kind of place after the other; which damage takes turns."""
    damages = itertools.cycle(DAMAGES)
    for path in list(places(document, ())):
        holder = new = copy.deepcopy(document)
        for step in path[:-1]:
            holder = holder[step]
        value, damage = holder[path[-1]], next(damages)
        if damage == "shorter" and isinstance(value, list | dict) and value:
            holder[path[-1]] = value[:-1] if isinstance(value, list) else dict(list(value.items())[:-1])
        elif damage is ... and isinstance(holder, dict):
            del holder[path[-1]]
        else:
            holder[path[-1]] = None if damage is ... else damage
        yield path, new


def places(value: Any, path: tuple[Any, ...], seen: set[frozenset[str]] | None = None) -> Iterator[tuple[Any, ...]]:
    """Every kind of place: of a list the last entry, of objects with the same keys the first."""
    seen = set() if seen is None else seen
    steps: list[Any] = [len(value) - 1] if isinstance(value, list) and value else []
    if isinstance(value, dict) and frozenset(value) not in seen:
        seen.add(frozenset(value))
        steps = list(value)
    for step in steps:
        yield (*path, step)
        yield from places(value[step], (*path, step), seen)


def test_whatever_stands_in_the_results_is_shown_or_refused_by_name(record: RunRecord) -> None:
    n_shown, whole = 0, record.results.to_json()
    for path, document in damaged(whole):
        try:
            results = RunResults.from_text(json.dumps(document), Path("RUN/results.json"))
        except RunError as error:
            assert str(error).startswith("RUN/results.json cannot be used: "), path
            continue
        build(replace(record, results=results))  # any error fails the test
        n_shown += document != whole
    assert n_shown > 20


def test_whatever_stands_in_the_timings_is_shown_or_refused_by_name(record: RunRecord) -> None:
    for path, document in damaged(record.timings.to_json()):
        try:
            timings = RunTimings.from_text(json.dumps(document), Path("RUN/timings.json"))
        except RunError as error:
            assert str(error).startswith("RUN/timings.json cannot be used: "), path
            continue
        build(replace(record, timings=timings))


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("fine_tuning", "folds", 0, "chosen"), 99, "fine_tuning.folds[0].chosen 99 is the number of none of the"),
        (("fine_tuning", "final", "tried"), [], "fine_tuning.final.tried should have one entry for every candidate"),
        (
            ("decisions", "final", "calibrator"),
            {"kind": "temperature", "inverse": 0.0},
            "decisions.final.calibrator.inverse: Input should be greater than 0",
        ),
    ],
)
def test_values_that_no_section_can_show_are_refused(
    record: RunRecord, path: tuple[Any, ...], value: Any, words: str
) -> None:
    document = copy.deepcopy(record.results.to_json())
    holder = document
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = value
    with pytest.raises(RunError) as caught:
        RunResults.from_text(json.dumps(document), Path("RUN/results.json"))
    assert words in str(caught.value)


def test_a_network_without_a_name_is_shown(record: RunRecord) -> None:
    nameless = record.results.backbone.model_copy(update={"name": "", "stage": ""})
    page = build(replace(record, results=record.results.model_copy(update={"backbone": nameless})))
    assert "Backbone" in page
    assert page != build(record)


def test_an_abstention_curve_without_points_is_not_drawn(record: RunRecord) -> None:
    decisions = record.results.decisions
    assert decisions is not None
    bare = decisions.model_copy(update={"abstention": decisions.abstention.model_copy(update={"points": ()})})
    changed = replace(record, results=record.results.model_copy(update={"decisions": bare}))
    oof = ReportContext(changed).out_of_fold
    assert "decision_abstention" in {plot.name for plot in decision_plots(record, oof)}
    assert "decision_abstention" not in {plot.name for plot in decision_plots(changed, oof)}
    build(changed)
