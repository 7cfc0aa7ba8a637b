"""Catalogues as translators keep them (.po), read without any tool."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from headstart.errors import InputError

_LINE: Final = re.compile(r'(?:(msgctxt|msgid|msgid_plural|msgstr)(?:\[(\d)\])?\s+)?"((?:[^"\\]|\\.)*)"')
_ESCAPE: Final = re.compile(r"\\(.)")
_ESCAPED: Final = {"n": "\n", "t": "\t", "r": "\r"}


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
        """The translations as a compiled catalogue holds them; empty where one is missing, or only guessed.

        The header is used though it be marked as guessed, as ``msgfmt`` does: new catalogues begin so.
        """
        forms = [self.forms[number] for number in sorted(self.forms)]
        return "\0".join(forms) if all(forms) and not (self.fuzzy and self.key) else ""


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
    strings: list[tuple[Entry, str, int, list[str]]] = []
    last, fuzzy = "", False
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            fuzzy = not line.startswith("#~") and (fuzzy or (line.startswith("#,") and "fuzzy" in line))
            continue
        found = _LINE.fullmatch(line)
        if found is None or not (found[1] or last):
            raise InputError(
                f"{path}, line {number}: this is no line of a catalogue of translations: {line[:60]!r}. Check the file "
                "with msgfmt --check, or write it again from headstart.pot."
            )
        keyword = found[1]
        if keyword is not None:
            starts = keyword == "msgctxt" or (keyword == "msgid" and last != "msgctxt")
            if starts or not entries:
                entries.append(Entry(fuzzy=fuzzy))
                fuzzy = False
            strings.append((entries[-1], keyword, int(found[2] or 0), []))
            last = keyword
        strings[-1][-1].append(_ESCAPE.sub(lambda match: _ESCAPED.get(match[1], match[1]), found[3]))
    for entry, keyword, form, lines in strings:
        _add(entry, keyword, form, "".join(lines))
    return entries


def _add(entry: Entry, keyword: str, form: int, words: str) -> None:
    if keyword == "msgstr":
        entry.forms[form] = words
    elif keyword == "msgid":
        entry.message = words
    elif keyword == "msgid_plural":
        entry.plural = words
    else:
        entry.context = words


def translations(entries: Iterable[Entry]) -> dict[str, str]:
    """The translations that are there, by key, as `mo_file.compiled` takes them."""
    return {entry.key: entry.translation for entry in entries if entry.translation}
