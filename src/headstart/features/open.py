"""The way from a backbone's name to features: backbone, preparation and engine, opened once for every caller."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from headstart.backbones.feature_block import ARRAY, LAST, multi_blocks, parse_features
from headstart.backbones.registry import DEFAULT_BACKBONE
from headstart.data.images.decode import WHITE_LEVEL
from headstart.errors import InputError

if TYPE_CHECKING:
    from headstart.augment import View
    from headstart.backbones.backbone import Backbone
    from headstart.backbones.feature_block import FeatureBlock
    from headstart.data.dataset import ImageDataset
    from headstart.data.image_resize import ImageResize
    from headstart.data.preparation import Preparation
    from headstart.features.cache import FeatureCache
    from headstart.features.engine_selection.select import EngineChoice
    from headstart.features.extractor import Extractor
    from headstart.progress import Progress


@dataclass(frozen=True)
class ExtractionSettings:
    """Settings of feature extraction: backbone, weights, preparation and engine.

    Attributes
    ----------
    backbone : str
        A name that ``headstart backbones`` lists, any timm name, or ``hf-hub:OWNER/MODEL``.
    weights : str or None
        File of weights, or ``random``. None: looked for, see `headstart.backbones.weights.find_weights`.
    input_size : (int, int) or None
        Height and width of the network's input in pixels. None: what the weights were trained at.
    resize, white_level, decode, channels, pixels
        As for `headstart.data.ImageResize`.
    clean_up : str or None
        Clean-up of dermoscopic images before that; see `headstart.lesions.cleaning.clean_up.parse_clean_up`. None:
        images stay as they are.
    device : {"auto", "cpu", "cuda", "mps"}
    n_threads : int or None
        Threads of decoding and of the network on the CPU. None: the number of processors.
    engine : {"auto", "torch", "openvino", "measure"}
        Library that runs the network; see `headstart.features.engine_selection.request.EngineRequest`.
    precision : {"auto", "fp32", "bf16", "int8"}
    batch_size : int or None
        Images per forward pass. None: what suits the engine.
    offline : bool
        Never look for weights in the network.
    seed : int >= 0
        Seed of random weights, and of the images that engines are compared on.
    features : str
        Features of the network; see `headstart.backbones.feature_block.parse_features`.
    image_kind : str or None
        What the images show, a key of `headstart.augment.KINDS`: it decides which views ``best`` averages over. None:
        all eight symmetries of a square.
    normalise : {"weights", "training"}
        Which mean and spread of the channels pixels are normalised by: those of the weights, or those of the training
        images, by a preparation that is fitted later.
    """

    backbone: str = DEFAULT_BACKBONE
    weights: str | None = None
    input_size: tuple[int, int] | None = None
    resize: str = "squash"
    clean_up: str | None = None
    white_level: int = WHITE_LEVEL
    decode: str = "exact"
    channels: tuple[str, ...] | None = None
    pixels: str = "uint8"
    device: str = "auto"
    n_threads: int | None = None
    engine: str = "auto"
    precision: str = "auto"
    batch_size: int | None = None
    offline: bool = False
    seed: int = 0
    normalise: str = "weights"
    features: str = LAST.name
    image_kind: str | None = None

    @property
    def n_channels(self) -> int:
        """Number of channels that the network takes."""
        return 3 if self.channels is None else len(self.channels)


def open_extractor(
    settings: ExtractionSettings, *, backbone: Backbone | None = None, progress: Progress | None = None
) -> Extractor:
    """Backbone and preparation, run by the plain fp32 engine; `select_engine` chooses a faster one.

    Parameters
    ----------
    settings : ExtractionSettings
    backbone : Backbone, optional
        The backbone that the settings name, where it is loaded already.
    progress : Progress, optional
        Told of a download.

    Raises
    ------
    InputError
        When the backbone, a setting or the device is unknown, or the device is not there.
    WeightsError
        When the weights are missing or do not fit.
    """
    from headstart.backbones.backbone import load_backbone
    from headstart.backbones.no_network import no_network
    from headstart.data.image_resize import ImageResize
    from headstart.engines.engine import decide_engine
    from headstart.features.extractor import Extractor

    engine = decide_engine(device=settings.device, n_threads=settings.n_threads, batch_size=settings.batch_size)
    if parse_features(settings.features).rule == ARRAY:
        backbone = no_network(settings.n_channels)
    elif backbone is None:
        backbone = load_backbone(
            settings.backbone,
            weights=settings.weights,
            offline=settings.offline,
            seed=settings.seed,
            n_channels=settings.n_channels,
            progress=progress,
        )
    size = settings.input_size or backbone.input_size
    if not backbone.is_absent:
        backbone.check_takes(size)
    resized = ImageResize(
        size,
        resize=settings.resize,
        interpolation=backbone.interpolation,
        white_level=settings.white_level,
        decode=settings.decode,
        channels=settings.channels,
        pixels=settings.pixels,
    )
    preparation = _cleaned(resized, settings)
    blocks = requested_blocks(settings.features, backbone, size)
    is_averaged = parse_features(settings.features).is_averaged
    views = averaged_views(settings.image_kind, size) if is_averaged else ()
    return Extractor(backbone, preparation, engine, blocks=blocks, averaged=views)


def _cleaned(resized: ImageResize, settings: ExtractionSettings) -> Preparation:
    """The preparation with the clean-up that is asked for before it."""
    from headstart.lesions.cleaning.clean_up import CleanUp, parse_clean_up
    from headstart.lesions.cleaning.preparation import CleanedResize

    clean_up = CleanUp() if settings.clean_up is None else parse_clean_up(settings.clean_up)
    if not clean_up.steps:
        return resized
    if settings.normalise == "training":
        raise InputError(
            f"--clean-up {settings.clean_up} with --normalise training: cleaned images are normalised by the weights "
            "alone. Leave one of the two out."
        )
    return CleanedResize(resized, clean_up)


def requested_blocks(features: str, backbone: Backbone, size: tuple[int, int]) -> tuple[FeatureBlock, ...]:
    """Blocks that features stand for with a network and a size (height, width) of its input.

    Raises
    ------
    InputError
        When the features are not understood, or no stage of the network gives a map.
    """
    from headstart.backbones.stage_outputs import stage_outputs

    found = parse_features(features)
    if found.rule == ARRAY:
        return (LAST,)
    if found.rule is None:
        return found.blocks
    return (*multi_blocks(stage_outputs(backbone.staged, size), backbone=backbone.name), *found.blocks)


def averaged_views(kind: str | None, size: tuple[int, int]) -> tuple[View, ...]:
    """Views that features ``best`` are the mean over: the exact symmetries that leave the class of such images alone.

    Parameters
    ----------
    kind : str or None
        A key of `headstart.augment.KINDS`; None: nothing speaks against any symmetry.
    size : (int, int)
        Height and width of the network's input: what is no square is not laid on its side.

    Returns
    -------
    tuple of View
        Eight or four of them; none where the kind allows no exact symmetry.
    """
    from headstart.augment import policy_for_kind, views

    policy = "dihedral" if kind is None else policy_for_kind(kind)
    if policy not in ("dihedral", "flips"):
        return ()
    return views("dihedral", 8 if policy == "dihedral" and size[0] == size[1] else 4)


def select_engine(
    extractor: Extractor,
    settings: ExtractionSettings,
    dataset: ImageDataset,
    *,
    cache: FeatureCache | None = None,
    progress: Progress | None = None,
) -> EngineChoice:
    """The engine that the settings ask for or leave to the rule, with an extractor that runs it.

    Parameters
    ----------
    extractor : Extractor
        What `open_extractor` gave for these settings.
    settings : ExtractionSettings
    dataset : ImageDataset
        Readable images with their hashes: some of them show which engine agrees with fp32.
    cache : FeatureCache, optional
        Keeps the features of these images, converted networks and measured speeds.
    progress : Progress, optional
        Told of the engine chosen and of what was not used.

    Raises
    ------
    InputError
        When an engine or precision is unknown, or not possible on the device.
    EngineError
        When int8 is asked for and cannot be made here.
    """
    from headstart.engines.fallback import runs_on
    from headstart.features.engine_selection.request import EngineRequest
    from headstart.features.engine_selection.select import EngineSelector

    backbone, preparation, plain = extractor.backbone, extractor.preparation, extractor.engine
    if backbone.is_absent:
        settings = replace(settings, engine="torch", precision="fp32")  # nothing to be computed faster
    request = EngineRequest(
        library=settings.engine,
        precision=settings.precision,
        device=runs_on(backbone, plain.device, preparation.size, progress=progress),
        n_threads=plain.n_threads,
        batch_size=settings.batch_size,
        seed=settings.seed,
        floats=settings.normalise == "training",
    )
    selector = EngineSelector(
        backbone,
        preparation,
        dataset,
        request,
        blocks=extractor.blocks,
        beside=extractor.beside,
        cache=cache,
        progress=progress,
    )
    choice = selector.select()
    if not extractor.averaged:
        return choice
    found = choice.extractor.with_blocks(extractor.blocks, beside=extractor.beside, averaged=extractor.averaged)
    return replace(choice, extractor=found)
