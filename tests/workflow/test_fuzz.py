"""A small, seeded part of ``benchmarks/fuzz.py``: damaged files and bombs end in words, soon, and unpickle nothing."""

from __future__ import annotations

import random
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def fuzz(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import fuzz as benchmark

    return benchmark


def test_sound_documents_are_read(fuzz: ModuleType, tmp_path: Path) -> None:
    for name, (content, read) in fuzz.sound_documents(tmp_path).items():
        (tmp_path / name).write_bytes(content)
        assert read(tmp_path / name) is not None, name


def test_damaged_images_documents_and_bombs_end_in_words(fuzz: ModuleType, tmp_path: Path) -> None:
    findings, dice = fuzz.Findings(), random.Random(6)
    fuzz.watched_pickles(findings)
    fuzz.fuzz_images(findings, dice, 250)
    fuzz.fuzz_documents(findings, dice, 150, tmp_path)
    fuzz.fuzz_bombs(findings, 8)
    assert findings.tracebacks == []
    assert findings.slow == []
    assert findings.unpickled == 0
    assert findings.refused.total() > 100


@pytest.mark.parametrize("hostile", ['"\\ud800"', "9" * 5_000, "[" * 100_000])
def test_documents_that_json_takes_and_nobody_can_use_are_refused(
    fuzz: ModuleType, tmp_path: Path, hostile: str
) -> None:
    content, read = fuzz.sound_documents(tmp_path)["split.json"]
    for place in ('"0.png"', '"outer": '):
        text = content.decode().replace(place, hostile if place.endswith('"') else f'"x": {hostile}, "outer": ', 1)
        (tmp_path / "split.json").write_text(text)
        with pytest.raises(fuzz.HeadstartError, match=r"split\.json"):
            read(tmp_path / "split.json")
