"""A look into ``.pth`` files before torch opens them: what they name, and whether they claim more than they hold.

torch.load(weights_only=True) runs no code, but it allocates what a file asks for: a storage of any length, a bytearray
of any length, a compressed entry of any size. Here a file is bounded by its own size first.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import re
import struct
import zipfile
from pathlib import Path
from typing import IO, BinaryIO

_PICKLE_LIMIT = 64 << 20  # bytes; names and shapes of the largest networks take less than 1 MiB
_N_LEGACY_PICKLES = 5  # magic number, protocol, system, content, order of the storages
_NUMBERS = {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4"}
_ZIP_MAGIC = b"PK\x03\x04"

_NAMED = re.compile(
    r"collections (OrderedDict|defaultdict)"
    r"|torch\._utils _rebuild_(tensor|tensor_v2|parameter)"
    r"|torch\.nn\.parameter Parameter"
    r"|torch (\w+Storage|Size|Tensor|device|u?int\d+|b?float\d+|bool)"
    r"|torch\.storage (Typed|Untyped)Storage"
    r"|_codecs encode"
    r"|argparse Namespace"  # the settings beside the weights in checkpoints of timm's own training
)

UNREADABLE = (
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    struct.error,
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""Exceptions that zipfile, pickletools and torch raise on damaged files."""


class SuspiciousError(ValueError):
    """A file claims more than it holds, or names what plain weights do not need."""


def check_torch_file(path: Path) -> None:
    """Refuse a file that asks for more memory than it has bytes, or that names anything but tensors.

    Raises
    ------
    SuspiciousError
        With the reason as a short clause.
    ValueError, OSError, zipfile.BadZipFile
        When the file is not whole.
    """
    size = path.stat().st_size
    with path.open("rb") as handle:
        is_zip = handle.read(len(_ZIP_MAGIC)) == _ZIP_MAGIC
        handle.seek(0)
        if is_zip:
            _check_archive(handle, size)
        else:
            bounded = _Bounded(handle, size)
            for _ in range(_N_LEGACY_PICKLES):
                _check_pickle(bounded, size)


def _check_archive(handle: BinaryIO, size: int) -> None:
    with zipfile.ZipFile(handle) as archive:
        entries = archive.infolist()
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise SuspiciousError("it holds compressed entries, which torch does not write")
        if sum(entry.file_size for entry in entries) > size:
            raise SuspiciousError("its entries claim more bytes than the file has")
        for entry in entries:
            if entry.filename.endswith(".pkl"):
                if entry.file_size > _PICKLE_LIMIT:
                    raise SuspiciousError(f"its list of tensors claims {entry.file_size:,} bytes")
                _check_pickle(io.BytesIO(archive.read(entry)), size)


def _check_pickle(stream: IO[bytes] | _Bounded, size: int) -> None:
    """Go through one pickle's instructions without carrying them out.

    A storage is named by (kind, type, key, device, length) and then looked up, so the last number before each look-up
    is its length in elements.
    """
    last, total = 0, 0
    for opcode, argument, _ in pickletools.genops(stream):  # type: ignore[arg-type]
        if opcode.name in {"GLOBAL", "INST"}:
            _check_name(str(argument))
        elif opcode.name in {"STACK_GLOBAL", "EXT1", "EXT2", "EXT4"}:
            raise SuspiciousError("it names objects in a way that torch does not write")
        elif opcode.name in {"BINPERSID", "PERSID"}:
            total += last
            if total > size:
                raise SuspiciousError(f"its tensors claim {total:,} numbers, but the file has {size:,} bytes")
        elif opcode.name in _NUMBERS:
            last = abs(int(argument or 0))


def _check_name(name: str) -> None:
    if not _NAMED.fullmatch(name):
        raise SuspiciousError(f"it names {name.replace(' ', '.')[:80]}, which plain weights do not need")


class _Bounded:
    """The part of a file handle that pickletools uses, never asked for more bytes than are left."""

    def __init__(self, handle: BinaryIO, size: int) -> None:
        self._handle = handle
        self._size = size

    def read(self, n: int) -> bytes:
        return self._handle.read(max(0, min(n, self._size - self._handle.tell())))

    def readline(self) -> bytes:
        return self._handle.readline()

    def tell(self) -> int:
        return self._handle.tell()
