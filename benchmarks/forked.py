"""Fits of a tiny network on tiny pictures that start at once, to be killed, starved and disturbed by the hundred.

A fit spends most of its first seconds on imports. So they are done once, here, and every fit is a fork of this process
with a process group of its own; what happens in it from then on is what happens in ``headstart fit``. Its report holds
all words and no figures.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

COMPARED = ("results.json", "predictions.csv", "split.json", "model/model.json", "model/head.safetensors")
N_IMAGES = 48
_STUDY = '[[head]]\nkind = "logistic"\nC = [0.1, 1.0]\n'
_HALVED = '[halving]\nleast = 1\n[[head]]\nkind = "dense"\nepochs = [4, 8]\nlearning_rate = [0.001, 0.01]\n'
FITS: dict[str, tuple[str, ...]] = {
    "frozen": ("--study", "study.toml"),
    "halved": ("--study", "halved.toml", "--search", "halving"),
    "fine-tuned": (
        *("--study", "study.toml", "--strategy", "fine-tune", "--unlock", "1"),
        *("--fine-tuning", "epochs=2,batch_size=8"),
    ),
}
_POLL_S = 0.01
_LEFT_OUT = ("timm", "torchvision")  # headstart imports them in a way of its own


def write_data(folder: Path) -> Path:
    """Data set of 48 pictures of noise of two strengths, in class folders, and the studies beside it."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for number in range(N_IMAGES):
        strength = (24, 25.5)[number % 2]
        pixels = np.clip(128 + strength * rng.normal(size=(20, 24, 3)), 0, 255).astype(np.uint8)
        place = folder / "data" / ("calm", "rough")[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(place / f"{number:03d}.png")
    (folder / "study.toml").write_text(_STUDY, encoding="utf-8")
    (folder / "halved.toml").write_text(_HALVED, encoding="utf-8")
    return folder / "data"


def preload() -> None:
    """Import, without computing anything, every module that a frozen fit imports; a first one tells which.

    Later fits then need no file of Python's own, which another user may not be allowed to read.
    """
    import headstart.cli.main  # noqa: F401  # what a fit is run by

    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        write_data(base)
        fit = start(fit_command("frozen", base, base / "run"), base / "said.txt", modules=base / "modules.txt")
        if fit.wait() != 0:
            raise SystemExit(f"a fit fails:\n{fit.said}")
        for module in (base / "modules.txt").read_text(encoding="utf-8").split():
            if not module.startswith(_LEFT_OUT):
                with contextlib.suppress(ImportError):  # a name that a library gave to something else
                    importlib.import_module(module)


@dataclass(eq=False)
class Fit:
    """A fit in a process of its own.

    Attributes
    ----------
    process : int
        Its id, and that of its process group.
    log : Path
        What it says.
    """

    process: int
    log: Path
    _code: int | None = None

    def wait(self, seconds: float = 600.0) -> int | None:
        """Exit code, negative for a signal; None where it still runs after so many seconds."""
        until = time.monotonic() + seconds
        while self._code is None:
            found, status = os.waitpid(self.process, os.WNOHANG)
            if found:
                self._code = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > until:
                return None
            else:
                time.sleep(_POLL_S)
        return self._code

    def workers(self) -> list[int]:
        """Ids of its worker processes."""
        try:
            children = Path(f"/proc/{self.process}/task/{self.process}/children").read_text().split()
            return [int(child) for child in children if b"LokyProcess" in Path(f"/proc/{child}/cmdline").read_bytes()]
        except OSError:  # ended since
            return []

    def signal(self, number: int, *, whole_group: bool = True) -> None:
        """Send a signal, to the whole process group or to the process that was started alone."""
        try:
            (os.killpg if whole_group else os.kill)(self.process, number)
        except ProcessLookupError:
            return

    @property
    def said(self) -> str:
        """All that it wrote to standard output and error."""
        return self.log.read_text(encoding="utf-8", errors="replace")


def start(
    command: Sequence[str], log: Path, *, before: Callable[[], None] = lambda: None, modules: Path | None = None
) -> Fit:
    """Start ``headstart COMMAND`` in a fork of this process.

    Parameters
    ----------
    command : sequence of str
    log : Path
        File that gets what it writes.
    before : callable
        Done in the new process first: another user, a limit.
    modules : Path, optional
        File that gets the names of all modules it has imported.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    process = os.fork()
    if process:
        return Fit(process, log)
    code = 99
    try:
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        _redirect(log)
        before()
        code = _run(command)
        if modules is not None:
            modules.write_text("\n".join(sys.modules), encoding="utf-8")
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _redirect(log: Path) -> None:
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    for stream in (1, 2):
        os.dup2(target, stream)


def _run(command: Sequence[str]) -> int:
    """Exit code of ``headstart COMMAND`` run in this process; a traceback is printed as Python prints it."""
    import traceback

    import headstart.report.write
    from headstart.cli.main import main

    headstart.report.write.render = lambda figure: (b"<svg/>", b"")  # figures are half of a tiny fit
    try:
        main(list(command), prog_name="headstart")
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else int(done.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def fit_command(
    kind: str, base: Path, output: Path, *, data: Path | None = None, options: Sequence[str] = ()
) -> list[str]:
    """Command of a fit of a kind of `FITS`, of the data set that `write_data` put into a folder."""
    settings = [str(base / word) if word.endswith(".toml") else word for word in FITS[kind]]
    tiny = ("--backbone", "test_resnet", "--weights", "random", "--input-size", "32", "--split", "nested:2x2")
    plain = ("--no-baselines", "--no-explanations", "--device", "cpu", "--threads", "1")
    cache = () if "--cache" in options else ("--no-cache",)
    return ["fit", str(data or base / "data"), "-o", str(output), *tiny, *plain, *cache, *settings, *options]


def differing(folder: Path, whole: Path, names: Sequence[str] = COMPARED) -> list[str]:
    """Files of a finished run that are not those of another, byte by byte."""
    return [
        name
        for name in names
        if not (folder / name).is_file() or (folder / name).read_bytes() != (whole / name).read_bytes()
    ]
