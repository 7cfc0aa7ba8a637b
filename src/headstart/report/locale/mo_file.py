"""Compiled catalogues (.mo): keys and translations, as `gettext` keeps them."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Final

_MAGIC: Final = 0x950412DE
_HEADER_BYTES: Final = 28
_UTF8: Final = "Content-Type: text/plain; charset=UTF-8\n"


def read_compiled(content: bytes) -> dict[str, str]:
    """Translations by key, forms and key of a message that counts set apart by NUL.

    Parameters
    ----------
    content : bytes
        Content of a .mo file, texts in UTF-8.

    Raises
    ------
    ValueError
        When it is no such file, or texts lie outside it or upon one another.
    struct.error
        When it ends too early.
    """
    order = "<" if content[:4] == struct.pack("<I", _MAGIC) else ">"
    magic, version, n, keys, values = struct.unpack_from(f"{order}5I", content)
    if magic != _MAGIC or version >> 16 > 1:
        raise ValueError("it does not begin as a compiled catalogue does")
    if n > len(content):
        raise ValueError(f"it cannot hold {n:,} messages")
    places = [struct.unpack_from(f"{order}{2 * n}I", content, start) for start in (keys, values)]
    if sum(sum(pairs[::2]) for pairs in places) > len(content):
        raise ValueError("its texts are longer than the file")
    if any(start > len(content) for pairs in places for start in pairs[1::2]):
        raise ValueError("a text lies outside the file")
    found, told = ([content[at : at + size] for size, at in zip(*[iter(pairs)] * 2, strict=True)] for pairs in places)
    return {key.decode(): words.decode() for key, words in zip(found, told, strict=True)}


def compiled(pairs: Mapping[str, str]) -> bytes:
    """A compiled catalogue of translations by key, in UTF-8 whatever its header says, for `gettext.GNUTranslations`."""
    header = pairs.get("", "")
    whole = {**pairs, "": f"{header}\n{_UTF8}" if header else _UTF8}
    return b"".join(_compiled(whole))


def _compiled(pairs: Mapping[str, str]) -> Iterator[bytes]:
    keys = [key.encode() for key in sorted(pairs)]
    values = [pairs[key.decode()].encode() for key in keys]
    table = 8 * len(keys)
    yield struct.pack("<7I", _MAGIC, 0, len(keys), _HEADER_BYTES, _HEADER_BYTES + table, 0, 0)
    place = _HEADER_BYTES + 2 * table
    for words in (*keys, *values):
        yield struct.pack("<2I", len(words), place)
        place += len(words) + 1
    for words in (*keys, *values):
        yield words + b"\0"
