"""`ImageResize`: from a decoded image to the fixed-size pixels that a network takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image

from headstart.data.images.decode import DECODER_VERSION, WHITE_LEVEL
from headstart.data.images.files import EncodedImage
from headstart.data.images.orientation import Box
from headstart.data.images.samples import check_choice, on_scale
from headstart.data.images.source import StoredImage
from headstart.errors import DataError, InputError, unknown_name

RESIZE_POLICIES: Final = ("squash", "crop", "pad")
DECODE_MODES: Final = ("exact", "fast")
PIXEL_TYPES: Final = ("uint8", "float32")
FAST_MARGIN: Final = 2
"""Fast decoding keeps at least so many pixels of a JPEG, across and down, for each one of the target."""
MAX_SIDE: Final = 4_096  # at this size the engine's 16 images of a batch take 3.2 GB as 32-bit floats
_FILTERS: Final = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "box": Image.Resampling.BOX,
    "hamming": Image.Resampling.HAMMING,
}


@dataclass(frozen=True)
class ImageResize:
    """Preparation that brings every image of a data set to one size; nothing in it is fitted.

    Parameters
    ----------
    size : (int, int)
        Height and width in pixels, each from 1 to 4,096: what is larger would not fit into memory by the batch.
    resize : {"squash", "crop", "pad"}
        ``squash`` keeps the whole picture and changes its proportions; ``crop`` keeps the proportions and the
        largest centred rectangle; ``pad`` keeps both and adds black bars.
    interpolation : {"bilinear", "bicubic", "lanczos", "box", "hamming"}
        Filter, widened when the image shrinks, so fine structure is averaged, not aliased.
    white_level : int in 1..65535
        The 16-bit value shown as white; see `headstart.data.images.decode.decode`.
    decode : {"exact", "fast"}
        ``fast`` lets the JPEG decoder leave out, by halves, quarters or eighths, detail that is finer than half a
        pixel of the target; several times quicker for photographs, and the pixels differ a little. Other formats are
        read alike.
    channels : tuple of str, optional
        Names or numbers of the channels that make up an image, ``none`` for a black one. Default: red, green and blue;
        grey repeated, alpha laid over white.
    pixels : {"uint8", "float32"}
        Type of the pixels that the network is given, from 0 to 255. ``float32`` keeps the steps of floating-point
        images.

    Raises
    ------
    InputError
        For a size, policy, filter, white level, way to decode, type of pixels or choice of channels that is none.

    Examples
    --------
    >>> ImageResize((2, 3), resize="pad").resized(Image.new("RGB", (3, 3), "white"))[:, :, 0].tolist()
    [[255, 255, 0], [255, 255, 0]]
    """

    size: tuple[int, int]
    resize: str = "squash"
    interpolation: str = "bilinear"
    white_level: int = WHITE_LEVEL
    decode: str = "exact"
    channels: tuple[str, ...] | None = None
    pixels: str = "uint8"

    def __post_init__(self) -> None:
        if len(self.size) != 2 or not all(1 <= side <= MAX_SIDE for side in self.size):
            raise InputError(f"size is {self.size}; expected (height, width) in pixels, each from 1 to {MAX_SIDE:,}.")
        object.__setattr__(self, "size", (int(self.size[0]), int(self.size[1])))
        if self.resize not in RESIZE_POLICIES:
            raise InputError(unknown_name("resize policy", self.resize, RESIZE_POLICIES))
        if self.interpolation not in _FILTERS:
            raise InputError(unknown_name("interpolation", self.interpolation, _FILTERS))
        if not 1 <= self.white_level <= 65_535:
            raise InputError(f"white_level is {self.white_level}; expected a 16-bit sample value from 1 to 65535.")
        if self.decode not in DECODE_MODES:
            raise InputError(unknown_name("way to decode", self.decode, DECODE_MODES))
        if self.pixels not in PIXEL_TYPES:
            raise InputError(unknown_name("type of pixels", self.pixels, PIXEL_TYPES))
        if self.channels is not None:
            check_choice(self.channels)

    @property
    def dtype(self) -> np.dtype[Any]:
        """uint8, or float32 on the same scale 0..255."""
        return np.dtype(self.pixels)

    @property
    def n_channels(self) -> int:
        """Number of channels of the pixels."""
        return 3 if self.channels is None else len(self.channels)

    def read(self, encoded: bytes, name: str) -> NDArray[Any]:
        """Pixels of a file as the network takes them.

        The same as decoding and `resized`, but a grey picture is resized in one channel, and ``decode="fast"`` counts.

        Parameters
        ----------
        encoded : bytes
            Content of the file.
        name : str
            Name of the image in errors.

        Returns
        -------
        ndarray of shape (height, width, n_channels), of `dtype`

        Raises
        ------
        ImageError
            See `headstart.data.images.decode.decode`.
        """
        return self.prepare(EncodedImage(name, encoded))

    def prepare(self, stored: StoredImage) -> NDArray[Any]:
        """Pixels of a stored image as the network takes them.

        Parameters
        ----------
        stored : StoredImage
            From `headstart.data.dataset.ImageDataset.stored`.

        Returns
        -------
        ndarray of shape (height, width, n_channels), of `dtype`

        Raises
        ------
        ImageError
            See `headstart.data.images.decode.decode`.
        """
        reduce = self._enough if self.decode == "fast" else None
        found = stored.decoded(white_level=self.white_level, keep_grey=True, reduce=reduce, channels=self.channels)
        if found.samples is None:
            return self.resized(found.image, found.box).astype(self.dtype, copy=False)
        box = (0, 0, found.samples.shape[1], found.samples.shape[0])
        planes = [np.asarray(self._resized(Image.fromarray(plane), box)) for plane in np.moveaxis(found.samples, 2, 0)]
        return on_scale(np.stack(planes, axis=2), self.dtype)

    def apply(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Pixels of a view as they are: nothing was learned that would change them."""
        return pixels

    def resized(self, image: Image.Image, box: Box | None = None) -> NDArray[np.uint8]:
        """Pixels of a decoded image as the network takes them, before normalisation.

        Parameters
        ----------
        image : PIL.Image.Image
            Mode RGB or L, upright, as `headstart.data.images.decode.decode` gives it.
        box : (left, top, right, bottom), optional
            Part of it that is the picture, in pixels. Default: all.

        Returns
        -------
        ndarray of shape (height, width, 3), uint8
        """
        pixels = np.array(self._resized(image, box or (0, 0, *image.size)), dtype=np.uint8)
        return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)

    def _enough(self, width: int, height: int) -> tuple[int, int]:
        """Pixels across and down of an image of this size that fast decoding has to keep."""
        inner = self._inner(width, height) if self.resize == "pad" else self.size[::-1]
        return FAST_MARGIN * inner[0], FAST_MARGIN * inner[1]

    def _resized(self, image: Image.Image, box: Box) -> Image.Image:
        height, width = self.size
        resample = _FILTERS[self.interpolation]
        if self.resize == "squash":
            return image.resize((width, height), resample, box=box)
        if self.resize == "crop":
            return image.resize((width, height), resample, box=_centred_box(box, (width, height)))
        inner = self._inner(box[2] - box[0], box[3] - box[1])
        canvas = Image.new(image.mode, (width, height))
        canvas.paste(image.resize(inner, resample, box=box), ((width - inner[0]) // 2, (height - inner[1]) // 2))
        return canvas

    def _inner(self, width: float, height: float) -> tuple[int, int]:
        """Width and height between the bars of ``pad``."""
        scale = min(self.size[1] / width, self.size[0] / height)
        return max(1, round(width * scale)), max(1, round(height * scale))

    def settings(self) -> dict[str, Any]:
        """Everything the pixels depend on besides the file, as plain JSON: for cache keys and bundles."""
        return {
            "size": list(self.size),
            "resize": self.resize,
            "interpolation": self.interpolation,
            "white_level": self.white_level,
            "decode": self.decode,
            "decoder": DECODER_VERSION,
            "pillow": int(PIL.__version__.split(".")[0]),
            **({} if self.channels is None else {"channels": list(self.channels)}),
            **({} if self.pixels == "uint8" else {"pixels": self.pixels}),
        }

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> ImageResize:
        """The preparation that `settings` described.

        Raises
        ------
        DataError
            When a setting is missing, or the decoder rules are newer than this version knows.
        """
        try:
            decoder = int(settings["decoder"])
            height, width = settings["size"]
            chosen = cls(
                (int(height), int(width)),
                str(settings["resize"]),
                str(settings["interpolation"]),
                int(settings["white_level"]),
                str(settings.get("decode", "exact")),  # models saved before there was a choice
                None if settings.get("channels") is None else tuple(str(name) for name in settings["channels"]),
                str(settings.get("pixels", "uint8")),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"The preparation settings are damaged ({error!r}); save the model again.") from error
        if decoder > DECODER_VERSION:
            raise DataError(
                f"The images were prepared by decoder rules {decoder}; this headstart knows up to {DECODER_VERSION}. "
                "Install a newer headstart."
            )
        return chosen


def _centred_box(box: Box, target: tuple[int, int]) -> Box:
    """Largest box with the proportions of `target` (width, height), in the middle of `box`."""
    across, down = box[2] - box[0], box[3] - box[1]
    scale = min(across / target[0], down / target[1])
    width, height = min(target[0] * scale, across), min(target[1] * scale, down)
    left, top = box[0] + (across - width) / 2, box[1] + (down - height) / 2
    return left, top, left + width, top + height
