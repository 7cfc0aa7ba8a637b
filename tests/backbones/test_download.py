"""What the hub's process answers is read from its one line of JSON, whatever else it prints."""

from __future__ import annotations

import errno
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from headstart.backbones.weights.download import AbsentError, Limits, UnreachableError, fetch_hub
from headstart.progress import Silent

LIMITS = Limits(n_tries=2, pause_s=0.0)


def answering(monkeypatch: pytest.MonkeyPatch, answer: Any, stderr: str = "") -> list[int]:
    """A child that prints this answer; counts how often it is asked."""
    asked: list[int] = []

    def run(*arguments: Any, **options: Any) -> subprocess.CompletedProcess[str]:
        asked.append(1)
        stdout = answer if isinstance(answer, str) else f"a warning on stdout\n{json.dumps(answer)}\n"
        return subprocess.CompletedProcess([], 0, stdout, stderr)

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(subprocess, "run", run)
    return asked


def fetch() -> Path:
    return fetch_hub("owner/net", "model.safetensors", limits=LIMITS, progress=Silent())


def test_the_path_is_taken_from_the_answer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    answering(monkeypatch, {"path": str(tmp_path / "file")}, stderr="PermissionError: of another library")
    assert fetch() == tmp_path / "file"


def test_an_absent_file_is_distinguished_from_an_unreachable_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answering(monkeypatch, {"kinds": ["RemoteEntryNotFoundError"], "message": "404 Client Error.\n\nmore"})
    with pytest.raises(AbsentError, match=r"\(model.safetensors\): 404 Client Error\.$"):
        fetch()
    assert len(asked) == 1


@pytest.mark.parametrize(
    "answer",
    [
        {"kinds": ["LocalEntryNotFoundError", "ConnectError"], "message": "no connection"},
        {"kinds": ["OSError"], "errno": errno.EROFS, "message": "no connection"},
    ],
)
def test_what_another_try_would_meet_again_is_not_tried_again(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    asked = answering(monkeypatch, answer)
    with pytest.raises(UnreachableError, match="no connection"):
        fetch()
    assert len(asked) == 1


@pytest.mark.parametrize("answer", ["", "killed", "[1, 2]", {"kinds": ["ReadTimeout"], "message": ""}])
def test_no_answer_and_passing_errors_are_tried_again(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    asked = answering(monkeypatch, answer)
    with pytest.raises(UnreachableError, match=r"no answer|ReadTimeout"):
        fetch()
    assert len(asked) == 2
