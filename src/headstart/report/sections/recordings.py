"""Recordings: windows as a table of truth and prediction, events and alarms, and the course of every recording."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from headstart.report.context import ReportContext, recipe_of_recordings
from headstart.report.document import Block, Plot, ReportTable, Section, Text
from headstart.report.figures.timeline import Timeline, draw_timeline
from headstart.report.locale.messages import mark, ntr, tr
from headstart.report.sections import Drawn, figure_row, register_section
from headstart.report.text import format as text
from headstart.report.text.methods import MethodsPart, MethodsSentence
from headstart.results.models.recordings import AlarmFacts, RecordingFacts, RecordingsJudged
from headstart.signals.recipe import SignalRecipe

MAX_TIMELINES: Final = 12
"""Most recordings whose course is drawn."""
THRESHOLD: Final = 0.5
_CLASS_OF_WINDOW: Final = {
    "any": mark("A window is of a class other than normal where any of its samples is."),
    "majority": mark("A window is of the class of most of its samples."),
    "centre": mark("A window is of the class of its middle sample."),
}
_COLUMNS: Final = (
    mark("Recording"),
    mark("Windows"),
    mark("of them anomalies"),
    mark("ROC AUC"),
    mark("Judged rightly"),
    mark("Events found"),
    mark("Half of them within"),
    mark("False alarms an hour"),
    mark("Normal running in alarm"),
    mark("Affiliation precision"),
    mark("Affiliation recall"),
)


def scaled_by_training(context: ReportContext) -> bool:
    """Whether the images are windows whose channels were standardised by the training windows of every outer fold."""
    recipe = context.once(recipe_of_recordings)
    return recipe is not None and recipe.standardise == "training"


def recording_sentences(context: ReportContext) -> list[MethodsSentence]:
    """How recordings were cut into windows and shown as pictures; nothing for images that are no windows."""
    recipe = context.once(recipe_of_recordings)
    if recipe is None:
        return []
    windows = ntr(
        "The images are windows of recordings with {n} channel ({channels}), each {length} long, one every {stride}.",
        "The images are windows of recordings with {n} channels ({channels}), each {length} long, one every {stride}.",
        len(recipe.channels),
        channels=text.listed(recipe.channels, limit=20),
        length=_span(recipe.length, recipe),
        stride=_span(recipe.stride, recipe),
    )
    pictures = tr(
        "Every channel was standardised by {standard}, and the window drawn as a picture (imaging {imaging}).",
        standard=_standard(recipe),
        imaging=repr(recipe.image),
    )
    return [MethodsSentence(MethodsPart.DATA, f"{windows} {tr(_CLASS_OF_WINDOW[recipe.rule])} {pictures}")]


def _standard(recipe: SignalRecipe) -> str:
    """What the channels were standardised by, in words."""
    standard = {
        "reference": mark("mean and standard deviation of the first {stretch} of the recording"),
        "robust": mark("median and median absolute deviation of the first {stretch} of the recording"),
        "window": mark("mean and standard deviation of the window itself"),
        "training": mark("mean and standard deviation of the training windows of each outer fold"),
    }[recipe.standardise]
    return tr(standard, stretch=_span(recipe.reference, recipe))


def _span(n_samples: int, recipe: SignalRecipe) -> str:
    return ntr(
        "{seconds} s ({n} sample)", "{seconds} s ({n} samples)", n_samples, seconds=f"{n_samples * recipe.period_s:g}"
    )


def _judged(context: ReportContext) -> RecordingsJudged | None:
    path = context.record.folder / RecordingsJudged.file_name
    return RecordingsJudged.read(path) if path.is_file() else None


def _plots(context: ReportContext) -> Iterable[Plot]:
    found = context.once(_judged)
    for number, one in enumerate(() if found is None else found.recordings[:MAX_TIMELINES], 1):
        yield _timeline(_name(context, one, number), number, one)


@register_section("recordings", after="confusion", plots=_plots, methods=recording_sentences)
def recordings_section(context: ReportContext, drawn: Drawn) -> Section | None:
    """Scores of every recording and their timelines; None for images that are no windows of recordings."""
    found = context.once(_judged)
    if found is None:
        return None
    rows = [_row(tr("all"), found.pooled)]
    rows += [_row(_name(context, one, number), one) for number, one in enumerate(found.recordings, 1)]
    blocks: list[Block] = [
        Text(found.pooled.events.words),
        _truth_table(found.pooled),
        ReportTable(
            tr("Recordings, every window judged by a model that had not seen it"),
            tuple(tr(name) for name in _COLUMNS),
            tuple(rows),
        ),
        Text(_how_to_read(found), tone="note"),
    ]
    for number in range(1, min(len(found.recordings), MAX_TIMELINES) + 1):
        blocks += figure_row(drawn, _stem(number))
    if len(found.recordings) > MAX_TIMELINES:
        blocks.append(Text(tr("The first {n_drawn} recordings are drawn.", n_drawn=MAX_TIMELINES), tone="note"))
    return Section("recordings", tr("Recordings: events and alarms"), tuple(blocks))


def _truth_table(pooled: AlarmFacts) -> ReportTable:
    """Windows by their true class in rows, as Table 2 of the paper has them."""
    (hits, false), (missed, found) = pooled.confusion
    rows = ((tr("normal"), f"{hits:,}", f"{false:,}"), (tr("anomaly"), f"{missed:,}", f"{found:,}"))
    return ReportTable(
        tr("Windows by true class"), (tr("True class"), tr("predicted normal"), tr("predicted anomaly")), rows
    )


def _row(name: str, one: AlarmFacts) -> tuple[str, ...]:
    (hits, false), (missed, found) = one.confusion
    n, events = hits + false + missed + found, one.events
    delay = text.missing() if events.median_delay_s is None else f"{events.median_delay_s:.0f} s"
    return (
        name,
        text.count(n),
        text.count(missed + found),
        text.score(one.roc_auc),
        text.percent((hits + found) / n) if n else text.missing(),
        tr("{n_found} of {n_events}", n_found=f"{events.n_found:,}", n_events=f"{events.n_events:,}"),
        delay,
        text.score(events.false_per_hour),
        text.percent(events.normal_hours_in_alarm / events.normal_hours) if events.normal_hours else text.missing(),
        f"{text.score(one.affiliation.precision)}\n({text.score(one.affiliation.precision_by_chance)})",
        f"{text.score(one.affiliation.recall)}\n({text.score(one.affiliation.recall_by_chance)})",
    )


def _how_to_read(found: RecordingsJudged) -> str:
    return tr(
        "An event is found when an alarm is raised in it; the delay counts to the end of the window that "
        "raised the alarm. An alarm that overlaps no event, nor the {window_s} s after one, is false; "
        "how much of normal running lies in alarms, the time until they clear included, says what one "
        "long alarm costs. Affiliation says how near alarms lie to events, in brackets that of the same "
        "alarms at other times. No points are adjusted: a window is found or missed by itself. "
        "Predictions are those of the first repeat.",
        window_s=f"{found.window_s:g}",
    )


def _timeline(name: str, number: int, one: RecordingFacts) -> Plot:
    n_alarms, n_events = len(one.alarm_s), len(one.event_s)
    finding = tr(
        "{name}: {alarms} beside {events}",
        name=name,
        alarms=ntr("{n} alarm", "{n} alarms", n_alarms),
        events=ntr("{n} true event", "{n} true events", n_events),
    )
    shown = Timeline(
        name=name,
        time_s=np.array(one.time_s),
        score=np.array(one.score),
        threshold=THRESHOLD,
        events=np.array(one.event_s, dtype=np.float64).reshape(-1, 2),
        alarms=np.array(one.alarm_s, dtype=np.float64).reshape(-1, 2),
        finding=finding,
        score_label=mark("probability of an anomaly"),
        is_probability=True,
    )
    caption = tr("True events, alarms and the probability of an anomaly, by a model that had not seen the recording.")
    return Plot(_stem(number), draw_timeline(shown), tr("Timeline of {finding}", finding=finding), caption)


def _stem(number: int) -> str:
    return f"recording_{number:02d}"


def _name(context: ReportContext, one: RecordingFacts, number: int) -> str:
    return one.name if context.images else tr("recording {number}", number=number)
