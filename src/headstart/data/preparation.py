"""From a decoded image to the fixed-size pixels a network takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image

from headstart.data.decode import DECODER_VERSION, WHITE_LEVEL
from headstart.errors import DataError, InputError, unknown_name

RESIZE_POLICIES: Final = ("squash", "crop", "pad")
MAX_SIDE: Final = 4_096  # at this size the engine's 16 images of a batch take 3.2 GB as 32-bit floats
_FILTERS: Final = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "box": Image.Resampling.BOX,
    "hamming": Image.Resampling.HAMMING,
}


@dataclass(frozen=True)
class Preparation:
    """How every image of a data set is brought to one size; nothing in it is fitted.

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
        The 16-bit value shown as white; see `headstart.data.decode.decode`.

    Raises
    ------
    InputError
        For a size, policy, filter or white level that is none.

    Examples
    --------
    >>> Preparation((2, 3), resize="pad").apply(Image.new("RGB", (3, 3), "white"))[:, :, 0].tolist()
    [[255, 255, 0], [255, 255, 0]]
    """

    size: tuple[int, int]
    resize: str = "squash"
    interpolation: str = "bilinear"
    white_level: int = WHITE_LEVEL

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

    def apply(self, image: Image.Image) -> NDArray[np.uint8]:
        """The image as the network sees it, before normalisation.

        Parameters
        ----------
        image : PIL.Image.Image
            Mode RGB, upright, as `headstart.data.decode.decode` gives it.

        Returns
        -------
        ndarray of shape (height, width, 3), uint8
        """
        return np.array(self._resized(image), dtype=np.uint8)

    def _resized(self, image: Image.Image) -> Image.Image:
        height, width = self.size
        resample = _FILTERS[self.interpolation]
        if self.resize == "squash":
            return image.resize((width, height), resample)
        if self.resize == "crop":
            return image.resize((width, height), resample, box=_centred_box(image.size, (width, height)))
        scale = min(width / image.width, height / image.height)
        inner = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        canvas = Image.new("RGB", (width, height))
        canvas.paste(image.resize(inner, resample), ((width - inner[0]) // 2, (height - inner[1]) // 2))
        return canvas

    def settings(self) -> dict[str, Any]:
        """Everything the pixels depend on besides the file, as plain JSON: for cache keys and bundles."""
        return {
            "size": list(self.size),
            "resize": self.resize,
            "interpolation": self.interpolation,
            "white_level": self.white_level,
            "decoder": DECODER_VERSION,
            "pillow": int(PIL.__version__.split(".")[0]),
        }

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Preparation:
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
            )
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"The preparation settings are damaged ({error!r}); save the model again.") from error
        if decoder > DECODER_VERSION:
            raise DataError(
                f"The images were prepared by decoder rules {decoder}; this headstart knows up to {DECODER_VERSION}. "
                "Install a newer headstart."
            )
        return chosen


def _centred_box(size: tuple[int, int], target: tuple[int, int]) -> tuple[float, float, float, float]:
    """Largest centred box (left, top, right, bottom) of an image of `size` with the proportions of `target`."""
    scale = min(size[0] / target[0], size[1] / target[1])
    width, height = min(target[0] * scale, size[0]), min(target[1] * scale, size[1])
    left, top = (size[0] - width) / 2, (size[1] - height) / 2
    return left, top, left + width, top + height
