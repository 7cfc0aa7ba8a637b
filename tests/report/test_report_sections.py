"""The registry of sections: one registration puts a section, its figure and its sentence into every report."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from made_run import FakeImages, Page, make_run, report

from headstart.report import sections as registry
from headstart.report.context import ReportContext
from headstart.report.document import Plot, Section, Text
from headstart.report.figures.style import new_figure
from headstart.report.sections import Drawn, figure_row, ordered_sections, register_section
from headstart.report.text.methods import SOURCE, MethodsPart, MethodsSentence, methods_paragraph
from headstart.results.read import read_run


@pytest.fixture(autouse=True)
def own_registry() -> Iterator[None]:
    """What a test registers is forgotten after it."""
    yield
    registry.SECTIONS.discard("kappa")


def register_kappa(*, after: str = "scores") -> None:
    def plots(context: ReportContext) -> list[Plot]:
        return [Plot("kappa", new_figure(2, 2), "A dot for kappa", "One dot.")]

    def sentences(context: ReportContext) -> list[MethodsSentence]:
        n_judged = context.record.n_judged
        return [MethodsSentence(MethodsPart.RESULTS, f"Kappa was 0.5 over {n_judged} images.", ("J. Cohen 1960.",))]

    @register_section("kappa", after=after, plots=plots, methods=sentences)
    def section(context: ReportContext, drawn: Drawn) -> Section:
        return Section("kappa", "Cohen's kappa", (Text("Chance is taken off."), *figure_row(drawn, "kappa")))


def test_a_section_of_ones_own_stands_in_the_report_with_its_figure_and_its_sentence(tmp_path: Path) -> None:
    register_kappa()
    make_run(tmp_path, n=60)
    page = report(tmp_path)
    anchors = [str(section["id"]) for section in page.named("section")]
    assert anchors[anchors.index("scores") + 1] == "kappa"
    assert "Chance is taken off." in page.text
    assert [image["alt"] for image in page.named("img")].count("A dot for kappa") == 1
    assert (tmp_path / "figures" / "kappa.svg").is_file() and (tmp_path / "figures" / "kappa.png").is_file()
    methods = page.text.partition("Click the block once")[2]
    place = methods.index("Kappa was 0.5 over 60 images [2].")
    assert methods.index("the results were") < place < methods.index("The 95 % intervals speak of")
    assert "[2] J. Cohen 1960." in methods


def test_every_file_of_the_folder_registers_a_section() -> None:
    files = {path.stem for path in Path(registry.__file__).parent.glob("*.py")} - {"__init__"}
    homes = {spec.build.__module__.rpartition(".")[2] for spec in ordered_sections()}
    assert homes == files


def test_every_section_has_one_place(two: tuple[Path, Page, FakeImages]) -> None:
    anchors = [spec.anchor for spec in ordered_sections()]
    assert len(anchors) == len(set(anchors)) == len(registry.SECTIONS)
    shown = [section["id"] for section in two[1].named("section")]
    assert shown == [anchor for anchor in anchors if anchor in shown]


def test_an_anchor_is_given_once_and_a_place_must_exist() -> None:
    with pytest.raises(ValueError, match="There is a section 'scores' already"):
        register_section("scores", after="result")(lambda context, drawn: None)
    register_kappa(after="score")
    with pytest.raises(ValueError, match=re.escape("'kappa' after 'score'")):
        ordered_sections()


def test_what_several_sections_need_is_worked_out_once(two: tuple[Path, Page, FakeImages]) -> None:
    context, calls = ReportContext(read_run(two[0])), []

    def make(given: ReportContext) -> object:
        calls.append(given)
        return object()

    assert context.once(make) is context.once(make)
    assert calls == [context]
    assert context.out_of_fold is context.out_of_fold


def test_references_are_numbered_as_they_are_met() -> None:
    paragraph = methods_paragraph(
        [
            MethodsSentence(MethodsPart.SOFTWARE, "Last.", ("Two.",)),
            MethodsSentence(MethodsPart.DATA, "First.", ("One.", "Two.")),
            MethodsSentence(MethodsPart.DATA, "Second."),
        ]
    )
    assert paragraph == f"First [2], [3]. Second. Last [3].\n\n[1] {SOURCE}\n[2] One.\n[3] Two."
