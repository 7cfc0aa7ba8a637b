"""Weights, engine, versions, machine and time: what the features were computed from, and with what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from headstart.errors import plural
from headstart.report.context import ReportContext
from headstart.report.document import Block, Bullets, ReportTable, Section
from headstart.report.sections import Drawn, register_section
from headstart.report.text import format as text
from headstart.report.text.methods import MethodsPart, MethodsSentence
from headstart.results.models.run_results import RunResults
from headstart.results.models.sources import BackboneFacts, EngineRecord, SourceFacts, TrainingNormalisation
from headstart.results.models.timings import RunTimings

_HANDCRAFTED = {"descriptors": "handcrafted descriptors", "lesion": "numbers measured in the lesion"}
_POOLED = {
    "gem": "generalised mean",
    "rows": "row means",
    "rowmax": "row maxima",
    "columns": "column means",
    "grid2": "means of 2 x 2 cells",
}
_ENGINE_WORDS = {
    "folded": "batch normalisation merged into convolutions",
    "compiled": "compiled by torch",
    "n_streams": "n_batches computed at a time",
    "network_sha256": "hash of the int8 network",
}
_CITED_SOFTWARE = ("python", "torch", "timm", "scikit-learn", "numpy")


def software_sentences(context: ReportContext) -> tuple[MethodsSentence, ...]:
    """Which features were computed, with what engine, and the software of the run."""
    results, versions = context.record.results, context.record.timings.versions
    features = (
        _feature_words(results),
        *_channel_words(results),
        *_normalisation_words(results.backbone.training_normalisation),
        *_engine_sentences(results, versions),
    )
    software = MethodsSentence(MethodsPart.SOFTWARE, _software_words(results, versions))
    return (*(MethodsSentence(MethodsPart.FEATURES, words) for words in features), software)


def _channel_words(results: RunResults) -> list[str]:
    """Which channels the network was shown, where they were chosen, and what became of its first layer."""
    channels = results.backbone.preparation.channels
    if channels is None:
        return []
    named = ["a black one" if name == "none" else name for name in channels]
    n_channels = len(channels)
    shown = f"The network was shown {plural(n_channels, 'channel')}: {text.listed(named, limit=20)}"
    if n_channels == 3:
        return [f"{shown}, in place of red, green and blue."]
    how = "added up" if n_channels == 1 else "repeated in turn and scaled"
    return [f"{shown}. For them the weights of its first layer, made for red, green and blue, were {how}."]


def _feature_words(results: RunResults) -> str:
    often = "once" if results.backbone.training_normalisation is None else "in every outer fold"
    if len(results.sources) > 1:
        return _features_of_several(results.sources, often)
    backbone = results.backbone
    features = _features_in_words(backbone)
    kept = f"was kept frozen and its {features} were computed {often} for every image."
    if backbone.weights.is_random:
        return (
            f"As a baseline for the approach of [1], {backbone.name} with weights drawn at random, which no image "
            f"had ever trained, {kept}"
        )
    weights = f" (pretrained weights: {backbone.weights.source})"
    return f"Following the feature extraction strategy of transfer learning [1], {backbone.name}{weights} {kept}"


def _normalisation_words(found: TrainingNormalisation | None) -> list[str]:
    """How the channels were normalised, where that is not as the weights expect."""
    if found is None:
        return []
    mean, std = (text.listed([f"{value:.3f}" for value in values]) for values in (found.mean, found.std))
    return [
        "Each channel was brought from the mean and standard deviation of the training images to those that the "
        "weights were trained with; both were taken anew in every outer fold, from its training images alone (for the "
        f"final model, from {plural(found.n_images, 'image')}: mean {mean}, standard deviation {std}, on a scale "
        "from 0 to 1)."
    ]


def _features_in_words(source: BackboneFacts | SourceFacts) -> str:
    """How many features there are, and of which stages, pooled how and over which views."""
    n_features, features = f"{source.feature_width:,} features", source.features
    if features is None:
        return f"{n_features} at stage {source.stage}"
    of_stage: dict[str, list[str]] = {}
    for block in features.blocks:
        if block.name in _HANDCRAFTED:
            continue
        stage, _, pooling = block.name.partition(":")
        of_stage.setdefault(pooling or "pooled output", []).append("the last stage" if not pooling else stage)
    stages: dict[tuple[str, ...], list[str]] = {}
    for pooling, names in of_stage.items():
        stages.setdefault(tuple(names), []).append(_POOLED.get(pooling, pooling))
    parts = [
        f"{text.listed(poolings, limit=10)} of {text.listed(list(names), limit=40)}"
        for names, poolings in stages.items()
    ]
    described = [(block.n_features, block.name) for block in features.blocks if block.name in _HANDCRAFTED]
    parts += [f"{count:,} {_HANDCRAFTED[name]}" for count, name in described]
    words = f"{n_features} ({text.listed(parts, limit=40)})"
    return words if features.n_views == 1 else f"{words}, each the mean over {features.n_views} views of the image,"


def _features_of_several(sources: Sequence[SourceFacts], often: str) -> str:
    """Every source with its weights; random ones are named as such."""
    described = [
        f"{source.label} ({'; '.join(filter(None, (_weights_words(source), _features_in_words(source))))})"
        for source in sources
    ]
    all_random = all(source.weights.is_random for source in sources)
    approach = (
        "As baselines for the approach of"
        if all_random
        else "Following the feature extraction strategy of transfer learning"
    )
    return (
        f"{approach} [1], {len(sources)} sources of features "
        f"competed: {text.listed(described, limit=40)}. Their networks were kept frozen and the features of each were "
        f"computed {often} for every image."
    )


def _weights_words(source: SourceFacts) -> str:
    if not _takes_network(source):
        return ""
    if source.weights.is_random:
        return "weights drawn at random, which no image had ever trained"
    return f"pretrained weights: {source.weights.source}"


def _takes_network(source: SourceFacts) -> bool:
    """Whether some of the features come out of the network, which handcrafted ones do not."""
    return source.features is None or any(block.name not in _HANDCRAFTED for block in source.features.blocks)


def _engine_sentences(results: RunResults, versions: Mapping[str, Any]) -> list[str]:
    """How the forward passes were computed, and how near that is to fp32."""
    sources = results.sources
    if len(sources) > 1:
        passing = [source for source in sources if _takes_network(source)]
        return [_engine_words(source.engine_record, versions, f" of {source.label}") for source in passing]
    return [_engine_words(results.engine, versions, "")]


def _engine_words(record: EngineRecord, versions: Mapping[str, Any], of_what: str) -> str:
    openvino = record.used.engine == "openvino" and "openvino" in versions
    version = f" (version {versions['openvino']})" if openvino else ""
    sentence = f"The forward pass{of_what} was computed by {record.label}{version}"
    parity = record.parity
    if parity is None or parity.relative_error is None or parity.agreement is None:
        return f"{sentence}."
    sentences = [
        f"{sentence}; on {plural(parity.n_images, 'image')} its features differed from those of plain "
        f"torch in fp32 by {parity.relative_error:.2g} of their spread (root mean square), and a linear probe gave "
        f"the same class for {100 * parity.agreement:.1f} %."
    ]
    if cost := record.accuracy_cost:
        low, high = cost.ci95
        sentences.append(
            f"The probe's accuracy was {cost.int8:.3f} in int8 and {cost.fp32:.3f} in fp32 (difference 95 % "
            f"interval {low:+.3f} to {high:+.3f}, {plural(cost.n_images, 'image')})."
        )
    return " ".join(sentences)


def _software_words(results: RunResults, versions: Mapping[str, Any]) -> str:
    others = [f"{name} {versions[name]}" for name in _CITED_SOFTWARE if name in versions]
    tail = f" with {text.listed(others)}" if others else ""
    return f"All computations were done in headstart {results.headstart}{tail}."


@register_section("software", after="provenance", methods=software_sentences)
def software_section(context: ReportContext, drawn: Drawn) -> Section:
    """Weights, versions, machine and time."""
    record = context.record
    timings, backbone = record.timings, record.results.backbone
    sources = record.results.sources
    blocks: list[Block] = [_source_table(sources)] if len(sources) > 1 else []
    of_model = "Backbone of the final model" if len(sources) > 1 else "Backbone"
    blocks.append(mapping_table(f"{of_model} with preparation and engine", _network_facts(backbone)))
    blocks += _engine_blocks(record.results.engine)
    caption = "Weights" if backbone.weights.is_random else "Pretrained weights"
    blocks.append(mapping_table(caption, text.fields_of(backbone.weights)))
    spent = {key: text.duration(value) for key, value in timings.seconds.items() if value is not None}
    blocks.append(mapping_table("Time taken", spent | _speed(timings)))
    blocks.append(mapping_table("Versions", {"headstart": record.results.headstart, **timings.versions}))
    if timings.machine:
        blocks.append(mapping_table("Machine", timings.machine))
    return Section("software", "Weights, versions and time", tuple(blocks))


def _network_facts(backbone: BackboneFacts) -> dict[str, Any]:
    """Facts on the network by name: the network itself first, then its input and the engine."""
    facts = text.fields_of(backbone)
    first = {key: facts[key] for key in ("name", "stage", "feature_width") if key in facts}
    others = {key: value for key, value in facts.items() if key not in ("weights", "engine", "features", *first)}
    engine = {_ENGINE_WORDS.get(key, key): value for key, value in text.fields_of(backbone.engine).items()}
    return first | dict(sorted((others | engine).items()))


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
    columns = ("Source", "Weights", "Input, pixels", "Features", "Computed by", "Times chosen")
    return ReportTable(f"{len(sources)} sources of features competed", columns, rows, frozenset({1}))


def _engine_blocks(engine: EngineRecord) -> list[Block]:
    """Engines that were compared with plain fp32, how far each was off, and further notes on the choice."""
    rows = tuple(
        (
            entry.engine,
            _two_digits(entry.parity.relative_error),
            f"at most {entry.tolerance.relative_error:g}",
            text.score(entry.parity.agreement),
            f"at least {entry.tolerance.agreement:g}",
            text.count(entry.parity.n_images),
            "yes" if entry.within else "no",
        )
        for entry in engine.tried
    )
    columns = ("Engine", "Relative error", "Tolerated", "Agreement", "Tolerated", "Images", "Within")
    caption = "Engines compared with the plain one, torch fp32, on images of this data set"
    shown = {f"{entry.engine} is not used" for entry in engine.tried}
    notes = tuple(note for note in engine.notes if note.split(":")[0] not in shown)
    blocks: list[Block] = [ReportTable(caption, columns, rows)] if rows else []
    return [*blocks, Bullets(notes)] if notes else blocks


def _two_digits(value: float | None) -> str:
    return text.MISSING if value is None else f"{value:.2g}"


def _speed(timings: RunTimings) -> dict[str, str]:
    speed = timings.images_per_second
    return {} if speed is None else {"speed of features": f"{speed:,.1f} images per second"}


def mapping_table(caption: str, facts: Mapping[str, Any]) -> ReportTable:
    """Any JSON object as a table of two columns."""
    rows = tuple((text.words(key), text.plain(value)) for key, value in facts.items())
    return ReportTable(caption, ("Item", "Value"), rows, frozenset({1}))
