"""`CleanUp`: which steps a picture goes through before it becomes the network's input, in their order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image

from headstart.errors import InputError, unknown_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

CROP: Final = "crop"
STEPS: Final = ("corners", "hair", "rulers", "grey", CROP)
"""Every step, in the order in which they are taken."""
NONE: Final = "none"
JOIN: Final = "+"
VERSION: Final = 1
"""Changes whenever a step gives other pixels; part of cache keys."""


@dataclass(frozen=True)
class CleanUp:
    """Steps of a clean-up.

    Attributes
    ----------
    steps : tuple of str
        Some of `STEPS`, in their order; none leaves pictures as they are.
    """

    steps: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The steps as a user writes them.

        >>> parse_clean_up("crop+hair").name, CleanUp().name
        ('hair+crop', 'none')
        """
        return JOIN.join(self.steps) or NONE

    def cleaned(self, pixels: Pixels) -> Pixels:
        """A dermoscopic picture (height, width, 3) after every step; the crop has a size of its own."""
        from headstart.lesions.cleaning import steps
        from headstart.lesions.masks.find import find_lesion

        painting: dict[str, Callable[[Pixels], Pixels]] = {
            "corners": steps.without_corners,
            "hair": steps.without_hair,
            "rulers": steps.without_rulers,
            "grey": steps.in_grey_light,
        }
        found = pixels
        for step in self.steps:
            found = painting[step](found) if step in painting else found
        if CROP not in self.steps:
            return found
        # of the picture as it was: its mask does not depend on the other steps
        left, top, right, bottom = steps.crop_box(find_lesion(pixels), *pixels.shape[:2])
        return found[top:bottom, left:right]

    def cleaned_picture(self, picture: Image.Image) -> Image.Image:
        """The same for a decoded picture; grey ones are taken as three equal channels."""
        return Image.fromarray(self.cleaned(np.asarray(picture.convert("RGB"))))

    def settings(self) -> dict[str, Any]:
        """Everything the pixels depend on besides the picture."""
        from importlib.metadata import version

        from headstart.lesions.masks import find

        return {
            "steps": list(self.steps),
            "version": VERSION,
            "mask": find.VERSION,
            "scipy": version("scipy"),
            "scikit-image": version("scikit-image"),
        }


def parse_clean_up(text: str) -> CleanUp:
    """Clean-up as a user writes it: ``none``, or steps joined by ``+``.

    Raises
    ------
    InputError
        When a step is unknown or named twice.
    """
    parts = [part.strip() for part in text.split(JOIN)]
    if parts == [NONE]:
        return CleanUp()
    for part in parts:
        if part not in STEPS:
            raise InputError(f"{unknown_name('step of the clean-up', part, STEPS)} It stands in {text!r}.")
    if len(set(parts)) < len(parts):
        raise InputError(f"The clean-up {text!r} names a step twice. Name each once.")
    return CleanUp(tuple(step for step in STEPS if step in parts))
