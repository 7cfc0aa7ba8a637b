"""Catalogues as translators keep them (.po), read without any tool."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from headstart.errors import InputError

_LINE: Final = re.compile(r'(?:(msgctxt|msgid|msgid_plural|msgstr)(?:\[(\d)\])?\s+)?"((?:[^"\\]|\\.)*)"')
_ESCAPE: Final = re.compile(r"\\(.)")
_ESCAPED: Final = {"n": "\n", "t": "\t", "r": "\r"}
_MO_MAGIC: Final = 0x950412DE
_MO_HEADER_BYTES: Final = 28


@dataclass
class Entry:
    """One message of a catalogue and its translations, one for each plural form."""

    message: str = ""
    plural: str | None = None
    context: str | None = None
    forms: dict[int, str] = field(default_factory=dict)
    fuzzy: bool = False

    @property
    def key(self) -> str:
        """The message as a compiled catalogue knows it."""
        before = "" if self.context is None else f"{self.context}\x04"
        return before + self.message + ("" if self.plural is None else f"\0{self.plural}")

    @property
    def translation(self) -> str:
        """The translations as a compiled catalogue holds them; empty where one is missing, or only guessed."""
        forms = [self.forms[number] for number in sorted(self.forms)]
        return "\0".join(forms) if all(forms) and not self.fuzzy else ""


def read_entries(text: str, path: Path) -> list[Entry]:
    """The entries of a catalogue; obsolete ones are comments and left out.

    Parameters
    ----------
    text : str
        Content of a .po or .pot file.
    path : Path
        The file, for messages.

    Raises
    ------
    InputError
        When a line is none of such a file.
    """
    entries: list[Entry] = []
    last: tuple[str, int] | None = None
    fuzzy = False
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            fuzzy = fuzzy or (line.startswith("#,") and "fuzzy" in line)
            continue
        found = _LINE.fullmatch(line)
        if found is None or (found[1] is None and last is None):
            raise InputError(
                f"{path}, line {number}: this is no line of a catalogue of translations: {line[:60]!r}. Check the file "
                "with msgfmt --check, or write it again from headstart.pot."
            )
        keyword, words = found[1], _ESCAPE.sub(lambda match: _ESCAPED.get(match[1], match[1]), found[3])
        if keyword is not None:
            starts = keyword == "msgctxt" or (keyword == "msgid" and (last is None or last[0] != "msgctxt"))
            if starts or not entries:
                entries.append(Entry(fuzzy=fuzzy))
                fuzzy = False
            last = keyword, int(found[2] or 0)
        _add(entries[-1], last or ("msgid", 0), words)
    return entries


def _add(entry: Entry, place: tuple[str, int], words: str) -> None:
    keyword, form = place
    if keyword == "msgstr":
        entry.forms[form] = entry.forms.get(form, "") + words
    elif keyword == "msgid":
        entry.message += words
    elif keyword == "msgid_plural":
        entry.plural = (entry.plural or "") + words
    else:
        entry.context = (entry.context or "") + words


def compiled(entries: Iterable[Entry]) -> bytes:
    """The translated entries as a compiled catalogue (.mo), which `gettext.GNUTranslations` reads."""
    pairs = {entry.key: entry.translation for entry in entries if entry.translation}
    return b"".join(_compiled(pairs))


def _compiled(pairs: Mapping[str, str]) -> Iterator[bytes]:
    keys = [key.encode() for key in sorted(pairs)]
    values = [pairs[key.decode()].encode() for key in keys]
    table = 8 * len(keys)
    yield struct.pack("<7I", _MO_MAGIC, 0, len(keys), _MO_HEADER_BYTES, _MO_HEADER_BYTES + table, 0, 0)
    place = _MO_HEADER_BYTES + 2 * table
    for words in (*keys, *values):
        yield struct.pack("<2I", len(words), place)
        place += len(words) + 1
    for words in (*keys, *values):
        yield words + b"\0"
