"""Runs that the tests of the report share, and their pages."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_run import HOSTILE, FakeImages, Page, make_run, report

from headstart.report.explorer import judge_images
from headstart.report.sections.gallery import confident_mistakes
from headstart.results.read import read_run


@pytest.fixture(scope="session")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Page, FakeImages]:
    """A two-class run, its page and the images it drew from; one of the gallery's images is broken."""
    folder = tmp_path_factory.mktemp("two") / "cells"
    names = make_run(folder)
    worst = confident_mistakes(judge_images(read_run(folder).predictions))[0].image
    images = FakeImages(tuple(names), broken=frozenset({worst}))
    return folder, report(folder, dataset=images), images


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Page]:
    """Four classes with hostile names, weights, two repeats, no pictures."""
    folder = tmp_path_factory.mktemp("four") / "run & <co>"
    names = ("A very long name of a class of <b>cells</b>", HOSTILE, "$x^{2$ & co", "細胞")
    make_run(folder, classes=names, n=160, repeats=2, weighted=True)
    return folder, report(folder, dataset=FakeImages(()), images=False)
