"""Where lines come from: standard input, a file that grows, a socket; in chunks, with the place to go on from."""

from __future__ import annotations

import errno
import os
import select
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

from headstart.errors import DataError, InputError

CHUNK: Final = 1 << 16
POLL_S: Final = 0.05
"""Seconds between two looks at a file that did not grow."""


class Chunk(NamedTuple):
    """Whole lines that were read at once.

    Attributes
    ----------
    lines : list of str
    offset : int or None
        Byte of the source behind the last of them; None where a source cannot be read again.
    """

    lines: list[str]
    offset: int | None


def chunks_of(source: str, *, offset: int = 0, follow: bool = True, say: Callable[[str], None]) -> Iterator[Chunk]:
    """Lines of a source as they come.

    Parameters
    ----------
    source : str
        ``-`` for standard input, ``tcp://HOST:PORT`` to connect to, ``listen://HOST:PORT`` to be connected to by one
        sender after another; else a file.
    offset : int
        Byte of a file to go on from.
    follow : bool
        Whether to wait at the end of a file for what is added to it.
    say : callable
        Takes sentences for the user.

    Raises
    ------
    InputError, DataError
        When there is no such source.
    """
    if source == "-":
        return _of_descriptor(sys.stdin.fileno())
    if source.startswith(("tcp://", "listen://")):
        scheme, _, address = source.partition("://")
        return _of_socket(_host_and_port(source, address), listens=scheme == "listen", say=say)
    return _of_file(Path(source), offset, follow, say)


def _of_descriptor(descriptor: int) -> Iterator[Chunk]:
    rest = b""
    while block := os.read(descriptor, CHUNK):
        lines, rest = _split(rest + block)
        if lines:
            yield Chunk(lines, None)
    if rest:
        yield Chunk([_text(rest)], None)


def _of_file(path: Path, offset: int, follow: bool, say: Callable[[str], None]) -> Iterator[Chunk]:
    if not path.is_file():
        raise DataError(f"{path}: no such file. Give a file, - for standard input, or tcp://HOST:PORT.")
    while True:
        with open(path, "rb") as handle:
            if os.fstat(handle.fileno()).st_size < offset:
                say(f"{path} is shorter than what was read of it before; it is read from its start.")
                offset = 0
            handle.seek(offset)
            for chunk in _grown(path, handle.fileno(), offset, follow):
                yield chunk
                offset = chunk.offset or 0
        if not follow:
            return
        say(f"{path} was replaced or cut short; the new one is read from its start.")
        offset = 0


def _grown(path: Path, descriptor: int, offset: int, follow: bool) -> Iterator[Chunk]:
    """Lines of an open file until its end, or, where it is followed, until another file has its name."""
    rest = b""
    while True:
        block = os.read(descriptor, CHUNK)
        if block:
            lines, rest = _split(rest + block)
            offset += len(block)
            if lines:
                yield Chunk(lines, offset - len(rest))
        elif not follow:
            if rest:
                yield Chunk([_text(rest)], offset)
            return
        elif _is_another(path, descriptor, offset):
            return
        else:
            time.sleep(POLL_S)


def _is_another(path: Path, descriptor: int, offset: int) -> bool:
    """Whether the name stands for another file by now, or the file was cut short."""
    own = os.fstat(descriptor)
    if own.st_size < offset:
        return True
    try:
        named = path.stat()
    except OSError:
        return False  # between two files of one name
    return (named.st_dev, named.st_ino) != (own.st_dev, own.st_ino)


def _of_socket(address: tuple[str, int], *, listens: bool, say: Callable[[str], None]) -> Iterator[Chunk]:
    host, port = address
    try:
        server = socket.create_server(address) if listens else socket.create_connection(address)
    except (OSError, OverflowError) as error:
        act = "listen at" if listens else "connect to"
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
        raise DataError(
            f"Cannot {act} {host}:{port}: {reason}. Check host and port, and that the sender is up."
        ) from error
    with closing(server):
        if not listens:
            yield from _of_connection(server, say)
            return
        say(f"Listening at {host}:{server.getsockname()[1]}.")
        while True:
            connection, _ = server.accept()
            with closing(connection):
                yield from _of_connection(connection, say)


def _of_connection(connection: socket.socket, say: Callable[[str], None]) -> Iterator[Chunk]:
    rest = b""
    while True:
        select.select([connection], [], [])
        try:
            block = connection.recv(CHUNK)
        except OSError as error:
            if error.errno not in (errno.ECONNRESET, errno.EPIPE, errno.ETIMEDOUT):
                raise
            block = b""
        if not block:
            break
        lines, rest = _split(rest + block)
        if lines:
            yield Chunk(lines, None)
    if rest:
        say("The sender broke off in the middle of a line, which is left out.")


def _host_and_port(source: str, address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not host or not (port.isascii() and port.isdigit() and len(port) < 6):
        raise InputError(f"{source!r} names no host and port; expected tcp://HOST:PORT, as in tcp://localhost:9000.")
    return host.strip("[]"), int(port)


def _split(block: bytes) -> tuple[list[str], bytes]:
    """Whole lines, and the beginning of the next one."""
    *lines, rest = block.split(b"\n")
    return [_text(line) for line in lines], rest


def _text(line: bytes) -> str:
    return line.decode("utf-8", errors="replace").rstrip("\r")
