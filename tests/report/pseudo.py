"""A made-up language for tests: every message in marks, its letters such as no English word has."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final

from gather_messages import Message, gathered

from headstart.report.text import format as text
from headstart.report.text.in_short import in_short
from headstart.results.read import read_run

CODE: Final = "xx"
_FIELD: Final = re.compile(r"(\{\w+\})")
_WIDE: Final = {code: code + 0xFEE0 for code in (*range(0x41, 0x5B), *range(0x61, 0x7B))}
_WORD: Final = re.compile("[A-Za-z]+")
_SHOWN: Final = ("title", "alt", "aria-label", "placeholder", "label")
_UNITS: Final = frozenset({"s", "min", "h", "ms", "utc", "x", "p", "e"})
"""Symbols of units, of a p value, of a product and of a power of ten."""
_NO_WORDS: Final = re.compile(r"\w+\.(csv|json|parquet|html|npy|npz)\b|\w*…\w*")
"""Names of files, and the ends of names that are cut."""
_LONG: Final = 4
_SENTENCE_ENDS: Final = re.compile(r"(?<=[.;:!?]) ")


def pseudo(words: str) -> str:
    """A message as the made-up language says it; its fields stay.

    >>> pseudo("{n} of 3 images")
    '⟦{n} ｏｆ 3 ｉｍａｇｅｓ⟧'
    """
    return (
        "⟦" + "".join(part if _FIELD.fullmatch(part) else part.translate(_WIDE) for part in _FIELD.split(words)) + "⟧"
    )


def write_pseudo(folder: Path) -> Path:
    """A catalogue of the made-up language, as a translator would leave it; the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    head = ['msgid ""', 'msgstr ""', '"Content-Type: text/plain; charset=UTF-8\\n"']
    head.append('"Plural-Forms: nplurals=2; plural=(n != 1);\\n"\n')
    entries = (line for message in gathered() for line in _entry(message))
    (folder / f"{CODE}.po").write_text("\n".join([*head, *entries]), encoding="utf-8")
    return folder


def _entry(message: Message) -> Iterator[str]:
    yield f"msgid {_quoted(message.one)}"
    if message.many is None:
        yield f"msgstr {_quoted(pseudo(message.one))}\n"
        return
    yield f"msgid_plural {_quoted(message.many)}"
    yield f"msgstr[0] {_quoted(pseudo(message.one))}"
    yield f"msgstr[1] {_quoted(pseudo(message.many))}\n"


def _quoted(words: str) -> str:
    return json.dumps(words, ensure_ascii=False)


class Shown(HTMLParser):
    """All words of a page that a reader meets: text and attributes, without commands and literature."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self._skipped: str | None = None
        self._is_prose = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("style", "script") or (tag == "pre" and given.get("class") == "code"):
            self._skipped = tag
        self._is_prose = tag == "pre" and given.get("class") == "prose"
        self.words += [value for name in _SHOWN if (value := given.get(name))]

    def handle_endtag(self, tag: str) -> None:
        if tag == self._skipped:
            self._skipped = None

    def handle_data(self, data: str) -> None:
        if self._skipped is None:
            self.words.append(data.partition("\n\n[1] ")[0] if self._is_prose else data)


class RunWords:
    """What a run wrote itself: its sentences, and the words of its names, settings and keys."""

    def __init__(self, folder: Path) -> None:
        self._sentences: set[str] = set()
        self._names: set[str] = set(_UNITS)
        self._take(folder.resolve().name)
        written = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("*.json"))]
        for words in _strings([*written, read_run(folder).results.model_dump(mode="json")]):
            self._take(words)
        for path in sorted(folder.glob("*.csv")):
            self._names.update(_words(path.read_text(encoding="utf-8")))

    def _take(self, words: str) -> None:
        if len(words.split()) <= _LONG:
            self._names.update(_words(f"{words} {text.words(words)}"))
            return
        ended = [words, in_short(words), *_SENTENCE_ENDS.split(words)]
        whole = {one.strip().rstrip(".;:") for one in ended if " " in one.strip()}
        self._sentences |= whole | {one[:1].lower() + one[1:] for one in whole}

    def left_in(self, words: str) -> list[str]:
        """Words that neither the made-up language nor the run has said."""
        for sentence in sorted(self._sentences, key=len, reverse=True):
            words = words.replace(sentence, " ")
        return [word for word in _words(_NO_WORDS.sub(" ", words)) if word not in self._names]


def _words(words: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(words)]


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


def unmarked(shown: Iterable[str], run: RunWords) -> list[str]:
    """Texts of a page that hold a word that no catalogue knows, with the words."""
    return [
        f"{left}: {' '.join(words.split())[:120]}" for words in dict.fromkeys(shown) if (left := run.left_in(words))
    ]
