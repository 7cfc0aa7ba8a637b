"""The way from a backbone's name to features: backbone, preparation and engine, opened once for every caller."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from headstart.backbones.registry import DEFAULT_BACKBONE
from headstart.data.images.decode import WHITE_LEVEL

if TYPE_CHECKING:
    from headstart.backbones.backbone import Backbone
    from headstart.data.dataset import ImageDataset
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
    normalise : {"weights", "training"}
        Which mean and spread of the channels pixels are normalised by: those of the weights, or those of the training
        images, by a preparation that is fitted later.
    """

    backbone: str = DEFAULT_BACKBONE
    weights: str | None = None
    input_size: tuple[int, int] | None = None
    resize: str = "squash"
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
    from headstart.data.image_resize import ImageResize
    from headstart.engines.engine import decide_engine
    from headstart.features.extractor import Extractor

    engine = decide_engine(device=settings.device, n_threads=settings.n_threads, batch_size=settings.batch_size)
    if backbone is None:
        backbone = load_backbone(
            settings.backbone,
            weights=settings.weights,
            offline=settings.offline,
            seed=settings.seed,
            n_channels=settings.n_channels,
            progress=progress,
        )
    size = settings.input_size or backbone.input_size
    backbone.check_takes(size)
    preparation = ImageResize(
        size,
        resize=settings.resize,
        interpolation=backbone.interpolation,
        white_level=settings.white_level,
        decode=settings.decode,
        channels=settings.channels,
        pixels=settings.pixels,
    )
    return Extractor(backbone, preparation, engine)


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
    return selector.select()
