"""The catalogue of the report's messages, gathered from its sources: ``make messages`` writes it anew."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from jinja2 import Environment
from jinja2.ext import extract_from_ast

import headstart.report
from headstart.data.readers.table import GROUPS_NAMED_BY
from headstart.metrics import METRICS
from headstart.report.html import script_messages
from headstart.report.locale.catalogues import TEMPLATE
from headstart.report.text.metric_names import english_in_sentence, english_title

PACKAGE: Final = Path(headstart.report.__file__).parent
CATALOGUE: Final = PACKAGE / "locale" / TEMPLATE
_HEADER: Final = """\
# Messages of the report of headstart, in English.
# Copy this file to your language's code, such as de.po, and write the translations behind msgstr; see docs/report.md.
msgid ""
msgstr ""
"Language: \\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=UTF-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\\n"
"""
_MARKS: Final = ("tr", "ntr", "mark")
_WIDTH: Final = 100


class Message(NamedTuple):
    """A message, with its plural where it counts."""

    one: str
    many: str | None = None


def gathered() -> dict[Message, list[str]]:
    """Every message with the files it stands in, in the order of the files."""
    found: dict[Message, list[str]] = {}
    for place, message in _everywhere():
        places = found.setdefault(message, [])
        if place not in places:
            places.append(place)
    return found


def _everywhere() -> Iterator[tuple[str, Message]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        place = path.relative_to(PACKAGE).as_posix()
        yield from ((place, message) for message in messages_of(ast.parse(path.read_text(encoding="utf-8"))))
    for path in sorted((PACKAGE / "templates").glob("*.j2")):
        tree = Environment().parse(path.read_text(encoding="utf-8"))
        for _, _, message in extract_from_ast(tree, ("tr",)):
            yield f"templates/{path.name}", Message(str(message if isinstance(message, str) else message[0]))
    yield from (("templates/*.js", Message(message)) for message in script_messages())
    yield "sections/headline.py", Message(GROUPS_NAMED_BY)
    for name in METRICS:
        yield from (("metrics", Message(words)) for words in (english_title(name), english_in_sentence(name)))


def messages_of(tree: ast.AST) -> Iterator[Message]:
    """Messages that Python code marks: the literals that `tr`, `ntr` and `mark` are given, in order."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    for call in sorted(calls, key=lambda call: (call.lineno, call.col_offset)):
        assert isinstance(call.func, ast.Name)
        if call.func.id in _MARKS:
            n_literals = 2 if call.func.id == "ntr" else 1
            given = [arg.value for arg in call.args[:n_literals] if isinstance(arg, ast.Constant)]
            if len(given) == n_literals:
                yield Message(*map(str, given))


def catalogue() -> str:
    """Content of the catalogue: the same for the same sources."""
    entries = [_entry(message, places) for message, places in gathered().items()]
    return "\n".join([_HEADER, *entries])


def _entry(message: Message, places: list[str]) -> str:
    lines = [f"#: {' '.join(places)}"]
    if "{" in message.one:
        lines.append("#, python-brace-format")
    lines += _quoted("msgid", message.one)
    if message.many is None:
        return "\n".join([*lines, 'msgstr ""', ""])
    return "\n".join([*lines, *_quoted("msgid_plural", message.many), 'msgstr[0] ""', 'msgstr[1] ""', ""])


def _quoted(keyword: str, words: str) -> list[str]:
    """A keyword and its text, a long one over several lines."""
    lines = [""]
    for word in words.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").split(" "):
        if len(lines[-1]) + len(word) > _WIDTH:
            lines.append("")
        lines[-1] += f"{word} "
    lines[-1] = lines[-1][:-1]
    return [f'{keyword} "{lines[0]}"'] if len(lines) == 1 else [f'{keyword} ""', *(f'"{line}"' for line in lines)]


if __name__ == "__main__":
    CATALOGUE.write_text(catalogue(), encoding="utf-8")
