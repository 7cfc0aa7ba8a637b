"""Did transfer help: the run beside its simple rivals, and the verdict in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from headstart.report.document import Block, Bullets, FigureRow, Picture, Plot, ReportTable, Section, Text
from headstart.report.figures import style
from headstart.report.text import format as text
from headstart.report.text.metric_names import metric_in_sentence, metric_title, ordered_metrics
from headstart.results.read import RunRecord

PLOT = "rivals"
_TONES = {"helps": "good", "hurts": "warning"}
_MEANING = (
    "Negative transfer: what the network learned elsewhere misleads it here, so that simple methods do better on the "
    "same images. It happens where the pretraining pictures have little in common with these, where the weights are "
    "damaged or are not those they are said to be, or where the task hangs on something the pretraining taught the "
    "network to overlook. Use the best rival, another backbone, or weights trained on pictures more like these."
)
_NOTHING = (
    "No evidence is no proof of absence: with few images only large gains can be told from chance. The interval says "
    "how large a gain, or a loss, these images leave possible."
)


def transfer_plot(record: RunRecord) -> Plot | None:
    """The run and every rival with intervals on one axis; None where no rival was judged."""
    transfer, name = record.results.get("transfer"), record.results["headline"]["metric"]
    if transfer is None:
        return None
    rows = [("this run", record.results["metrics"][name])]
    rows += [(rival["title"], rival["metrics"][name]) for rival in transfer["rivals"]]
    known = [(label, entry) for label, entry in rows if entry["value"] is not None]
    if len(known) < 2:
        return None
    title = _plot_title(transfer, name)
    words = "; ".join(f"{label} {text.estimate(entry)}" for label, entry in known)
    return Plot(
        PLOT,
        _figure(known, metric=metric_title(name), title=title),
        f"Dot plot of {metric_in_sentence(name)} with 95 % intervals. {words}.",
        "All were chosen and judged on the same folds. Intervals of single scores may overlap where the paired "
        "difference, which the verdict rests on, is clear.",
    )


def _plot_title(transfer: Mapping[str, Any], name: str) -> str:
    gain = transfer["gains"][name]
    if gain["gain"] is None:
        return "The run beside its simple rivals"
    return f"{_points(gain)} against the best simple rival, chosen on inner folds"


@style.styled()
def _figure(rows: Sequence[tuple[str, Mapping[str, Any]]], *, metric: str, title: str) -> Figure:
    figure = style.new_figure(6.4, 1.3 + 0.34 * len(rows))
    axes = figure.subplots()
    for height, (_, entry) in enumerate(rows):
        colour = style.ORANGE if height == 0 else style.BLUE
        bounds = entry.get("ci95") or [entry["value"]] * 2
        axes.plot(bounds, [height, height], color=colour, alpha=0.45, linewidth=6, solid_capstyle="butt")
        axes.plot(entry["value"], height, "o", color=colour, markersize=6)
    axes.set_yticks(range(len(rows)), [label for label, _ in rows])
    axes.set(ylim=(len(rows) - 0.4, -0.6), xlabel=f"{metric} with 95 % interval")
    axes.tick_params(axis="y", length=0)
    axes.grid(True, axis="x")
    style.set_title(figure, title)
    return figure


def transfer_section(record: RunRecord, drawn: Mapping[str, Picture]) -> Section | None:
    """Verdict, picture and tables; None where no rival was judged."""
    transfer = record.results.get("transfer")
    if transfer is None:
        return None
    blocks: list[Block] = [Text(transfer["text"], tone=_TONES.get(str(transfer["verdict"]), "plain"))]
    if transfer["verdict"] == "hurts":
        blocks.append(Text(_MEANING))
    if transfer["verdict"] == "no evidence":
        blocks.append(Text(_NOTHING))
    if PLOT in drawn:
        blocks.append(FigureRow((drawn[PLOT],)))
    blocks += [_rival_table(record, transfer), _gain_table(transfer), Text(_how(record, transfer), tone="note")]
    if transfer["notes"]:
        blocks.append(Bullets(tuple(transfer["notes"])))
    return Section("transfer", "Did transfer help?", tuple(blocks))


def _rival_table(record: RunRecord, transfer: Mapping[str, Any]) -> ReportTable:
    names = ordered_metrics(transfer["gains"])
    run = ("This run", text.MISSING, *(_on_two_lines(record.results["metrics"][name]) for name in names))
    best = ("Best rival of each fold", text.MISSING, *(_on_two_lines(transfer["best_rival"][name]) for name in names))
    rivals = [
        (
            rival["title"][0].upper() + rival["title"][1:],
            text.count(rival["times_best"]),
            *(_on_two_lines(rival["metrics"][name]) for name in names),
        )
        for rival in transfer["rivals"]
    ]
    columns = ("Judged", "Times best", *(metric_title(name) for name in names))
    return ReportTable(f"The run and its rivals, n = {record.n_judged:,}", columns, (run, *rivals, best))


def _on_two_lines(entry: Mapping[str, Any]) -> str:
    """An estimate with its interval below it, so that many scores fit beside each other."""
    return text.estimate(entry).replace(" (", "\n(", 1)


def _gain_table(transfer: Mapping[str, Any]) -> ReportTable:
    decided_by = transfer["decided_by"]
    rows = tuple(
        (
            metric_title(name) + (" (decides)" if name == decided_by else ""),
            text.score(gain["gain"]),
            text.interval(gain["ci95"]),
            text.p_value(gain["p"]),
        )
        for name, gain in ((name, transfer["gains"][name]) for name in ordered_metrics(transfer["gains"]))
    )
    caption = "Gain of the run over the best rival of each fold, in pairs; above zero the run is better, for losses too"
    return ReportTable(caption, ("Score", "Gain", "95 % interval", "p"), rows)


def _how(record: RunRecord, transfer: Mapping[str, Any]) -> str:
    chooser = metric_in_sentence(record.results["protocol"]["choose_by"])
    decider = metric_in_sentence(transfer["decided_by"])
    return (
        f"In every outer fold the best rival is the one that the inner folds prefer, by {chooser}; pooled over the "
        f"folds its predictions are compared with the run's, image by image, groups resampled as wholes. The verdict "
        f"is helps where the 90 % interval of the gain in {decider} lies above zero (p < 0.10, a risk of 5 % of saying "
        "it of nothing), hurts where it lies below, else no evidence. Rivals are calibrated as the run is."
    )


def _points(gain: Mapping[str, Any]) -> str:
    ends = "" if gain["ci95"] is None else " ({:+.1f} to {:+.1f})".format(*(100 * end for end in gain["ci95"]))
    return f"{100 * gain['gain']:+.1f} points{ends}"


def transfer_sentences(results: Mapping[str, Any]) -> list[str]:
    """What the methods paragraph says of the rivals; nothing where none was judged."""
    transfer = results.get("transfer")
    if transfer is None:
        return []
    titles = text.listed([rival["title"] for rival in transfer["rivals"]])
    decider, gain = metric_in_sentence(transfer["decided_by"]), transfer["gains"][transfer["decided_by"]]
    interval = "" if gain["ci95"] is None else f" (95 % interval {text.interval(gain['ci95'])})"
    verdict = "" if transfer["verdict"] is None else f" Verdict on transfer: {transfer['verdict']}."
    return [
        f"The same folds judged simple rivals ({titles}); against the best of them, chosen on the inner folds of each "
        f"outer fold, the gain in {decider} was {text.score(gain['gain'])}{interval}, in pairs.{verdict}"
    ]
