"""Libtiff without its own messages, which it prints on the terminal without the name of a file."""

from __future__ import annotations

import ctypes
import functools
from pathlib import Path

import PIL


@functools.cache
def mute_libtiff() -> None:
    """Let the libtiff that Pillow's wheel brings print nothing; what is wrong is said by the error that follows.

    A Pillow built by the system links the system's libtiff, whose messages stay.
    """
    package = Path(PIL.__file__).parent
    for path in (*package.parent.glob("pillow.libs/libtiff-*.so*"), *package.glob(".dylibs/libtiff*.dylib")):
        try:
            library = ctypes.CDLL(str(path))
            library.TIFFSetErrorHandler(None)
            library.TIFFSetWarningHandler(None)
        except (OSError, AttributeError):
            continue
