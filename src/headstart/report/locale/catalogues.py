"""Finding a language's catalogue: in the package, or in a folder that the user names."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator, Mapping
from functools import cache
from gettext import GNUTranslations
from importlib.resources import files
from pathlib import Path
from string import Formatter
from typing import Final

from headstart.errors import InputError, unknown_name
from headstart.report.locale.messages import ENGLISH, Language
from headstart.report.locale.mo_file import compiled, read_compiled
from headstart.report.locale.po_file import Entry, read_entries, translations

TEMPLATE: Final = "headstart.pot"
"""File in the package that holds every English message."""
MAX_BYTES: Final = 8 * 2**20
_CODE: Final = re.compile(r"[A-Za-z]{2,3}([_-][A-Za-z0-9]{2,8}){0,2}")
_STANDARD: Final = ("LC_MESSAGES/headstart.po", "LC_MESSAGES/headstart.mo")
_DIVIDES_BY_MORE_THAN_A_NUMBER: Final = re.compile(r"/|%\s*(?![\s1-9])")
_NO_TEXT: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")
"""Characters that XML, and so a figure, cannot hold."""


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
        for path in sorted(place.iterdir()):
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
            pairs = translations(read_entries(content.decode("utf-8-sig"), path))
        else:
            pairs = read_compiled(content)
        catalogue = GNUTranslations(io.BytesIO(compiled(pairs)))
        _check_plural_forms(catalogue)
    except (LookupError, OSError, TypeError, ValueError, struct.error) as error:
        raise InputError(
            f"{path} cannot be read as a catalogue of translations: {error}. Keep it as UTF-8 and check it with "
            "msgfmt --check."
        ) from error
    _check_translations(pairs, path)
    return Language(code, catalogue)


def _check_plural_forms(catalogue: GNUTranslations) -> None:
    """Raises ValueError where a number may make the rule of plural forms divide by zero."""
    rule = catalogue.info().get("plural-forms", "")
    if _DIVIDES_BY_MORE_THAN_A_NUMBER.search(rule):
        raise ValueError(f"its plural forms may divide by zero: {rule[:60]!r}")


def _check_translations(pairs: Mapping[str, str], path: Path) -> None:
    """Every form of every translation can be filled in and shown."""
    given = {entry.message: _fields(entry.message) | _fields(entry.plural or "") for entry in messages()}
    for key, told in pairs.items():
        message, counts, _ = key.partition("\0")
        if message not in given:
            continue
        for words in told.split("\0") if counts else [told]:
            if not _fields(words) <= given[message]:
                raise InputError(
                    f"{path}: the translation of {message!r} has other fields in braces than the message. Keep the "
                    "fields as they are; their order is free."
                )
            if unseen := _NO_TEXT.search(words):
                raise InputError(
                    f"{path}: the translation of {message!r} holds {unseen[0]!r}, which no figure can show. Take it "
                    "out."
                )


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
