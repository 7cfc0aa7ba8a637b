"""Marking and looking up the words of a report: English in the code, the reader's language on the page.

Every message is a literal at the place where it is needed. ``make messages`` gathers them into ``headstart.pot``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from gettext import NullTranslations
from typing import Final


@dataclass(frozen=True, eq=False)
class Language:
    """A language that reports are written in.

    Attributes
    ----------
    code : str
        Its code, such as "de" or "pt_BR".
    catalogue : NullTranslations
        Translations of the English messages; what is missing stays English.
    """

    code: str
    catalogue: NullTranslations

    @property
    def html_code(self) -> str:
        """The code as HTML writes it, such as "pt-BR"."""
        return self.code.replace("_", "-")


ENGLISH: Final = Language("en", NullTranslations())
"""The language of the messages themselves."""
_SPOKEN: Final[ContextVar[Language]] = ContextVar("headstart report language", default=ENGLISH)


@contextmanager
def speaking(language: Language) -> Iterator[None]:
    """Messages are looked up in this language inside the block."""
    token = _SPOKEN.set(language)
    try:
        yield
    finally:
        _SPOKEN.reset(token)


def spoken() -> Language:
    """The language that messages are looked up in."""
    return _SPOKEN.get()


def tr(message: str, /, **fields: object) -> str:
    """A message in the language spoken, its named fields filled in.

    Parameters
    ----------
    message : str
        English, a literal at its place, or one that `mark` has marked. A whole sentence wherever there is one: halves
        that are joined cannot be translated.
    **fields
        Values of the fields, numbers already as people read them. Without any, braces stand for themselves.

    >>> tr("{found} of {all} images", found=3, all="1,200")
    '3 of 1,200 images'
    """
    words = _SPOKEN.get().catalogue.gettext(message) if message else ""
    return words.format(**fields) if fields else words


def ntr(one: str, many: str, number: int, /, **fields: object) -> str:
    """A message that counts, in the form that the language has for this number.

    The field ``n`` is the number with its thousands set apart.

    >>> ntr("{n} image", "{n} images", 1), ntr("{n} image", "{n} images", 2624)
    ('1 image', '2,624 images')
    """
    return _SPOKEN.get().catalogue.ngettext(one, many, number).format(n=f"{number:,}", **fields)


def mark(message: str) -> str:
    """The message itself: marks a constant for the catalogue, which `tr` looks up where it is used."""
    return message
