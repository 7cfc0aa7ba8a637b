"""How features were computed, in sentences of the methods: pictures, network, weights, channels and engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from headstart.report.locale.messages import mark, ntr, tr
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

_HANDCRAFTED = {"descriptors": mark("handcrafted descriptors"), "lesion": mark("numbers measured in the lesion")}
_NO_NETWORK = mark(
    "In place of the features of a pretrained network [1] heads saw numbers that the user brought for every picture: "
    "no network took part, and nothing was computed of the picture itself."
)
_POOLED = {
    "gem": mark("generalised mean"),
    "rows": mark("row means"),
    "rowmax": mark("row maxima"),
    "columns": mark("column means"),
    "grid2": mark("means of 2 x 2 cells"),
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
    if results.backbone.weights.is_absent:
        return [tr(_NO_NETWORK)]
    often = tr("in every outer fold") if by_fold else tr("once")
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
    how = (
        ways[0]
        if len(ways) == 1
        else "; ".join(tr("for {source}, {way}", source=label, way=way) for label, way in prepared.items())
    )
    return f"{how[:1].upper()}{how[1:]}{_decoded(results)}."


def _resized(found: PreparationSettings) -> str:
    height, width = found.size
    size = tr(
        "{height} x {width} pixels ({method} interpolation)",
        height=f"{height:,}",
        width=f"{width:,}",
        method=found.interpolation,
    )
    if found.resize == "crop" and height == width:
        resized = tr("the largest centred square of each picture was resized to {size}", size=size)
    elif found.resize == "crop":
        resized = tr(
            "the largest centred rectangle of proportions {height}:{width} of each picture was resized to {size}",
            height=height,
            width=width,
            size=size,
        )
    elif found.resize == "pad":
        resized = tr("each picture was resized to fit into {size}, its proportions kept and the rest black", size=size)
    else:
        resized = tr("each picture was resized to {size}, its proportions not kept", size=size)
    if found.clean_up is None:
        return resized
    return tr("after clean-up ({steps}) {resized}", steps=found.clean_up.replace("+", ", "), resized=resized)


def _decoded(results: RunResults) -> str:
    """What of decoding is not as usual: detail left out, 16-bit samples, pixels in floating point."""
    found = results.backbone.preparation
    said = [tr("large JPEG files were decoded without their finest detail")] if found.decode == "fast" else []
    if any(mode.startswith("I") or "16" in mode for mode in results.audit.modes):
        said.append(tr("16-bit samples were scaled so that {level} is white", level=f"{found.white_level:,}"))
    if found.pixels == "float32":
        said.append(tr("pixels were kept in floating point"))
    return "".join(f"; {words}" for words in said)


def _feature_words(results: RunResults, often: str) -> str:
    if len(results.sources) > 1:
        return _features_of_several(results, often)
    backbone, (source,) = results.backbone, results.sources
    features = _features_in_words(backbone)
    if not _takes_network(source):
        told = mark(
            "As a baseline for the approach of [1], no network took part: {features} were computed {often} for "
            "every image."
        )
    elif backbone.weights.is_random:
        told = mark(
            "As a baseline for the approach of [1], {network} with {weights}, {kept} and {features} were computed "
            "{often} for every image."
        )
    else:
        told = mark(
            "Following the feature extraction strategy of transfer learning [1], {network} ({weights}) {kept} and "
            "{features} were computed {often} for every image."
        )
    return tr(
        told,
        network=backbone.name,
        weights=weights_in_sentence(backbone.weights),
        kept=tr("was kept frozen") if results.fine_tuning is None else tr("was at first kept frozen"),
        features=features,
        often=often,
    )


def _features_of_several(results: RunResults, often: str) -> str:
    """Every source with its weights; random ones are named as such."""
    sources = results.sources
    described = [
        f"{source.label} ({'; '.join(filter(None, (_source_weights(source), _features_in_words(source))))})"
        for source in sources
    ]
    all_random = all(source.weights.is_random for source in sources if _takes_network(source))
    competed = (
        mark("As baselines for the approach of [1], {n_sources} sources of features competed: {sources}.")
        if all_random
        else mark(
            "Following the feature extraction strategy of transfer learning [1], {n_sources} sources of features "
            "competed: {sources}."
        )
    )
    words = tr(competed, n_sources=len(sources), sources=text.listed(described, limit=40))
    return f"{words} {_computed(results, often)}"


def _computed(results: RunResults, often: str) -> str:
    """How often the features of several sources were computed, and that their networks were left as they were."""
    n_networks = len({source.backbone for source in results.sources if _takes_network(source)})
    if n_networks == 0:
        told = mark("The features of each were computed {often} for every image.")
    elif results.fine_tuning is None:
        told = (
            mark("The network was kept frozen and the features of each were computed {often} for every image.")
            if n_networks == 1
            else mark("The networks were kept frozen and the features of each were computed {often} for every image.")
        )
    else:
        told = (
            mark("The network was at first kept frozen and the features of each were computed {often} for every image.")
            if n_networks == 1
            else mark(
                "The networks were at first kept frozen and the features of each were computed {often} for every image."
            )
        )
    return tr(told, often=often)


def _source_weights(source: SourceFacts) -> str:
    return weights_in_sentence(source.weights) if _takes_network(source) else ""


def _takes_network(source: SourceFacts) -> bool:
    """Whether some of the features come out of the network, which handcrafted ones do not."""
    return source.features is None or any(block.name not in _HANDCRAFTED for block in source.features.blocks)


def _features_in_words(source: BackboneFacts | SourceFacts) -> str:
    """How many features there are, and of which stages, pooled how and over which views."""
    n_features, features = f"{source.feature_width:,}", source.features
    if features is None:
        return tr("{n_features} features (pooled output of the last stage)", n_features=n_features)
    of_stage: dict[str, list[str]] = {}
    for block in features.blocks:
        if block.name in _HANDCRAFTED:
            continue
        stage, _, pooling = block.name.partition(":")
        of_stage.setdefault(pooling, []).append(stage if pooling else tr("the last stage"))
    stages: dict[tuple[str, ...], list[str]] = {}
    for pooling, names in of_stage.items():
        stages.setdefault(tuple(names), []).append(
            tr(_POOLED.get(pooling, pooling)) if pooling else tr("pooled output")
        )
    parts = [
        tr("{pooled} of {stages}", pooled=text.listed(poolings, limit=10), stages=text.listed(list(names), limit=40))
        for names, poolings in stages.items()
    ]
    described = [(block.n_features, block.name) for block in features.blocks if block.name in _HANDCRAFTED]
    parts += [f"{count:,} {tr(_HANDCRAFTED[name])}" for count, name in described]
    if not stages:
        return text.listed(parts)
    told = mark("{n_features} features ({parts})")
    if features.n_views > 1:
        told = mark("{n_features} features ({parts}, each the mean over {n_views} views of the image)")
    return tr(told, n_features=n_features, parts=text.listed(parts, limit=40), n_views=features.n_views)


def _channel_words(channels: Sequence[str] | None) -> list[str]:
    """Which channels the network was shown, where they were chosen, and what became of its first layer."""
    if channels is None:
        return []
    named = [tr("a black one") if name == "none" else name for name in channels]
    n_channels = len(channels)
    if n_channels == 3:
        shown = mark("The network was shown {channels}: {named}, in place of red, green and blue.")
    elif n_channels == 1:
        shown = mark(
            "The network was shown {channels}: {named}. For them the weights of its first layer, made for red, green "
            "and blue, were added up."
        )
    else:
        shown = mark(
            "The network was shown {channels}: {named}. For them the weights of its first layer, made for red, green "
            "and blue, were repeated in turn and scaled."
        )
    counted = ntr("{n} channel", "{n} channels", n_channels)
    return [tr(shown, channels=counted, named=text.listed(named, limit=20))]


def _normalisation_words(results: RunResults) -> str:
    """What the channels were normalised by: the mean and spread that the weights expect, or the training images'."""
    found = results.backbone.training_normalisation
    if found is None:
        if len(results.sources) > 1:
            return tr("Channels were normalised by the mean and standard deviation that the weights expect.")
        return tr(
            "Channels were normalised by the mean and standard deviation that the weights expect ({values}).",
            values=_mean_and_spread(results.backbone.normalisation),
        )
    return tr(
        "Each channel was brought from the mean and standard deviation of the training images to those that the "
        "weights expect; both were taken anew in every outer fold, from its training images alone (for the final "
        "model, from {images}: {values}).",
        images=ntr("{n} image", "{n} images", found.n_images),
        values=_mean_and_spread(found),
    )


def _mean_and_spread(found: Normalisation | TrainingNormalisation) -> str:
    return tr(
        "mean {mean}, standard deviation {deviation}, on a scale from 0 to 1",
        mean=_of_channels(found.mean),
        deviation=_of_channels(found.std),
    )


def _of_channels(values: Sequence[float]) -> str:
    shown = [f"{value:.3f}" for value in values]
    if len(set(shown)) > 1 or len(shown) == 1:
        return text.listed(shown)
    return tr("{value} in each channel", value=shown[0])


def _engine_sentences(results: RunResults, versions: Mapping[str, Any]) -> list[str]:
    """How the forward passes were computed, and how near that is to fp32; alike ones in one sentence."""
    passing = [source for source in results.sources if _takes_network(source)]
    alike = {_engine_words(source.engine_record, versions, tr("The forward pass")) for source in passing}
    if len(results.sources) > 1 and len(alike) > 1:
        return [
            _engine_words(source.engine_record, versions, tr("The forward pass of {source}", source=source.label))
            for source in passing
        ]
    record = results.engine if len(results.sources) == 1 else passing[0].engine_record
    return [_engine_words(record, versions, tr("The forward pass"))]


def _engine_words(record: EngineRecord, versions: Mapping[str, Any], forward_pass: str) -> str:
    openvino = record.used.engine == "openvino" and "openvino" in versions
    engine = record.label
    if openvino:
        engine = tr("{engine} (version {version})", engine=engine, version=versions["openvino"])
    parity = record.parity
    if parity is None or parity.relative_error is None or parity.agreement is None:
        return tr("{forward_pass} was computed by {engine}.", forward_pass=forward_pass, engine=engine)
    sentences = [
        tr(
            "{forward_pass} was computed by {engine}; on {images} its features differed from those of plain torch in "
            "fp32 by {error} of their spread (root mean square), and a linear probe gave the same class for {share} %.",
            forward_pass=forward_pass,
            engine=engine,
            images=ntr("{n} image", "{n} images", parity.n_images),
            error=f"{parity.relative_error:.2g}",
            share=f"{100 * parity.agreement:.1f}",
        )
    ]
    if cost := record.accuracy_cost:
        low, high = cost.ci95
        sentences.append(
            tr(
                "The probe's accuracy was {int8} in int8 and {fp32} in fp32 (difference 95 % interval {low} to {high}, "
                "{images}).",
                int8=f"{cost.int8:.3f}",
                fp32=f"{cost.fp32:.3f}",
                low=f"{low:+.3f}",
                high=f"{high:+.3f}",
                images=ntr("{n} image", "{n} images", cost.n_images),
            )
        )
    return " ".join(sentences)
