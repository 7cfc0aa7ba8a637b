"""Which network computes the features, and what it is shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Final, Literal, get_args

from headstart.backbones.feature_block import parse_features
from headstart.errors import InputError
from headstart.workflow.options.names import backbone_names
from headstart.workflow.options.option import Options, option

Resize = Literal["squash", "crop", "pad"]
RESIZES: Final = get_args(Resize)
Decoding = Literal["exact", "fast"]
Normalisation = Literal["weights", "training"]
WHITE_LEVEL: Final = 65535
INPUT_SIZES: Final = {"at_least": 16, "at_most": 4096}


@dataclass(frozen=True)
class NetworkOptions(Options):
    """Backbone and preparation of the images.

    Attributes
    ----------
    backbone : str or None
        A name that ``headstart backbones`` lists, or any timm name; or several, separated by commas, which then
        compete. None: those of the study or the grid, else EfficientNet-Lite0, never downloaded.
    weights : str or None
        File of weights, or ``random``. None: shipped, then cached, then (for a named backbone) downloaded.
    input_size : int or None
        Side of the square input in pixels. None: what the weights were trained at.
    resize : {"squash", "crop", "pad"}
        How an image is brought to a square.
    white_level : int
        The 16-bit value shown as white.
    normalise : {"weights", "training"}
        Mean and spread of the channels that pixels are normalised by: the weights' own, or those of the training
        images of every outer fold.
    features : str or None
        Features that heads are trained on: ``last``, ``multi``, ``best``, ``descriptors`` or ``lesion`` (handcrafted),
        or blocks ``STAGE:POOLING``, joined by ``+`` (docs/blocks.md); or several, separated by commas, which compete;
        or ``array``, that of ``feature_array`` alone, without a network.
        None: those of the study, else ``last``, the pooled output of the last stage.
    channels : tuple of str or None
        Names or numbers of the channels that make up an image, ``none`` for a black one; another count than three
        adapts the network's first layer. None: red, green and blue; grey repeated, alpha laid over white.
    clean_up : str or None
        Clean-up of dermoscopic images, steps joined by ``+`` (docs/lesions.md). None: images stay as they are.
    decode : {"exact", "fast"}
        ``fast`` lets the JPEG decoder leave out detail that the network's input is too small to show.
    """

    group: ClassVar[str] = "Network"

    backbone: str | None = field(
        default=None,
        metadata=option(
            "Pretrained network, or several that compete.",
            metavar="NAME[,NAME...]",
            several=True,
            unset="efficientnet_lite0",
            offered=backbone_names,
            matters=True,
        ),
    )
    weights: str | None = field(
        default=None,
        metadata=option(
            "File of weights, or random.",
            is_path=True,
            by_hand="which weights are read",
            unset="shipped, added, cached, or (for a named backbone) downloaded",
            offered=lambda: ("random",),
        ),
    )
    input_size: int | None = field(
        default=None,
        metadata=option("Side of the network's input in pixels.", unset="the network's own", **INPUT_SIZES),
    )
    resize: Resize = field(default="squash", metadata=option("How an image becomes square.", choices=RESIZES))
    white_level: int = field(
        default=WHITE_LEVEL, metadata=option("16-bit value shown as white.", at_least=1, at_most=WHITE_LEVEL)
    )
    normalise: Normalisation = field(
        default="weights",
        metadata=option(
            "Mean and spread of the channels: of the weights, or of each fold's training images.",
            choices=get_args(Normalisation),
        ),
    )
    channels: tuple[str, ...] | None = field(
        default=None,
        metadata=option(
            "Channels shown to the network, none for a black one.", metavar="NAME,NAME...", unset="red,green,blue"
        ),
    )
    decode: Decoding = field(
        default="exact",
        metadata=option(
            "fast: large JPEGs without the finest detail, several times quicker.", choices=get_args(Decoding)
        ),
    )

    clean_up: str | None = field(
        default=None,
        metadata=option(
            "Clean-up of dermoscopic images: crop, hair, corners, rulers, grey, joined by +.",
            metavar="STEP[+STEP...]",
            offered=lambda: ("crop", "hair+crop", "none"),
            unset="none",
        ),
    )
    features: str | None = field(
        default=None,
        metadata=option(
            "What heads see of the network: last, multi (mean and max of several stages), best (also averaged over "
            "mirrored and turned views), descriptors, lesion, or STAGE:POOLING, joined by +; several compete. array: "
            "that of --feature-array alone, without a network.",
            metavar="FEATURES[,...]",
            several=True,
            offered=lambda: ("last", "multi", "best", "multi+descriptors", "array"),
            unset="multi",
        ),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(set(self.feature_sets)) < len(self.feature_sets):
            raise InputError(f"--features {self.features!r} should name each once, as in last,multi.")
        for text in self.feature_sets:
            parse_features(text)
        if self.clean_up is not None:
            from headstart.lesions.cleaning.clean_up import parse_clean_up

            parse_clean_up(self.clean_up)
        if self.channels is not None:
            from headstart.data.images.samples import check_choice  # heavy, and of no use to a help text

            check_choice(self.channels)
        if not all(self.backbones) or len(set(self.backbones)) < len(self.backbones):
            raise InputError(
                f"--backbone {self.backbone!r} should name each backbone once, separated by single commas, as in "
                "vgg19,resnet50."
            )

    @property
    def feature_sets(self) -> tuple[str, ...]:
        """Requested features, each a candidate of its own; none where that is left open."""
        return () if self.features is None else tuple(text.strip() for text in self.features.split(","))

    @property
    def backbones(self) -> tuple[str, ...]:
        """Names of the requested backbones; none where that is left open."""
        return () if self.backbone is None else tuple(name.strip() for name in self.backbone.split(","))
