"""The one place where timm and torchvision are first imported."""

from __future__ import annotations

import functools
import importlib.util
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_REGISTRATIONS = "torchvision._meta_registrations"
_COMPILER = "torch._dynamo"


def import_timm() -> Any:
    """Import timm also where torchvision's compiled operators cannot load.

    A torchvision wheel built for CUDA beside a CPU build of torch fails at import with ``operator torchvision::nms
    does not exist`` (pytorch#157648, vision#8985). headstart and timm use none of those operators, so where they
    cannot load, an empty module takes the place of the one that would register them. torch's compiler, which takes
    longer to import than timm itself, is imported when something is compiled.

    Returns
    -------
    module
        The imported timm package.
    """
    if "torchvision" not in sys.modules and not _operators_load():
        sys.modules.setdefault(_REGISTRATIONS, types.ModuleType(_REGISTRATIONS))
    try:
        with _compiler_deferred():
            import timm
    except ImportError:  # what is installed imports parts of the compiler, or something is missing: said now
        import timm

    return timm


class _DeferredCompiler(types.ModuleType):
    """Stands for ``torch._dynamo`` while timm is imported; an attribute that it lacks is the real module's."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        _compiler()
        return getattr(importlib.import_module(self.__name__), name)


@contextmanager
def _compiler_deferred() -> Iterator[None]:
    """Let modules be imported that name torch's compiler only to mark functions as compiled or not.

    torchvision.ops.roi_align asks it for a function to be called later; timm's networks of patches mark functions that
    must not be compiled, for which torch has a marker of its own that imports the compiler at the first call.
    """
    if _COMPILER in sys.modules:
        yield
        return
    compiler, helpers = _DeferredCompiler(_COMPILER), _DeferredCompiler(f"{_COMPILER}.utils")
    spec = importlib.util.find_spec(_COMPILER)  # for whoever looks for it meanwhile
    compiler.__dict__.update(disable=_never_compiled, utils=helpers, __path__=[], __spec__=spec)
    helpers.__dict__.update(is_compile_supported=_is_compile_supported)
    sys.modules.update({module.__name__: module for module in (compiler, helpers)})
    try:
        yield
    finally:
        _forget_stand_ins()


def _forget_stand_ins() -> None:
    for name in (f"{_COMPILER}.utils", _COMPILER):
        if isinstance(sys.modules.get(name), _DeferredCompiler):
            del sys.modules[name]


def _never_compiled(function: Callable[..., Any] | None = None, recursive: bool = True, **options: Any) -> Any:
    """What ``torch._dynamo.disable`` gives, importing the compiler at the first call of the function.

    torch itself names `wrapping`: it asks when a function is called, in another thread, and gets what it asks for.
    """
    if function is None:
        return functools.partial(_never_compiled, recursive=recursive, **options)
    if "wrapping" in options:
        return _compiler().disable(function, recursive, **options)

    @functools.wraps(function)
    def called(*arguments: Any, **named: Any) -> Any:
        return marked()(*arguments, **named)

    @functools.cache
    def marked() -> Callable[..., Any]:
        found: Callable[..., Any] = _compiler().disable(function, recursive, **options)
        return found

    return called


def _compiler() -> Any:
    """The real ``torch._dynamo``."""
    _forget_stand_ins()
    return importlib.import_module(_COMPILER)


def _is_compile_supported(device: str) -> bool:
    """What ``torch._dynamo.utils.is_compile_supported`` says."""
    return bool(importlib.import_module(f"{_COMPILER}.utils").is_compile_supported(device))


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
