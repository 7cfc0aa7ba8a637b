"""Description of a pretraining, as `headstart pretrain` writes it into a file of weights."""

from __future__ import annotations

from typing import Literal

from headstart.results.models.base import Count, Part, Positive, Scalar, Share
from headstart.results.models.estimates import PlainEstimate


class PretrainingSource(Part):
    """Images that a network was pretrained on."""

    domain: str
    classes: tuple[str, ...]
    class_counts: tuple[Count, ...]
    n_images: Positive
    n_training: Positive
    data_sha256: str


class HeldOutScores(Part):
    """Scores on held-out images."""

    accuracy: PlainEstimate
    balanced_accuracy: PlainEstimate
    log_loss: PlainEstimate


class HeldOut(Part):
    """Images that took no part in the pretraining: how many, their share, and the scores on them."""

    n_images: Positive
    share: Share
    metrics: HeldOutScores


class PretrainingMachine(Part):
    """Device, precision and threads of a training."""

    device: str
    precision: str
    n_threads: Positive


class StartingWeights(Part):
    """The weights that the pretraining started from; `pretraining` where headstart made those too."""

    source: str
    sha256: str
    licence: str
    file: str
    layout: str
    note: str
    pretraining: PretrainingFacts | None = None


class PretrainingFacts(Part):
    """Source images, settings and held-out score of pretrained weights.

    Attributes
    ----------
    training_loss : float
        Training loss of the last epoch.
    identity_sha256 : str
        Hash of everything that decides the weights.
    """

    format: Literal[1]
    headstart: str
    backbone: str
    input_size: tuple[Positive, Positive]
    resize: str
    source: PretrainingSource
    start: StartingWeights
    settings: dict[str, Scalar]
    machine: PretrainingMachine
    training_loss: float
    identity_sha256: str
    heldout: HeldOut
