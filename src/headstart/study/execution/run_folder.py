"""The run folder: one run per folder, never overwritten, resumed when it is the same run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from filelock import FileLock, Timeout

from headstart.engines.engine import Engine
from headstart.errors import InputError, RunError
from headstart.storage import file_bytes, parsed_json, storage_error, write_json
from headstart.study.execution.run_request import RunRequest

RUN_FILE = "run.json"
RESULTS_FILE = "results.json"
PREDICTIONS_FILE = "predictions.csv"
SPLIT_FILE = "split.json"
TIMINGS_FILE = "timings.json"
REPORT_FILE = "report.html"
MODEL_FOLDER = "model"
FOLDS_FOLDER = "folds"
EXPLANATIONS_FOLDER = "explanations"
WORK_FOLDER = "work"
_LOCK_FILE = ".lock"
_RESULTS: Final = (RESULTS_FILE, REPORT_FILE, PREDICTIONS_FILE, SPLIT_FILE, TIMINGS_FILE, MODEL_FOLDER, FOLDS_FOLDER)
_QUICK: Final = "quick"
_FORMAT = 1
_PARTS: Final = {
    "identity": (dict, "an object"),
    "source": (dict, "an object"),
    "engines": (dict, "an object"),
    "images": (bool, "true or false"),
    "request": (dict, "an object"),
    "begun": (str, "text"),
}
"""Parts of ``run.json``; older runs have the first alone."""


def check_output_folder(path: Path) -> None:
    """Refuse a folder that holds something other than a run, before any work is done.

    Raises
    ------
    RunError
        When `path` is a file, or a folder with other files in it.
    """
    if path.is_file():
        raise RunError(f"{path} is a file. Give the name of a new folder, or of a run to go on with.")
    found = [entry.name for entry in path.iterdir()] if path.is_dir() else []
    others = [name for name in found if name != _LOCK_FILE and not _is_unfinished(name)]
    if others and RUN_FILE not in others:
        raise RunError(
            f"{path} already holds files that are no headstart run ({', '.join(sorted(others)[:3])}). "
            "Give the name of a new folder."
        )


def _is_unfinished(name: str) -> bool:
    """Whether this is the temporary name of a file that was being written when a process was killed."""
    return name.startswith(".") and name.endswith(".tmp")


def stored_engine(path: Path, number: int = 0) -> Engine | None:
    """Engine of a source of the run that a folder holds, to be used again on resume.

    None for a new folder, and for a source that its run has not: sources are numbered from 0, in their order.

    Raises
    ------
    RunError
        When the run is damaged.
    """
    if not (path / RUN_FILE).is_file():
        return None
    try:
        stored = read_run(path)["identity"]["sources"].get(str(number))
        return None if stored is None else Engine.from_json(stored["engine"])
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, InputError) as error:
        raise RunError(_damaged(path / RUN_FILE, f"identity.sources.{number} describes no engine")) from error


def stored_record(path: Path, number: int = 0) -> dict[str, Any]:
    """Record of how the engine of a source of a run was chosen; empty where there is none.

    Raises
    ------
    RunError
        When the run is damaged.
    """
    record = read_run(path).get("engines", {}).get(str(number), {})
    if not isinstance(record, dict):
        raise RunError(_damaged(path / RUN_FILE, f"engines.{number} should be an object"))
    return record


def stored_request(path: Path) -> RunRequest | None:
    """Request that the run of a folder was begun with; None where it does not say.

    Raises
    ------
    RunError
        When the run is damaged.
    """
    request = read_run(path).get("request")
    try:
        return None if request is None else RunRequest.from_json(request)
    except ValueError as error:
        raise RunError(_damaged(path / RUN_FILE, str(error))) from error


@contextmanager
def claimed(
    path: Path,
    identity: dict[str, Any],
    source: dict[str, Any],
    *,
    images: bool = True,
    engines: dict[str, Any] | None = None,
    request: RunRequest | None = None,
) -> Iterator[bool]:
    """Hold a run folder for the length of a block: create it, or check that it holds the same run.

    Parameters
    ----------
    path : Path
    identity : dict
        Everything that decides the results; a folder with another identity is refused.
    source : dict
        Place that the data came from, for `headstart report`; decides nothing.
    images : bool
        Whether reports of this run may show pictures. Once forbidden it stays forbidden.
    engines : dict, optional
        How the engine of every source was chosen, by its number as text, for `stored_record`; what was written at the
        run's beginning stays.
    request : RunRequest, optional
        What the run was begun with; likewise, and it decides nothing.

    Yields
    ------
    bool
        Whether they may: `images`, and never forbidden before.

    Raises
    ------
    RunError
        When the folder holds another run, or another process is working in it.
    StorageError
        When the folder may not be written.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path / _LOCK_FILE)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise RunError(f"Another process is working in {path}. Wait for it, or give another folder.") from error
    except OSError as error:
        raise storage_error(path, error) from error
    try:
        run: dict[str, Any] = {"identity": identity, "source": source, "engines": engines or {}}
        run |= {} if request is None else {"request": request.to_json()}
        yield _claim(path, run, images=images)
    finally:
        lock.release()  # the file stays: removed at the wrong moment, it would let two processes in


def _claim(path: Path, run: dict[str, Any], *, images: bool) -> bool:
    check_output_folder(path)
    _remove_unfinished(path)
    content = {**run, "format": _FORMAT, "images": images, "begun": datetime.now(UTC).isoformat(timespec="seconds")}
    if holds_provisional(path, run["identity"]):
        content["images"] = images and bool(read_run(path).get("images", True))
        _remove_results(path)
        write_json(path / RUN_FILE, content)
        return bool(content["images"])
    if not (path / RUN_FILE).is_file():
        write_json(path / RUN_FILE, content)
        return images
    check_same_run(path, run["identity"])
    stored = read_run(path)
    allowed = images and bool(stored.get("images", True))
    if allowed != stored.get("images"):
        begun = {name: stored[name] for name in ("engines", "request", "begun") if name in stored}
        write_json(path / RUN_FILE, {**content, "engines": {}, **begun, "images": allowed})
    return allowed


def check_same_run(path: Path, identity: dict[str, Any]) -> None:
    """Refuse a folder that holds a run of other data or options, or a damaged one; a new folder is fine.

    Raises
    ------
    RunError
        Naming what differs.
    """
    if not (path / RUN_FILE).is_file():
        return
    if holds_provisional(path, identity):
        return
    stored = read_run(path)["identity"]
    differing = differences(stored, identity)
    if differing and _is_quick(identity) and not differences(_whole(stored), _whole(identity)):
        raise RunError(
            f"{path} holds the whole job, begun or finished, which a provisional answer does not replace. Leave "
            "--quick out to go on with it, or give another folder."
        )
    if differing:
        raise RunError(
            f"{path} holds another run, which is never overwritten. It differs in: {'; '.join(differing[:6])}. "
            "Give another folder, or the same data and options to go on with that run."
        )


def holds_provisional(path: Path, identity: dict[str, Any]) -> bool:
    """Whether a folder holds the provisional answer to the very job of this identity, which the job replaces.

    Raises
    ------
    RunError
        When the run is damaged.
    """
    if not (path / RUN_FILE).is_file() or _is_quick(identity):
        return False
    stored = read_run(path)["identity"]
    return _is_quick(stored) and not differences(_whole(stored), _whole(identity))


def _is_quick(identity: dict[str, Any]) -> bool:
    options = identity.get("options")
    return isinstance(options, dict) and options.get(_QUICK) is True


def _whole(identity: dict[str, Any]) -> dict[str, Any]:
    """Identity of the whole job that a provisional answer is to: as it looks at the first source alone, with that."""
    options = {name: value for name, value in identity.get("options", {}).items() if name != _QUICK}
    sources = {number: value for number, value in identity.get("sources", {}).items() if number == "0"}
    return {**identity, "options": options, "sources": sources}


def _remove_results(path: Path) -> None:
    """Remove what a run left that its folder is taken for, so that none of it stands beside new results."""
    for name in (*_RESULTS, WORK_FOLDER):
        entry = path / name
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink(missing_ok=True)


def _remove_unfinished(path: Path) -> None:
    """Remove what a killed process left under temporary names, files and folders."""
    for entry in [*path.rglob(".*.tmp")]:
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)


def read_run(path: Path) -> dict[str, Any]:
    """Content of ``run.json``.

    Raises
    ------
    RunError
        When the folder holds no run or the file is damaged; the message names the field.
    """
    file = path / RUN_FILE
    if not file.is_file():
        raise RunError(f"{path} holds no headstart run ({RUN_FILE} is missing). Give the folder of `headstart fit -o`.")
    try:
        content = parsed_json(file_bytes(file).decode())
    except (ValueError, OSError) as error:
        raise RunError(_damaged(file, f"it cannot be read as JSON ({error})")) from error
    if problem := _problem(content):
        raise RunError(_damaged(file, problem))
    return dict(content)


def _problem(content: Any) -> str | None:
    """Problem of the content of ``run.json``, in words; None where there is none."""
    if not isinstance(content, dict):
        return "it holds no JSON object"
    if "identity" not in content:
        return "identity is missing"
    for name, (kind, words) in _PARTS.items():
        if name in content and not isinstance(content[name], kind):
            return f"{name} should be {words}"
    return None


def _damaged(file: Path, reason: str) -> str:
    return f"{file} is damaged: {reason}. Remove the folder and run `headstart fit` again."


def differences(stored: Any, requested: Any, name: str = "") -> list[str]:
    """Differences between two nested settings, in words.

    >>> differences({"seed": 0, "split": {"outer": 5}}, {"seed": 1, "split": {"outer": 5}})
    ['seed is 0 there, 1 here']
    """
    if isinstance(stored, dict) and isinstance(requested, dict):
        keys = sorted(set(stored) | set(requested))
        found = [differences(stored.get(key), requested.get(key), f"{name}.{key}" if name else key) for key in keys]
        return [text for texts in found for text in texts]
    if stored == requested:
        return []
    if name == "data":
        return ["the data set: its images, labels, groups, weights or folds"]
    return [f"{name} is {_shown(stored)} there, {_shown(requested)} here"]


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
