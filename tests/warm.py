"""Processes of their own for tests, without the seconds that loading torch takes.

A child is forked from a server process that has loaded the heavy libraries and done nothing else. It can be killed, and
shares nothing with the process of the test, as one that was started anew. Where a test is about what is loaded, it
starts its process by `subprocess`.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

LOADED = ["torch", "sklearn.svm", "headstart.workflow.fit", "headstart.model", "headstart.cli"]


def run(code: str, *arguments: object, timeout: float = 120, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code to its end in a child, as `subprocess.run` would with ``python -c``."""
    child = Child(code, *arguments, **environment)
    stdout, stderr = child.communicate(timeout)
    return subprocess.CompletedProcess(["-c", *map(str, arguments)], child.wait(), stdout, stderr)


class Child:
    """A process that runs code as ``python -c`` does; the parts of `subprocess.Popen` that tests need."""

    def __init__(self, code: str, *arguments: object, **environment: str) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(LOADED)
        pipes = [context.Pipe(duplex=False) for _ in range(3)]
        (stdin, given), (read, stdout), (read_errors, stderr) = pipes
        command = ["-c", *map(str, arguments)]
        told = (code, command, {**os.environ, **environment}, str(Path.cwd()), stdin, stdout, stderr)
        self._process = context.Process(target=_run, args=told, daemon=True)
        self._process.start()
        assert self._process.pid is not None
        self.pid: int = self._process.pid
        self.stdin = _file(given, "w")
        self.stdout, self.stderr = _file(read, "r"), _file(read_errors, "r")
        for kept in (pipe for pair in pipes for pipe in pair):
            kept.close()

    @property
    def returncode(self) -> int | None:
        """Exit code, or the negative number of the signal that ended it; None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        return self.returncode

    def kill(self) -> None:
        """End it as ``kill -9`` does; it gets no chance to tidy up."""
        self._process.kill()

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """What it printed and its errors, once it has ended; errors are read last, so it must not print many."""
        self.stdin.close()
        text = self.stdout.read(), self.stderr.read()
        self.wait(timeout)
        return text

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, once it has ended; nothing is read from it any more."""
        self._process.join(timeout)
        assert self.returncode is not None, "The process has not ended."
        for pipe in (self.stdin, self.stdout, self.stderr):
            pipe.close()
        return self.returncode


def _file(pipe: Any, mode: str) -> IO[str]:
    return os.fdopen(os.dup(pipe.fileno()), mode, encoding="utf-8", buffering=1)


def _run(code: str, command: list[str], environment: dict[str, str], folder: str, *pipes: Any) -> None:
    for number, pipe in enumerate(pipes):
        os.dup2(pipe.fileno(), number)
        pipe.close()
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(number, mode, encoding="utf-8") for number, mode in enumerate("rww"))
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = command
    exec(compile(code, "<string>", "exec"), {"__name__": "__main__"})
