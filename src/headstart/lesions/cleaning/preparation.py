"""`CleanedResize`: a picture cleaned, then brought to the size that a network takes; nothing in it is fitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from headstart.data.image_resize import ImageResize
from headstart.errors import DataError, InputError
from headstart.lesions.cleaning.clean_up import CROP, CleanUp, parse_clean_up
from headstart.lesions.cleaning.steps import crop_box
from headstart.lesions.masks.find import find_lesion

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

    from headstart.data.images.source import StoredImage

NAME: Final = "lesion_clean_up"
"""Name in `headstart.data.preparation.MODULES`, by which a bundle restores it."""


@dataclass(frozen=True)
class CleanedResize:
    """Preparation of dermoscopic images; see `headstart.data.preparation.Preparation`.

    Parameters
    ----------
    base : ImageResize
        What follows the clean-up.
    clean_up : CleanUp

    Raises
    ------
    InputError
        When the images are no ordinary colour pictures: channels that are named, or floating-point samples.
    """

    base: ImageResize
    clean_up: CleanUp

    def __post_init__(self) -> None:
        if self.base.channels is not None or self.base.pixels != "uint8":
            raise InputError(
                f"The clean-up {self.clean_up.name} is for colour pictures of skin; channels that are named, or "
                "floating-point samples, are none. Leave --channels out, or --clean-up."
            )

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the pixels."""
        return self.base.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """uint8."""
        return self.base.dtype

    @property
    def n_channels(self) -> int:
        """Red, green and blue."""
        return self.base.n_channels

    def prepare(self, stored: StoredImage) -> NDArray[Any]:
        """Pixels of a stored image, cleaned; see `headstart.data.preparation.Preparation.prepare`."""
        picture = stored.decoded(white_level=self.base.white_level).image
        return self.base.resized(self.clean_up.cleaned_picture(picture))

    def shown_part(self, picture: Image.Image) -> tuple[float, float, float, float] | None:
        """Left, top, right and bottom of the part of a picture that is shown, as shares of its sides; None: all."""
        if CROP not in self.clean_up.steps:
            return None
        width, height = picture.size
        left, top, right, bottom = crop_box(find_lesion(np.asarray(picture.convert("RGB"))), height, width)
        return left / width, top / height, right / width, bottom / height

    def apply(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Pixels of a view as they are: nothing was learned that would change them."""
        return pixels

    def settings(self) -> dict[str, Any]:
        """Everything the pixels depend on besides the image, as plain JSON."""
        return {**self.base.settings(), "name": NAME, "clean_up": self.clean_up.settings()}


def restore(settings: Mapping[str, Any], state: Mapping[str, NDArray[Any]]) -> CleanedResize:
    """The preparation that a bundle holds.

    Raises
    ------
    DataError
        When a setting is missing or unknown here.
    """
    try:
        steps = [str(step) for step in settings["clean_up"]["steps"]]
        return CleanedResize(ImageResize.from_settings(settings), parse_clean_up("+".join(steps)))
    except (KeyError, TypeError, InputError) as error:
        raise DataError(f"The clean-up of the model is damaged or of a newer headstart ({error}).") from error
