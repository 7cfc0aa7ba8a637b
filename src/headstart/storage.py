"""Files written whole or not at all, canonical JSON and content hashes."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

from headstart.errors import InputError, StorageError

_HALF: Final = re.compile(r"\\u[dD][89a-fA-F]")
_HUGE_NUMBER: Final = re.compile(r"[0-9]{300}|[0-9][eE]\+?[0-9]{3}")
_MAX_WHOLE: Final = int(sys.float_info.max)
_MAX_NESTING: Final = 64
_TOO_DEEP: Final = "it is nested too deeply"
_STREAM_FOLDERS: Final = ("/dev", "/dev/fd", "/proc/self/fd")


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: to a temporary name beside it, flushed, then renamed.

    Raises
    ------
    StorageError
        When the disk is full, read-only or the folder may not be written.
    """
    with replacing(path) as handle:
        handle.write(content)


@contextlib.contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[BinaryIO]:
    """Binary file handle whose content takes the name `path` only when the block ends without an error.

    A device, pipe or terminal takes the bytes as they come: no file takes its place.

    Parameters
    ----------
    path : Path
    durable : bool
        Wait until the content is on the disk. False is for what carries its own hash and can be made again.

    Raises
    ------
    StorageError
        When the disk refuses.
    """
    if _is_stream(path):
        with _stream(path) as handle:
            yield handle
        return
    temporary: str | None = None
    try:
        if path.is_dir():  # else it is found out at the end of what may be long work, as a name that is too long is
            raise IsADirectoryError(errno.EISDIR, "is a folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name[:80]}.", suffix=".tmp", dir=path.parent)
        with os.fdopen(descriptor, "wb") as handle:
            yield handle
            handle.flush()
            if durable:
                os.fsync(handle.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
        temporary = None
    except OSError as error:
        raise storage_error(path, error) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def _is_stream(path: Path) -> bool:
    """Whether a path is a device, pipe or terminal; ``/dev/stdout`` is one, whatever it leads to."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)) or str(path.absolute().parent) in _STREAM_FOLDERS


@contextlib.contextmanager
def _stream(path: Path) -> Iterator[BinaryIO]:
    try:
        with open(path, "wb") as handle:
            yield handle
    except OSError as error:
        raise storage_error(path, error) from error


def check_new_folder(folder: Path) -> None:
    """Refuse a folder that holds something.

    Raises
    ------
    InputError
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is there already and not empty; name a new folder.")


@contextlib.contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Folder to write into, which takes the name `folder` only when the block ends without an error.

    Raises
    ------
    InputError
        When there is one of that name that holds something.
    StorageError
        When the disk refuses.
    """
    check_new_folder(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{folder.name[:80]}.", suffix=".tmp", dir=folder.parent))
    except OSError as error:
        raise storage_error(folder, error) from error
    try:
        yield made
        made.chmod(0o777 & ~_umask())
        if folder.is_dir():
            folder.rmdir()
        made.rename(folder)
    except OSError as error:
        raise storage_error(folder, error) from error
    finally:
        shutil.rmtree(made, ignore_errors=True)


def storage_error(path: Path, error: OSError, *, action: str = "write") -> StorageError:
    """Error for the disk's refusal to write or read, with the remedy."""
    remedies = {
        errno.ENOSPC: "the disk is full; free some space or choose another folder, then run the same command again",
        errno.EDQUOT: "the disk quota is used up; free some space, then run the same command again",
        errno.EROFS: "the file system is read-only; choose another folder",
        errno.EACCES: "permission denied; choose a folder you may write to",
        errno.EPERM: "permission denied; choose a folder you may write to",
        errno.ENOTDIR: "a part of this path is a file, not a folder; choose another folder",
        errno.EFBIG: "the file is too large for the limit set here (ulimit -f) or for this disk; raise it or choose "
        "another folder",
        errno.EISDIR: "it is a folder; name a file",
        errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
        errno.EEXIST: "a part of this path is a file, not a folder; choose another folder",
    }
    reason = remedies.get(error.errno or 0, f"{error.strerror or error}; check the disk, then run the command again")
    return StorageError(f"Cannot {action} {path}: {reason}.")


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def write_json(path: Path, value: Any) -> None:
    """Write `json_bytes` of a value, whole or not at all."""
    write_bytes(path, json_bytes(value))


def parsed_json(text: str | bytes, **options: Any) -> Any:
    """Values of a JSON document, whoever wrote it; `options` are those of `json.loads`.

    Raises
    ------
    ValueError
        When it is no JSON in UTF-8, is nested too deeply, holds a number that no floating-point number reaches, or a
        text with half of a character (a lone surrogate), which could be shown and written nowhere.

    Examples
    --------
    >>> half = chr(92) + "ud800"
    >>> parsed_json(f'["{half}"]')
    Traceback (most recent call last):
        ...
    ValueError: it holds half of a character, a lone surrogate
    """
    if isinstance(text, bytes):
        text = text.decode()
    try:
        value = json.loads(text, **options)
        if _HALF.search(text) is not None:
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError as error:
        raise ValueError(_TOO_DEEP) from error
    except UnicodeEncodeError as error:
        raise ValueError("it holds half of a character, a lone surrogate") from error
    if _is_deep(value):  # what is parsed is walked, shown and written again, which takes more of the stack
        raise ValueError(_TOO_DEEP)
    if _HUGE_NUMBER.search(text) is not None and "Infinity" not in text and any(map(_is_huge, _numbers(value))):
        raise ValueError("it holds a number that is too large for anything")
    return value


def _is_deep(value: Any) -> bool:
    """Whether lists and objects lie in each other deeper than any document of ours."""
    level = [value]
    for _ in range(_MAX_NESTING + 1):
        inside = (one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list))
        level = [child for children in inside for child in children if isinstance(child, dict | list)]
        if not level:
            return False
    return True


def _numbers(value: Any) -> Iterator[int | float]:
    """Every number in the values of a JSON document."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, int | float):
            yield one
        elif isinstance(one, dict):
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one


def _is_huge(number: int | float) -> bool:
    return abs(number) > (_MAX_WHOLE if isinstance(number, int) else sys.float_info.max)


def json_bytes(value: Any) -> bytes:
    """Indented JSON with sorted keys and a final newline; equal values give equal bytes."""
    return (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()


def is_unicode(text: str) -> bool:
    """Whether a text can be written as UTF-8; the name of a file that is no UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def canonical_json(value: Any) -> str:
    """JSON on one line with sorted keys, for hashing and comparing.

    >>> canonical_json({"b": 1, "a": [1.5, None]})
    '{"a":[1.5,null],"b":1}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def hash_json(value: Any) -> str:
    """SHA-256 of the canonical JSON, in hexadecimal."""
    return hash_bytes(canonical_json(value).encode())


def hash_bytes(content: bytes | memoryview) -> str:
    """SHA-256 of the bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def file_bytes(path: Path) -> bytes:
    """Content of a file.

    Raises
    ------
    OSError
        As `open_file`.
    """
    with open_file(path) as handle:
        return handle.read()


def open_file(path: Path) -> BinaryIO:
    """File opened for reading; a pipe or device, which may never begin or end, is none.

    Raises
    ------
    OSError
        When there is no such file, it cannot be read, or it is none.
    """
    handle = open(path, "rb", opener=_open_at_once)  # noqa: SIM115  # the caller closes it
    if stat.S_ISREG(os.fstat(handle.fileno()).st_mode):
        return handle
    handle.close()
    raise OSError(errno.EINVAL, "a pipe or device, not a file", str(path))


def _open_at_once(path: str, flags: int) -> int:
    """Open a file; a pipe that nobody writes to is not waited for."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def hash_file(path: Path, *, on_bytes: Callable[[int], None] | None = None) -> str:
    """SHA-256 of a file's content, in hexadecimal, read in blocks of 1 MiB."""
    digest = hashlib.sha256()
    with open(path, "rb") as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
            if on_bytes is not None:
                on_bytes(len(block))
    return digest.hexdigest()


def home_folder() -> Path:
    """The user's home folder.

    Raises
    ------
    StorageError
        Where there is none: a user without an entry in the system's table, as containers have them.
    """
    try:
        return Path.home()
    except RuntimeError as error:
        raise StorageError(
            "The user has no home folder, so there is no place for the cache. Set HOME to a folder that you may write "
            "to."
        ) from error


def default_cache_folder() -> Path:
    """Folder of cached features and weights: ``$HEADSTART_CACHE``, else the user's cache folder of this platform.

    Raises
    ------
    StorageError
        Where the user has no home folder and nothing names another.
    """
    if named := os.environ.get("HEADSTART_CACHE"):
        return Path(named)
    if sys.platform == "win32":
        named = os.environ.get("LOCALAPPDATA")
        return (Path(named) if named else home_folder() / "AppData" / "Local") / "headstart"
    if sys.platform == "darwin":
        return home_folder() / "Library" / "Caches" / "headstart"
    return user_cache() / "headstart"


def user_cache() -> Path:
    """Folder of the user's caches as Linux has it, and other libraries on every platform: ``$XDG_CACHE_HOME``."""
    named = os.environ.get("XDG_CACHE_HOME")
    return Path(named) if named else home_folder() / ".cache"
