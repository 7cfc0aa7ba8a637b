"""Finding a language's catalogue: in the package, or in a folder that the user names."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterable, Iterator
from functools import cache
from gettext import GNUTranslations
from importlib.resources import files
from itertools import islice
from pathlib import Path
from string import Formatter
from typing import Final

from headstart.errors import InputError, unknown_name
from headstart.report.locale.messages import ENGLISH, Language
from headstart.report.locale.po_file import Entry, compiled, read_entries

TEMPLATE: Final = "headstart.pot"
"""File in the package that holds every English message."""
MAX_BYTES: Final = 8 * 2**20
_MAX_FILES: Final = 2000
_CODE: Final = re.compile(r"[A-Za-z]{2,3}([_-][A-Za-z0-9]{2,8}){0,2}")
_STANDARD: Final = ("LC_MESSAGES/headstart.po", "LC_MESSAGES/headstart.mo")
_NUMBERS: Final = (*range(201), 1000, 1_000_000)


def find_language(code: str, folder: Path | None = None) -> Language:
    """A language by its code.

    Parameters
    ----------
    code : str
        Such as "de" or "pt-BR"; "en" needs no catalogue.
    folder : Path, optional
        Folder of further catalogues, looked into first: ``de.po``, ``de.mo``, or ``de/LC_MESSAGES/headstart.po`` and
        ``.mo`` as gettext lays them.

    Returns
    -------
    Language

    Raises
    ------
    InputError
        When the folder is none, no catalogue has the code, or the catalogue cannot be read or names fields that its
        messages do not have.
    """
    if folder is not None and not folder.is_dir():
        raise InputError(f"{folder} is no folder. Name the folder that holds catalogues such as de.po.")
    at_hand = _at_hand(folder)
    asked = _normal(code)
    if asked == ENGLISH.code:
        return ENGLISH
    if asked not in at_hand:
        raise InputError(
            f"{unknown_name('language', code, [ENGLISH.code, *at_hand])} A catalogue of your own is named by its "
            "folder: --catalogues FOLDER."
        )
    return _read(asked, at_hand[asked])


def _at_hand(folder: Path | None) -> dict[str, Path]:
    """Catalogues by the code of their language; the user's come first."""
    found: dict[str, Path] = {}
    for place in filter(None, (folder, _package_folder())):
        for path in islice(sorted(place.iterdir()), _MAX_FILES):
            for code, catalogue in _catalogues_at(path):
                found.setdefault(_normal(code), catalogue)
    return found


def _catalogues_at(path: Path) -> Iterator[tuple[str, Path]]:
    if not _CODE.fullmatch(path.stem):
        return
    if path.suffix in (".po", ".mo") and path.is_file():
        yield path.stem, path
    elif path.is_dir():
        yield from ((path.name, path / name) for name in _STANDARD if (path / name).is_file())


def _package_folder() -> Path:
    return Path(str(files("headstart.report") / "locale"))


def _normal(code: str) -> str:
    """The code with the case that is usual: pt_BR, zh_Hant."""
    first, *rest = re.split("[_-]", code)
    return "_".join([first.lower(), *(part.upper() if len(part) == 2 else part.title() for part in rest)])


def _read(code: str, path: Path) -> Language:
    try:
        with path.open("rb") as handle:
            content = handle.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise InputError(f"{path} holds more than {MAX_BYTES // 2**20} MiB: it is no catalogue of this report.")
        if path.suffix == ".po":
            content = compiled(read_entries(content.decode("utf-8-sig"), path))
        catalogue = GNUTranslations(io.BytesIO(content))
        wrong = _first_wrong(catalogue)
    except (ArithmeticError, LookupError, OSError, TypeError, ValueError, struct.error) as error:
        raise InputError(
            f"{path} cannot be read as a catalogue of translations: {error}. Keep it as UTF-8 and check it with "
            "msgfmt --check."
        ) from error
    if wrong is not None:
        raise InputError(
            f"{path}: the translation of {wrong!r} has other fields in braces than the message. Keep the fields as "
            "they are; their order is free."
        )
    return Language(code, catalogue)


def _first_wrong(catalogue: GNUTranslations) -> str | None:
    """The first message whose translation cannot be filled in; None where all can."""
    for entry in messages():
        given = _fields(entry.message) | _fields(entry.plural or "")
        if not all(_fields(words) <= given for words in _translations(catalogue, entry)):
            return entry.message
    return None


def _translations(catalogue: GNUTranslations, entry: Entry) -> Iterable[str]:
    if entry.plural is None:
        return (catalogue.gettext(entry.message),)
    return {catalogue.ngettext(entry.message, entry.plural, number) for number in _NUMBERS}


def _fields(message: str) -> set[tuple[str, str | None, str | None]]:
    """The fields of a message with how each is written; one that braces do not close has a field of its own."""
    try:
        return {(name, spec, how) for _, name, spec, how in Formatter().parse(message) if name is not None}
    except ValueError:
        return {(message, None, None)}


@cache
def messages() -> tuple[Entry, ...]:
    """Every message of the report, in English."""
    path = _package_folder() / TEMPLATE
    return tuple(entry for entry in read_entries(path.read_text(encoding="utf-8"), path) if entry.message)
