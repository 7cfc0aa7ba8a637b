"""The one place where timm and torchvision are first imported."""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path
from typing import Any

_REGISTRATIONS = "torchvision._meta_registrations"


def import_timm() -> Any:
    """Import timm also where torchvision's compiled operators cannot load.

    A torchvision wheel built for CUDA beside a CPU build of torch fails at import with ``operator torchvision::nms
    does not exist`` (pytorch#157648, vision#8985). headstart and timm use none of those operators, so where they
    cannot load, an empty module takes the place of the one that would register them.

    Returns
    -------
    module
        The imported timm package.
    """
    if "torchvision" not in sys.modules and not _operators_load():
        sys.modules.setdefault(_REGISTRATIONS, types.ModuleType(_REGISTRATIONS))
    import timm

    return timm


def _operators_load() -> bool:
    """Whether torchvision's compiled operators load beside the installed torch."""
    spec = importlib.util.find_spec("torchvision")
    if spec is None or not spec.submodule_search_locations:
        return True  # not installed: the plain import error says what is missing
    import torch

    folder = Path(next(iter(spec.submodule_search_locations)))
    libraries = [path for path in sorted(folder.glob("_C*")) if path.suffix in {".so", ".pyd", ".dylib"}]
    if not libraries:
        return False
    try:
        torch.ops.load_library(str(libraries[0]))  # type: ignore[no-untyped-call]
    except OSError:
        return False
    return True


def import_torchvision() -> Any:
    """Import torchvision, with the same remedy as `import_timm`."""
    import_timm()
    import torchvision

    return torchvision
