"""Sources of features: network, weights, preparation of the pixels, and the engine that ran the network."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from headstart.backbones.weights.provenance import is_absent, is_random
from headstart.results.models.base import Count, Ends, Part, Positive, Share
from headstart.results.models.pretraining import PretrainingFacts

Side: TypeAlias = Positive
"""Height or width in pixels."""


class Weights(Part):
    """Weights of a network and their source; `pretraining` where headstart made them."""

    source: str
    sha256: str
    licence: str
    file: str
    layout: str
    note: str
    pretraining: PretrainingFacts | None

    @property
    def is_random(self) -> bool:
        """Whether they were never trained on any image."""
        return is_random(self.source)

    @property
    def is_absent(self) -> bool:
        """Whether there is no network that could have weights."""
        return is_absent(self.source)


class PreparationSettings(Part):
    """Preparation of an image for the network."""

    size: tuple[Side, Side]
    resize: str
    interpolation: str
    white_level: Positive
    decode: str
    decoder: Positive
    pillow: Positive
    channels: tuple[str, ...] | None = None
    pixels: str = "uint8"
    clean_up: str | None = None


class EngineSettings(Part):
    """Library, device and arithmetic that ran the network."""

    engine: str
    device: str
    n_threads: Positive
    batch_size: Positive
    precision: str
    n_streams: Positive
    folded: bool
    compiled: bool
    network_sha256: str


class RequestedEngine(Part):
    """The engine and precision that the user asked for."""

    engine: str
    precision: str


class ParityFacts(Part):
    """How well features of an engine agree with those of the reference; None for what could not be told."""

    relative_error: Annotated[float, Field(ge=0)] | None
    agreement: Share | None
    n_images: Count
    probe: str


class ParityTolerance(Part):
    """The most that features may differ."""

    relative_error: Annotated[float, Field(ge=0)]
    agreement: Share


class TriedEngine(Part):
    """An engine that was compared with the reference."""

    engine: str
    parity: ParityFacts
    tolerance: ParityTolerance
    within: bool


class AccuracyCost(Part):
    """Cost of arithmetic in eight bits: a probe's accuracy with it and without it."""

    fp32: Share
    int8: Share
    difference: float
    ci95: Ends
    n_images: Count


class EngineRecord(Part):
    """How an engine was chosen, and which."""

    requested: RequestedEngine
    used: EngineSettings
    label: str
    reason: str
    parity: ParityFacts | None
    tried: tuple[TriedEngine, ...]
    notes: tuple[str, ...]
    accuracy_cost: AccuracyCost | None
    n_calibration: Count | None


class Normalisation(Part):
    """Mean and standard deviation of the channels that the network expects."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


class TrainingNormalisation(Part):
    """Mean and spread of the channels of the training images, scaled to 0..1, which took the place of the network's."""

    mean: tuple[float, ...]
    std: tuple[Annotated[float, Field(ge=0)], ...]
    n_images: Positive


class TrainedAt(Part):
    """Size and crop of the images that the network was pretrained on."""

    input_size: tuple[Side, Side]
    crop_fraction: Annotated[float, Field(gt=0)]


class BlockFacts(Part):
    """One block of features: a stage of the network, pooled in one way."""

    name: str
    n_features: Positive


class FeatureFacts(Part):
    """Features other than the pooled output of the last stage: their blocks, and the views that they are the mean over.

    `requested` is ``last``, ``multi``, ``best`` or a list of blocks; `n_views` is 1 for the image itself.
    """

    requested: str
    blocks: tuple[BlockFacts, ...]
    n_views: Positive


class _FeatureHolder(Part):
    """A part that says of its features only where they are more than the pooled output of the last stage."""

    @model_serializer(mode="wrap")
    def _without_default(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        found: dict[str, Any] = handler(self)
        return {key: value for key, value in found.items() if key != "features" or value is not None}


class BackboneFacts(_FeatureHolder):
    """The network of the final model."""

    name: str
    weights: Weights
    stage: str
    feature_width: Count
    features: FeatureFacts | None = None
    preparation: PreparationSettings
    normalisation: Normalisation
    training_normalisation: TrainingNormalisation | None = None
    trained_at: TrainedAt
    engine: EngineSettings


class SourceFacts(_FeatureHolder):
    """One source of features, so that they can be computed again, and in how many outer folds it was chosen."""

    label: str
    number: Count
    backbone: str
    weights: Weights
    stage: str
    preparation: PreparationSettings
    engine: EngineSettings
    feature_width: Count
    features: FeatureFacts | None = None
    engine_record: EngineRecord
    times_chosen: Count
