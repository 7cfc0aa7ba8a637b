"""Downloads that end: bounded in time, tries and size, written whole or not at all, held to their hash."""

from __future__ import annotations

import errno
import hashlib
import http.client
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from headstart.errors import WeightsError
from headstart.progress import Progress
from headstart.storage import replacing

_BLOCK = 1 << 18  # bytes
_BUSY = (408, 425, 429, 500, 502, 503, 504)  # answers that another try may mend
_ABSENT = frozenset({"EntryNotFoundError", "RemoteEntryNotFoundError"})
_LASTING = frozenset(
    {
        "RepositoryNotFoundError",
        "RevisionNotFoundError",
        "LocalEntryNotFoundError",  # no connection: huggingface_hub has tried several times itself
        "GatedRepoError",
        "OfflineModeIsEnabled",
        "PermissionError",
        "NotADirectoryError",
        "FileExistsError",
        "ModuleNotFoundError",
        "HFValidationError",
    }
)
"""Kinds of errors that another try would meet again."""


@dataclass(frozen=True)
class Limits:
    """Bounds of a download.

    Attributes
    ----------
    stall_s : float > 0
        Seconds without an answer or a byte after which one try is given up.
    total_s : float > 0
        Seconds for all tries of one file together.
    n_tries : int > 0
    pause_s : float >= 0
        Seconds before the second try; doubled before each further one.
    max_bytes : int > 0
        A larger file is refused.
    """

    stall_s: float = 20.0
    total_s: float = 1800.0
    n_tries: int = 3
    pause_s: float = 1.0
    max_bytes: int = 16 << 30


class UnreachableError(WeightsError):
    """A file could not be downloaded; the message says from where and why."""


class AbsentError(UnreachableError):
    """The place answered, but does not have this file."""


class _PassingError(Exception):
    """A failure that another try may mend."""


def fetch_url(url: str, target: Path, *, sha256: str | None = None, limits: Limits, progress: Progress) -> Path:
    """Download a file to a name that it takes only when it is whole and has the right hash.

    Parameters
    ----------
    url : str
        http or https.
    target : Path
    sha256 : str, optional
        Its hash in hexadecimal, or the beginning of it. Default: the digits in a name like ``net-1a2b3c4d.pth``.
    limits : Limits
    progress : Progress
        Shows the bytes as they come.

    Returns
    -------
    Path
        `target`.

    Raises
    ------
    UnreachableError
        When it cannot be had within the limits, or has another hash.
    StorageError
        When the disk refuses.
    """
    if urlsplit(url).scheme not in {"http", "https"}:
        raise UnreachableError(f"{url}: not an http or https address.")
    deadline = time.monotonic() + limits.total_s
    progress.note(f"Downloading {url} to {target.parent}")

    def once() -> Path:
        known = sha256 or _named_hash(target.name)
        return _fetch_once(url, target, known, limits=limits, deadline=deadline, progress=progress)

    return _with_tries(once, url, limits, deadline)


def _with_tries(once: Any, what: str, limits: Limits, deadline: float) -> Path:
    """Call `once` until it succeeds, fails for good, or tries or time are used up."""
    reason = ""
    for number in range(limits.n_tries):
        pause = limits.pause_s * 2 ** (number - 1) if number else 0.0
        if time.monotonic() + pause >= deadline:
            break
        time.sleep(pause)
        try:
            return Path(once())
        except _PassingError as error:
            reason = str(error)
    spent = limits.total_s - max(0.0, deadline - time.monotonic())
    raise UnreachableError(f"{what}: {reason or 'no answer'}; given up after {spent:,.0f} s. Is the network reachable?")


def _named_hash(name: str) -> str | None:
    stem, _, digits = name.partition(".")[0].rpartition("-")
    return digits if stem and len(digits) >= 8 and not set(digits) - set("0123456789abcdef") else None


def _fetch_once(
    url: str, target: Path, sha256: str | None, *, limits: Limits, deadline: float, progress: Progress
) -> Path:
    with _open(url, limits) as response:
        length = int(response.length or 0)
        if not (length or sha256 or response.chunked):
            raise UnreachableError(f"{url}: the server does not say how long the file is, and no hash of it is known.")
        if length > limits.max_bytes:
            raise UnreachableError(
                f"{url}: {length / 1e9:,.1f} GB is more than the limit of {limits.max_bytes / 1e9:,.1f}."
            )
        digest, n_bytes = hashlib.sha256(), 0
        with replacing(target) as handle, progress.task(f"Downloading {target.name}", length, "bytes") as advance:
            for block in _blocks(response, limits, deadline):
                digest.update(block)
                handle.write(block)
                n_bytes += len(block)
                advance(len(block))
            if length and n_bytes != length:
                raise _PassingError(f"the connection ended after {n_bytes:,} of {length:,} bytes")
            if sha256 and not digest.hexdigest().startswith(sha256):
                raise UnreachableError(
                    f"{url}: what came ({n_bytes:,} bytes) does not have the expected hash {sha256}; it was not kept."
                )
    return target


def _open(url: str, limits: Limits) -> Any:
    request = urllib.request.Request(url, headers={"User-Agent": "headstart"})
    try:
        return urllib.request.urlopen(request, timeout=limits.stall_s)
    except urllib.error.HTTPError as error:
        error.close()
        answer = f"the server answered {error.code} {error.reason}"
        if error.code in _BUSY:
            raise _PassingError(answer) from error
        raise UnreachableError(f"{url}: {answer}.") from error
    except TimeoutError as error:
        raise _PassingError(f"no answer within {limits.stall_s:g} s") from error
    except urllib.error.URLError as error:
        slow = isinstance(error.reason, TimeoutError)
        raise _PassingError(f"no answer within {limits.stall_s:g} s" if slow else f"{error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        raise _PassingError(f"no proper answer ({error or type(error).__name__})") from error


def _blocks(response: Any, limits: Limits, deadline: float) -> Iterator[bytes]:
    """Content of an answer, piece by piece as it arrives, within the limits."""
    n_bytes = 0
    while True:
        try:
            block = response.read1(_BLOCK)
        except TimeoutError as error:
            raise _PassingError(f"nothing came for {limits.stall_s:g} s after {n_bytes:,} bytes") from error
        except (OSError, http.client.HTTPException) as error:
            raise _PassingError(f"the connection broke after {n_bytes:,} bytes ({error})") from error
        if not block:
            return
        n_bytes += len(block)
        if n_bytes > limits.max_bytes:
            raise UnreachableError(f"{response.url}: more came than the limit of {limits.max_bytes / 1e9:,.1f} GB.")
        if time.monotonic() > deadline:
            raise _PassingError(f"too slow: {n_bytes:,} bytes within the time limit of {limits.total_s:g} s")
        yield block


_CHILD = """
import json, sys
try:
    from huggingface_hub import hf_hub_download
    repository, _, revision = sys.argv[1].partition("@")
    path = hf_hub_download(repository, sys.argv[2], revision=revision or None, etag_timeout=float(sys.argv[3]))
    answer = {"path": path}
except Exception as error:
    kinds, one = [], error
    while one is not None:
        kinds.append(type(one).__name__)
        one = one.__cause__ or one.__context__
    answer = {"kinds": kinds, "errno": getattr(error, "errno", None), "message": str(error)}
print(json.dumps(answer))
"""
"""Prints one line of JSON: the path, or the kinds of the error and its causes with the message of the last."""


def fetch_hub(hub_id: str, name: str, *, limits: Limits, progress: Progress) -> Path:
    """Download a file of a Hugging Face repository into the hub's own cache.

    huggingface_hub does the work, in a process of its own: it knows mirrors, tokens and resuming, but not an overall
    time limit, and only a process can be ended from outside.

    Parameters
    ----------
    hub_id : str
        ``owner/name``, with ``@revision`` where one is meant.
    name : str
        Path of the file in the repository.
    limits : Limits
    progress : Progress
        Told before.

    Returns
    -------
    Path
        The file in the cache.

    Raises
    ------
    UnreachableError
        When it cannot be had within the limits.
    """
    what = f"Hugging Face hub {hub_id} ({name})"
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
        raise UnreachableError(f"{what}: not asked, since HF_HUB_OFFLINE is set.")
    deadline = time.monotonic() + limits.total_s
    progress.note(f"Downloading from {what}; at most {limits.total_s / 60:,.0f} minutes")
    return _with_tries(lambda: _ask_hub(hub_id, name, what, limits, deadline), what, limits, deadline)


def _ask_hub(hub_id: str, name: str, what: str, limits: Limits, deadline: float) -> Path:
    command = [sys.executable, "-c", _CHILD, hub_id, name, str(limits.stall_s)]
    settings = {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DOWNLOAD_TIMEOUT": f"{max(1, round(limits.stall_s))}"}
    left = max(0.1, deadline - time.monotonic())
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=left, env={**os.environ, **settings}, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise _PassingError(f"not done within the time limit of {limits.total_s:g} s") from error
    answer = _answer(done.stdout)
    if "path" in answer:
        return Path(answer["path"])
    reason, kinds = _reason(answer), set(answer.get("kinds", ()))
    if kinds & _ABSENT:
        raise AbsentError(f"{what}: {reason}.")
    if kinds & _LASTING or answer.get("errno") == errno.EROFS:
        raise UnreachableError(f"{what}: {reason}.")
    raise _PassingError(reason)


def _answer(stdout: str) -> dict[str, Any]:
    """Answer that the child process printed; empty where it ended without one."""
    try:
        answer = json.loads(stdout.splitlines()[-1])
    except (IndexError, ValueError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _reason(answer: dict[str, Any]) -> str:
    """First line of the error's message, else its kind."""
    lines = [line.strip() for line in str(answer.get("message", "")).splitlines() if line.strip()]
    kind = next(iter(answer.get("kinds", ())), "no answer")
    return (lines or [kind])[0][:300].rstrip(".")
