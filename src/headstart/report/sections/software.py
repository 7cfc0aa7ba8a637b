"""Weights, engine, versions, machine and time: what the features were computed from, and with what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from headstart.report.context import ReportContext
from headstart.report.document import Block, Bullets, ReportTable, Section
from headstart.report.locale.messages import mark, tr
from headstart.report.sections import Drawn, register_section
from headstart.report.sections.recordings import scaled_by_training
from headstart.report.text import format as text
from headstart.report.text.feature_words import feature_sentences
from headstart.report.text.methods import MethodsPart, MethodsSentence
from headstart.results.models.run_results import RunResults
from headstart.results.models.sources import BackboneFacts, EngineRecord, SourceFacts
from headstart.results.models.timings import RunTimings

_ENGINE_WORDS = {
    "folded": mark("batch normalisation merged into convolutions"),
    "compiled": mark("compiled by torch"),
    "n_streams": mark("number of batches computed at a time"),
    "network_sha256": mark("hash of the int8 network"),
}
_CITED_SOFTWARE = ("python", "torch", "timm", "scikit-learn", "numpy")


def software_sentences(context: ReportContext) -> tuple[MethodsSentence, ...]:
    """Which features were computed, with what engine, and the software of the run."""
    results, versions = context.record.results, context.record.timings.versions
    by_fold = results.backbone.training_normalisation is not None or scaled_by_training(context)
    features = feature_sentences(results, versions, by_fold=by_fold)
    software = MethodsSentence(MethodsPart.SOFTWARE, _software_words(results, versions))
    return (*(MethodsSentence(MethodsPart.FEATURES, words) for words in features), software)


def _software_words(results: RunResults, versions: Mapping[str, Any]) -> str:
    others = [f"{name} {versions[name]}" for name in _CITED_SOFTWARE if name in versions]
    if not others:
        return tr("All computations were done in headstart {version}.", version=results.headstart)
    return tr(
        "All computations were done in headstart {version} with {others}.",
        version=results.headstart,
        others=text.listed(others),
    )


@register_section("software", after="provenance", methods=software_sentences)
def software_section(context: ReportContext, drawn: Drawn) -> Section:
    """Weights, versions, machine and time."""
    record = context.record
    timings, backbone = record.timings, record.results.backbone
    sources = record.results.sources
    blocks: list[Block] = [_source_table(sources)] if len(sources) > 1 else []
    has_network = not backbone.weights.is_absent
    network = (
        tr("Backbone of the final model with preparation and engine")
        if len(sources) > 1
        else tr("Backbone with preparation and engine")
    )
    if has_network:
        blocks.append(mapping_table(network, _network_facts(backbone)))
        blocks += _engine_blocks(record.results.engine)
        caption = tr("Weights") if backbone.weights.is_random else tr("Pretrained weights")
        blocks.append(mapping_table(caption, text.fields_of(backbone.weights)))
    spent = {key: text.duration(value) for key, value in timings.seconds.items() if value is not None}
    blocks.append(mapping_table(tr("Time taken"), spent | _speed(timings)))
    blocks.append(mapping_table(tr("Versions"), {"headstart": record.results.headstart, **timings.versions}))
    if timings.machine:
        blocks.append(mapping_table(tr("Machine"), timings.machine))
    return Section("software", tr("Weights, versions and time"), tuple(blocks))


def _network_facts(backbone: BackboneFacts) -> dict[str, Any]:
    """Facts on the network by name: the network itself first, then its input and the engine."""
    facts = text.fields_of(backbone)
    first = {key: facts[key] for key in ("name", "stage", "feature_width") if key in facts}
    others = {key: value for key, value in facts.items() if key not in ("weights", "engine", "features", *first)}
    engine = {_ENGINE_WORDS.get(key, key): value for key, value in text.fields_of(backbone.engine).items()}
    return first | dict(sorted((others | engine).items(), key=lambda fact: fact[0].replace("number of ", "n_")))


def _source_table(sources: Sequence[SourceFacts]) -> ReportTable:
    """Table of the sources of features that competed."""
    rows = tuple(
        (
            source.label,
            source.weights.source,
            f"{source.preparation.size[0]} x {source.preparation.size[1]}",
            text.count(source.feature_width),
            source.engine_record.label,
            text.count(source.times_chosen),
        )
        for source in sources
    )
    columns = (tr("Source"), tr("Weights"), tr("Input, pixels"), tr("Features"), tr("Computed by"), tr("Times chosen"))
    return ReportTable(
        tr("{n_sources} sources of features competed", n_sources=len(sources)), columns, rows, frozenset({1})
    )


def _engine_blocks(engine: EngineRecord) -> list[Block]:
    """Engines that were compared with plain fp32, how far each was off, and further notes on the choice."""
    rows = tuple(
        (
            entry.engine,
            _two_digits(entry.parity.relative_error),
            tr("at most {relative_error}", relative_error=f"{entry.tolerance.relative_error:g}"),
            text.score(entry.parity.agreement),
            tr("at least {agreement}", agreement=f"{entry.tolerance.agreement:g}"),
            text.count(entry.parity.n_images),
            tr("yes") if entry.within else tr("no"),
        )
        for entry in engine.tried
    )
    columns = (
        tr("Engine"),
        tr("Relative error"),
        tr("Tolerated"),
        tr("Agreement"),
        tr("Tolerated"),
        tr("Images"),
        tr("Within"),
    )
    caption = tr("Engines compared with the plain one, torch fp32, on images of this data set")
    shown = {f"{entry.engine} is not used" for entry in engine.tried}
    notes = tuple(note for note in engine.notes if note.split(":")[0] not in shown)
    blocks: list[Block] = [ReportTable(caption, columns, rows)] if rows else []
    return [*blocks, Bullets(notes)] if notes else blocks


def _two_digits(value: float | None) -> str:
    return text.missing() if value is None else f"{value:.2g}"


def _speed(timings: RunTimings) -> dict[str, str]:
    speed = timings.images_per_second
    return {} if speed is None else {mark("speed of features"): tr("{speed} images per second", speed=f"{speed:,.1f}")}


def mapping_table(caption: str, facts: Mapping[str, Any]) -> ReportTable:
    """Any JSON object as a table of two columns."""
    rows = tuple((tr(text.words(key)), text.plain(value)) for key, value in facts.items())
    return ReportTable(caption, (tr("Item"), tr("Value")), rows, frozenset({1}))
