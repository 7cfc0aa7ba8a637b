"""Standard output and error that are closed, full, ended, or lack a letter: no traceback, and no work is lost."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Final, cast

from headstart.storage import storage_error

_N_STREAMS: Final = 3


class StandardError:
    """Standard error as it is when something is written; what it refuses is dropped, for words are not the work."""

    def write(self, text: str) -> int:
        """Write as far as that goes."""
        with suppress(OSError, ValueError):  # ValueError: it was closed
            if sys.stderr is not None:
                sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush as far as that goes."""
        with suppress(OSError, ValueError):
            if sys.stderr is not None:
                sys.stderr.flush()

    def __getattr__(self, name: str) -> Any:
        """Whatever else standard error has."""
        return getattr(sys.stderr, name)


STDERR: Final = cast(IO[str], StandardError())


class StandardOutput:
    """Standard output whose refusal, of a full disk say, is an error in words; later words go nowhere.

    Parameters
    ----------
    stream : text or binary stream
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    @property
    def buffer(self) -> StandardOutput:
        """The same for bytes."""
        return StandardOutput(self._stream.buffer)

    def write(self, content: Any) -> int:
        """Write text or bytes; nothing is written as nothing, which click tries first."""
        if isinstance(content, str) and not content:
            return 0
        with self._errors_in_words():
            return int(self._stream.write(content))

    def flush(self) -> None:
        """Flush."""
        with self._errors_in_words():
            self._stream.flush()

    @contextmanager
    def _errors_in_words(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as error:
            _lead_nowhere(self._stream)
            raise storage_error(Path("standard output"), error) from error

    def __getattr__(self, name: str) -> Any:
        """Whatever else the stream has."""
        return getattr(self._stream, name)


def prepare_streams() -> None:
    """Let no stream fail in the middle: letters that its encoding lacks are spelled out, a closed one leads nowhere.

    Where a stream was closed before the start, the next file to be opened would get its number, and whatever a library
    writes to it would land in that file.
    """
    for number in range(_N_STREAMS):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDONLY if number == 0 else os.O_WRONLY)  # takes the lowest number that is free
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # as long as the process lives
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")
    if sys.stdout is sys.__stdout__:
        sys.stdout = StandardOutput(sys.stdout)


def drop_stdout() -> None:
    """Let what waits in standard output, and what comes yet, go nowhere, so that the end is no error of its own."""
    _lead_nowhere(sys.stdout)


def _lead_nowhere(stream: Any) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
    with suppress(OSError):
        stream.flush()
