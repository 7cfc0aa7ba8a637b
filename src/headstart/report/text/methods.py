"""The methods paragraph: the sentences of all sections in the order of a paper, ready to paste, with references."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

SOURCE = (
    "A. Brodzicki, M. Piekarski, D. Kucharski, J. Jaworek-Korjakowska, M. Gorgon. Transfer Learning Methods as a New "
    "Approach in Computer Vision Tasks with Small Datasets. Foundations of Computing and Decision Sciences 45(3), "
    "179-193, 2020. DOI 10.2478/fcds-2020-0010."
)
"""The source of the approach, reference [1] of every paragraph."""


class MethodsPart(IntEnum):
    """The parts of a methods paragraph, in order; within one, sentences keep the order of the sections."""

    DATA = 0
    FEATURES = 1
    COLUMNS = 2
    TRAINING = 3
    PROTOCOL = 4
    RESULTS = 5
    INTERVALS = 6
    MODEL = 7
    SOFTWARE = 8


@dataclass(frozen=True)
class MethodsSentence:
    """A sentence of the methods paragraph, or a few that belong together.

    Attributes
    ----------
    part : MethodsPart
        Where in the paragraph it stands.
    text : str
        The words, with their full stop.
    references : tuple of str
        What it rests on, spelled out; their numbers are set before its last full stop.
    """

    part: MethodsPart
    text: str
    references: tuple[str, ...] = ()


def methods_paragraph(sentences: Iterable[MethodsSentence]) -> str:
    """The paragraph and, below it, its numbered references, as plain text."""
    ordered = sorted(sentences, key=lambda sentence: sentence.part)
    references = list(dict.fromkeys([SOURCE, *(entry for sentence in ordered for entry in sentence.references)]))
    paragraph = " ".join(_with_numbers(sentence, references) for sentence in ordered)
    return "\n\n".join([paragraph, "\n".join(f"[{i}] {entry}" for i, entry in enumerate(references, start=1))])


def _with_numbers(sentence: MethodsSentence, references: list[str]) -> str:
    if not sentence.references:
        return sentence.text
    numbers = ", ".join(f"[{references.index(entry) + 1}]" for entry in sentence.references)
    return f"{sentence.text.removesuffix('.')} {numbers}."
