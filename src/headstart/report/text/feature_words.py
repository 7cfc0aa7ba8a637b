"""How features were computed, in sentences of the methods: pictures, network, weights, channels and engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from headstart.errors import plural
from headstart.report.text import format as text
from headstart.report.text.weights import weights_in_sentence
from headstart.results.models.run_results import RunResults
from headstart.results.models.sources import (
    BackboneFacts,
    EngineRecord,
    Normalisation,
    PreparationSettings,
    SourceFacts,
    TrainingNormalisation,
)

_HANDCRAFTED = {"descriptors": "handcrafted descriptors", "lesion": "numbers measured in the lesion"}
_POOLED = {
    "gem": "generalised mean",
    "rows": "row means",
    "rowmax": "row maxima",
    "columns": "column means",
    "grid2": "means of 2 x 2 cells",
}


def feature_sentences(results: RunResults, versions: Mapping[str, Any], *, by_fold: bool) -> list[str]:
    """Sentences on the pictures that were shown, the features computed of them, and the engine that computed them.

    Parameters
    ----------
    results : RunResults
    versions : mapping of str to str
        Of the software.
    by_fold : bool
        Whether the preparation was fitted in every outer fold, so that features were computed in each.
    """
    often = "in every outer fold" if by_fold else "once"
    described = [_picture_words(results), _feature_words(results, often)]
    if not any(map(_takes_network, results.sources)):
        return described
    return [
        *described,
        *_channel_words(results.backbone.preparation.channels),
        _normalisation_words(results),
        *_engine_sentences(results, versions),
    ]


def _picture_words(results: RunResults) -> str:
    """How a picture became the input: its size and the resize policy, of every source where they differ."""
    prepared = {source.label: _resized(source.preparation) for source in results.sources}
    ways = list(dict.fromkeys(prepared.values()))
    how = ways[0] if len(ways) == 1 else "; ".join(f"for {label}, {way}" for label, way in prepared.items())
    return f"{how[:1].upper()}{how[1:]}{_decoded(results)}."


def _resized(found: PreparationSettings) -> str:
    height, width = found.size
    size = f"{height:,} x {width:,} pixels"
    by = f"({found.interpolation} interpolation)"
    first = "" if found.clean_up is None else f"after clean-up ({found.clean_up.replace('+', ', ')}) "
    if found.resize == "crop":
        shape = "square" if height == width else f"rectangle of proportions {height}:{width}"
        return f"{first}the largest centred {shape} of each picture was resized to {size} {by}"
    if found.resize == "pad":
        return f"{first}each picture was resized to fit into {size} {by}, its proportions kept and the rest black"
    return f"{first}each picture was resized to {size} {by}, its proportions not kept"


def _decoded(results: RunResults) -> str:
    """What of decoding is not as usual: detail left out, 16-bit samples, pixels in floating point."""
    found = results.backbone.preparation
    said = ["large JPEG files were decoded without their finest detail"] if found.decode == "fast" else []
    if any(mode.startswith("I") or "16" in mode for mode in results.audit.modes):
        said.append(f"16-bit samples were scaled so that {found.white_level:,} is white")
    if found.pixels == "float32":
        said.append("pixels were kept in floating point")
    return "".join(f"; {words}" for words in said)


def _feature_words(results: RunResults, often: str) -> str:
    if len(results.sources) > 1:
        return _features_of_several(results, often)
    backbone, (source,) = results.backbone, results.sources
    computed = f"were computed {often} for every image"
    features = _features_in_words(backbone)
    if not _takes_network(source):
        return f"As a baseline for the approach of [1], no network took part: {features} {computed}."
    kept = f"{_kept_frozen(results, 'was')} and {features} {computed}."
    weights = weights_in_sentence(backbone.weights)
    if backbone.weights.is_random:
        return f"As a baseline for the approach of [1], {backbone.name} with {weights}, {kept}"
    return f"Following the feature extraction strategy of transfer learning [1], {backbone.name} ({weights}) {kept}"


def _kept_frozen(results: RunResults, verb: str) -> str:
    """How the network was left as it is; where it was fine-tuned too, that this was at first."""
    return f"{verb} kept frozen" if results.fine_tuning is None else f"{verb} at first kept frozen"


def _features_of_several(results: RunResults, often: str) -> str:
    """Every source with its weights; random ones are named as such."""
    sources = results.sources
    described = [
        f"{source.label} ({'; '.join(filter(None, (_source_weights(source), _features_in_words(source))))})"
        for source in sources
    ]
    all_random = all(source.weights.is_random for source in sources if _takes_network(source))
    approach = (
        "As baselines for the approach of"
        if all_random
        else "Following the feature extraction strategy of transfer learning"
    )
    n_networks = len({source.backbone for source in sources if _takes_network(source)})
    computed = f"features of each were computed {often} for every image"
    kept = {0: "The", 1: f"The network {_kept_frozen(results, 'was')} and the"}
    lead = kept.get(n_networks, f"The networks {_kept_frozen(results, 'were')} and the")
    return (
        f"{approach} [1], {len(sources)} sources of features "
        f"competed: {text.listed(described, limit=40)}. {lead} {computed}."
    )


def _source_weights(source: SourceFacts) -> str:
    return weights_in_sentence(source.weights) if _takes_network(source) else ""


def _takes_network(source: SourceFacts) -> bool:
    """Whether some of the features come out of the network, which handcrafted ones do not."""
    return source.features is None or any(block.name not in _HANDCRAFTED for block in source.features.blocks)


def _features_in_words(source: BackboneFacts | SourceFacts) -> str:
    """How many features there are, and of which stages, pooled how and over which views."""
    n_features, features = f"{source.feature_width:,} features", source.features
    if features is None:
        return f"{n_features} (pooled output of the last stage)"
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
    if not stages:
        return text.listed(parts)
    views = "" if features.n_views == 1 else f", each the mean over {features.n_views} views of the image"
    return f"{n_features} ({text.listed(parts, limit=40)}{views})"


def _channel_words(channels: Sequence[str] | None) -> list[str]:
    """Which channels the network was shown, where they were chosen, and what became of its first layer."""
    if channels is None:
        return []
    named = ["a black one" if name == "none" else name for name in channels]
    n_channels = len(channels)
    shown = f"The network was shown {plural(n_channels, 'channel')}: {text.listed(named, limit=20)}"
    if n_channels == 3:
        return [f"{shown}, in place of red, green and blue."]
    how = "added up" if n_channels == 1 else "repeated in turn and scaled"
    return [f"{shown}. For them the weights of its first layer, made for red, green and blue, were {how}."]


def _normalisation_words(results: RunResults) -> str:
    """What the channels were normalised by: the mean and spread that the weights expect, or the training images'."""
    found = results.backbone.training_normalisation
    if found is None:
        how = "" if len(results.sources) > 1 else f" ({_mean_and_spread(results.backbone.normalisation)})"
        return f"Channels were normalised by the mean and standard deviation that the weights expect{how}."
    return (
        "Each channel was brought from the mean and standard deviation of the training images to those that the "
        "weights expect; both were taken anew in every outer fold, from its training images alone (for the "
        f"final model, from {plural(found.n_images, 'image')}: {_mean_and_spread(found)})."
    )


def _mean_and_spread(found: Normalisation | TrainingNormalisation) -> str:
    return f"mean {_of_channels(found.mean)}, standard deviation {_of_channels(found.std)}, on a scale from 0 to 1"


def _of_channels(values: Sequence[float]) -> str:
    shown = [f"{value:.3f}" for value in values]
    return text.listed(shown) if len(set(shown)) > 1 or len(shown) == 1 else f"{shown[0]} in each channel"


def _engine_sentences(results: RunResults, versions: Mapping[str, Any]) -> list[str]:
    """How the forward passes were computed, and how near that is to fp32; alike ones in one sentence."""
    passing = [source for source in results.sources if _takes_network(source)]
    alike = {_engine_words(source.engine_record, versions, "") for source in passing}
    if len(results.sources) > 1 and len(alike) > 1:
        return [_engine_words(source.engine_record, versions, f" of {source.label}") for source in passing]
    return [_engine_words(results.engine if len(results.sources) == 1 else passing[0].engine_record, versions, "")]


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
