"""The doctor: names what is broken with its remedy, whatever it is, and never falls ill itself."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from headstart.cli import main
from headstart.features.cache import cache_files as files
from headstart.features.cache.shard import NAME_LENGTH, SUFFIX
from headstart.features.engine_selection import trial
from headstart.features.engine_selection.trial import EngineState
from headstart.workflow import doctor
from headstart.workflow.doctor import VARIABLES, examine

WORKS = EngineState("torch", "fp32", "cpu", works=True)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Engines are taken to work: trying them takes seconds."""
    monkeypatch.setattr(trial, "try_engines", lambda: (WORKS,))
    monkeypatch.setattr(doctor, "_start_loading", lambda: None)
    monkeypatch.setattr(doctor, "_load_problem", lambda module: "")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["doctor", *arguments])


def raising(error: Exception) -> Callable[..., Any]:
    def refuse(*arguments: object, **named: object) -> Any:
        raise error

    return refuse


def test_a_sound_machine_has_no_broken_thing() -> None:
    result = run("--json")
    found = json.loads(result.output)
    assert result.exit_code == 0 and found["works"] and not any(one["needed"] for one in found["problems"])
    engines = {(one["library"], one["precision"]): one for one in found["engines"]}
    assert engines["torch", "fp32"]["works"]
    assert all(one["works"] or one["reason"] for one in engines.values())
    assert set(found["variables"]) == set(VARIABLES)
    assert found["weights"]["efficientnet_lite0"] and found["processor"]["n_threads"] >= 1
    assert found["versions"]["Python"] == ".".join(map(str, sys.version_info[:3]))


def test_the_text_names_problems_first_and_fits_a_terminal(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("HEADSTART_CACHE_LIMIT", "plenty")
    monkeypatch.setenv("COLUMNS", "80")
    lines = run().output.splitlines()
    assert lines[0].startswith("Advice: The environment variable HEADSTART_CACHE_LIMIT")
    remedy = next(number for number, line in enumerate(lines) if line.startswith("  Remedy: "))
    assert remedy < lines.index("headstart can work here.") < lines.index("Versions")
    assert max(map(len, lines)) <= 80 and lines[-1] == "Next: headstart fit DATA -o runs/first"
    assert "  HEADSTART_CACHE_LIMIT=plenty" in lines


def test_an_engine_that_fails_is_broken_where_it_is_needed(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    failing = EngineState("torch", "fp32", "cpu", works=False, reason="illegal instruction", is_broken=True)
    absent = EngineState("openvino", "fp32", "cpu", works=False, reason="OpenVINO is not installed")
    monkeypatch.setattr(trial, "try_engines", lambda: (failing, absent))
    result = run()
    assert result.exit_code == 1
    assert result.output.startswith(
        "Broken: The engine torch in fp32 on cpu fails: illegal instruction.\n  Remedy: pip"
    )
    assert "openvino fp32  cpu   no: OpenVINO is not installed" in result.output


def test_a_library_that_raises_anything_is_an_engine_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "make_runner", raising(SystemError("bad\ncall")))
    found = trial._tried("torch", "fp32", "cpu")
    assert (found.works, found.is_broken, found.reason) == (False, True, "bad call")


@pytest.mark.parametrize(
    ("module", "name", "error", "words", "needed"),
    [
        (doctor, "default_cache_folder", RuntimeError("Could not determine home directory."), "home directory", False),
        (doctor.tempfile, "gettempdir", FileNotFoundError("No usable temporary directory"), "No usable", True),
        (doctor.Path, "cwd", FileNotFoundError("gone"), "gone", False),
        (doctor, "_cache_content", PermissionError(13, "Permission denied"), "Permission denied", False),
        (trial, "try_engines", ImportError("torch is broken"), "torch is broken", True),
    ],
)
def test_whatever_breaks_is_a_problem_with_a_remedy(
    module: Any, name: str, error: Exception, words: str, needed: bool, quick: None, monkeypatch: Any
) -> None:
    monkeypatch.setattr(module, name, raising(error))
    found = examine()
    named = [problem for problem in found.problems if words in problem.text]
    assert len(named) == 1 and named[0].remedy and named[0].needed is needed
    assert found.works is not needed


def process(code: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def test_a_package_that_does_not_load_or_crashes_the_process_is_named(quick: None, monkeypatch: Any) -> None:
    code = (
        """print('["numpy", ""]\\nnoise\\n["PIL", "cannot open shared object"]', flush=True); import os; os.abort()"""
    )
    monkeypatch.setattr(doctor, "_start_loading", lambda: process(code))
    texts = {problem.text for problem in examine().problems if problem.needed}
    assert texts == {
        "pillow does not load: cannot open shared object.",
        "torch does not load: Python ended while loading it (code -6).",
    }


def test_where_no_process_starts_packages_are_loaded_here(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_load_problem", lambda module: "too old" if module == "torchvision" else "")
    found = examine()
    assert [problem.text for problem in found.problems if problem.needed] == ["torchvision does not load: too old."]
    assert not found.works


def test_a_cache_that_is_a_file_and_one_that_is_damaged(
    quick: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "file"))
    text = " ".join(problem.text for problem in examine().problems)
    assert f"The cache folder {tmp_path / 'file'} cannot be written to" in text

    cache = tmp_path / "cache"
    monkeypatch.setenv("HEADSTART_CACHE", str(cache))
    place = files.place_of(cache, {"a": 1})
    place.mkdir(parents=True)
    (place / f"{'0' * NAME_LENGTH}{SUFFIX}").write_bytes(b"nonsense")
    found = examine()
    assert found.works and found.cache is not None and found.cache.n_damaged == 1
    damaged = next(problem for problem in found.problems if "Damaged files" in problem.text)
    assert damaged.text.endswith(f"{cache}: 1.") and damaged.remedy == "headstart cache verify"


def test_without_a_network_weights_that_are_not_here_are_missing(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headstart.backbones.weights.locate.available_from", lambda entry: "downloadable")
    assert examine().works
    found = examine(offline=True)
    assert not found.works and set(found.weights.values()) == {"missing"}
    assert any("No pretrained weights" in problem.text for problem in found.problems)


def test_every_variable_that_is_read_is_named() -> None:
    source = Path(doctor.__file__).parents[1]
    texts = [path.read_text(encoding="utf-8") for path in source.rglob("*.py") if path != Path(doctor.__file__)]
    pattern = r"environ(?:\.get\(|\[)\"([A-Z_]+)\""
    read = {name for text in texts for name in re.findall(pattern, text)}
    assert read and read <= set(VARIABLES)


def test_missing_packages_are_answered_without_a_traceback(tmp_path: Path) -> None:
    """In a process of its own, where not even numpy, torch and the libraries of tables are there."""
    code = (
        "import sys\n"
        "for name in ('numpy', 'torch', 'torchvision', 'timm', 'pydantic', 'rich', 'PIL', 'openvino', 'nncf'):\n"
        "    sys.modules[name] = None\n"
        "from headstart.cli import main\n"
        "main(['doctor'])\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert found.returncode == 1 and found.stdout.startswith("Broken: ")
    assert "Traceback" not in found.stderr + found.stdout
    for name in ("numpy", "torch", "rich"):
        assert f"Broken: {name} " in found.stdout
    assert list(tmp_path.iterdir()) == []
