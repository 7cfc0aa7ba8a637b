"""Did transfer help: the run beside its simple baselines, and the verdict in words."""

from __future__ import annotations

from collections.abc import Iterable

from headstart.report.context import ReportContext
from headstart.report.document import Block, Bullets, Plot, ReportTable, Section, Text
from headstart.report.figures.baselines import PLOT, baseline_plots
from headstart.report.locale.messages import mark, tr
from headstart.report.sections import Drawn, figure_row, register_section
from headstart.report.text import format as text
from headstart.report.text.methods import MethodsPart, MethodsSentence
from headstart.report.text.metric_names import metric_in_sentence, metric_title, ordered_metrics
from headstart.results.models.estimates import EstimateFacts
from headstart.results.models.transfer import TransferResults
from headstart.results.read import RunRecord

_TONES = {"helps": "good", "hurts": "warning"}
_VERDICTS = {"helps": mark("helps"), "hurts": mark("hurts"), "no evidence": mark("no evidence")}
_MEANING = mark(
    "Negative transfer: what the network learned elsewhere misleads it here, so that simple methods do better on the "
    "same images. It happens where the pretraining pictures have little in common with these, where the weights are "
    "damaged or are not those they are said to be, or where the task hangs on something the pretraining taught the "
    "network to overlook. Use the best baseline, another backbone, or weights trained on pictures more like these."
)
_NOTHING = mark(
    "No evidence is no proof of absence: with few images only large gains can be told from chance. The interval says "
    "how large a gain, or a loss, these images leave possible."
)


def baseline_sentences(context: ReportContext) -> list[MethodsSentence]:
    """Which baselines were judged, and the verdict; nothing where none was judged."""
    transfer = context.record.results.transfer
    if transfer is None:
        return []
    gain = transfer.gains[transfer.decided_by]
    shown = text.judged(gain.gain)
    if gain.ci95 is not None:
        shown = tr("{score} (95 % interval {interval})", score=shown, interval=text.interval(gain.ci95))
    words = tr(
        "The same folds judged simple baselines ({titles}); against the best of them, chosen on the inner folds of "
        "each outer fold, the gain in {decider}, image by image, was {gain}.",
        titles="; ".join(baseline.title for baseline in transfer.baselines),
        decider=metric_in_sentence(transfer.decided_by),
        gain=shown,
    )
    if transfer.verdict is not None:
        verdict = tr("Verdict on transfer: {verdict}.", verdict=tr(_VERDICTS[transfer.verdict]))
        words = f"{words} {verdict}"
    return [MethodsSentence(MethodsPart.RESULTS, words)]


def _plots(context: ReportContext) -> Iterable[Plot]:
    return baseline_plots(context.record)


@register_section("baselines", after="scores", plots=_plots, methods=baseline_sentences)
def baselines_section(context: ReportContext, drawn: Drawn) -> Section | None:
    """Verdict, picture and tables; None where no baseline was judged."""
    record = context.record
    transfer = record.results.transfer
    if transfer is None:
        return None
    blocks: list[Block] = [Text(transfer.text, tone=_TONES.get(str(transfer.verdict), "plain"))]
    if transfer.verdict == "hurts":
        blocks.append(Text(tr(_MEANING)))
    if transfer.verdict == "no evidence":
        blocks.append(Text(tr(_NOTHING)))
    blocks += figure_row(drawn, PLOT)
    blocks += [_baseline_table(record, transfer), _gain_table(transfer), Text(_how(record, transfer), tone="note")]
    if transfer.notes:
        blocks.append(Bullets(tuple(transfer.notes)))
    return Section("baselines", tr("Did transfer help?"), tuple(blocks))


def _baseline_table(record: RunRecord, transfer: TransferResults) -> ReportTable:
    names = ordered_metrics(transfer.gains)
    run = (tr("This run"), text.missing(), *(_on_two_lines(record.results.metrics[name]) for name in names))
    best = (
        tr("Best baseline of each fold"),
        text.missing(),
        *(_on_two_lines(transfer.best_baseline[name]) for name in names),
    )
    baselines = [
        (
            baseline.title[0].upper() + baseline.title[1:],
            text.count(baseline.times_best),
            *(_on_two_lines(baseline.metrics[name]) for name in names),
        )
        for baseline in transfer.baselines
    ]
    columns = (tr("Judged"), tr("Times best"), *(metric_title(name) for name in names))
    return ReportTable(
        tr("The run and its baselines, n = {n_judged}", n_judged=f"{record.n_judged:,}"),
        columns,
        (run, *baselines, best),
    )


def _on_two_lines(entry: EstimateFacts) -> str:
    """An estimate with its interval below it, so that many scores fit beside each other."""
    return text.estimate(entry).replace(" (", "\n(", 1)


def _gain_table(transfer: TransferResults) -> ReportTable:
    decided_by = transfer.decided_by
    rows = tuple(
        (
            tr("{metric} (decides)", metric=metric_title(name)) if name == decided_by else metric_title(name),
            text.judged(gain.gain),
            text.interval_of(gain.gain, gain.ci95),
            text.p_value(gain.p),
        )
        for name, gain in ((name, transfer.gains[name]) for name in ordered_metrics(transfer.gains))
    )
    caption = tr(
        "Gain of the run over the best baseline of each fold, in pairs; above zero the run is better, for losses too"
    )
    return ReportTable(caption, (tr("Score"), tr("Gain"), tr("95 % interval"), "p"), rows)


def _how(record: RunRecord, transfer: TransferResults) -> str:
    chooser = metric_in_sentence(record.results.protocol.choose_by)
    decider = metric_in_sentence(transfer.decided_by)
    return tr(
        "In every outer fold the best baseline is the one that the inner folds prefer, by {chooser}; "
        "pooled over the folds its predictions are compared with the run's, image by image, groups "
        "resampled as wholes. The verdict is helps where the 90 % interval of the gain in {decider} lies "
        "above zero (p < 0.10, a risk of 5 % of saying it of nothing), hurts where it lies below, else "
        "no evidence. Baselines are calibrated as the run is.",
        chooser=chooser,
        decider=decider,
    )
