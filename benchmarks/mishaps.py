"""What may happen to a fit beside being killed, each as a function that gives what went wrong; `kills.py` runs them.

After every mishap the fit either ends with the bytes of one that nothing happened to, or leaves with words that name
what is wrong, no traceback, and goes on to the same bytes once that is mended.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from forked import Fit, differing, fit_command, start

NOBODY = 65_534
_CANNOT_BE_USED = 2
_PIPE_BYTES = 1 << 16


class NotHereError(Exception):
    """Mishap that this machine or user cannot bring about; the text says why."""


@dataclass(eq=False)
class Scene:
    """A data set, a folder to work in, and what went wrong so far.

    Attributes
    ----------
    base : Path
        Folder of the data set and the studies.
    folder : Path
        Folder of this mishap alone.
    dice : random.Random
    n_trials : int
        How often what happens at a random moment is tried.
    whole : Path
        Run that nothing happened to.
    length : float
        Its seconds.
    n_fits : int
        Fits started so far.
    faults : list of str
    """

    base: Path
    folder: Path
    dice: random.Random
    n_trials: int
    whole: Path
    length: float
    n_fits: int = 0
    faults: list[str] = field(default_factory=list)

    def start(self, output: Path, *, data: Path | None = None, options: Sequence[str] = (), **how: object) -> Fit:
        """Start a frozen fit; see `forked.start`."""
        self.n_fits += 1
        command = fit_command("frozen", self.base, output, data=data, options=options)
        return start(command, self.folder / f"log{self.n_fits}.txt", **how)  # type: ignore[arg-type]

    def ends(self, fit: Fit, what: str, run: Path, *, says: str = "") -> None:
        """Note a fault unless the fit is finished, with the bytes of the undisturbed one, and says these words."""
        code = fit.wait()
        if code != 0:
            self.faults.append(f"{what}: left with {code}: {fit.said[-400:]}")
        else:
            self.faults += [f"{what}: {name} differs" for name in differing(run, self.whole)]
        if says not in fit.said:
            self.faults.append(f"{what}: does not say {says!r}: {fit.said[-400:]}")

    def refuses(self, fit: Fit, what: str, *, says: str, codes: Sequence[int] = (1, _CANNOT_BE_USED)) -> None:
        """Note a fault unless the fit leaves in words, with one of these codes."""
        code = fit.wait()
        if code not in codes or says not in fit.said or "Traceback" in fit.said:
            self.faults.append(f"{what}: left with {code}: {fit.said[-400:]}")

    def ends_or_refuses(self, fit: Fit, run: Path, what: str, *, says: str) -> bool:
        """One of the two; whether it is finished."""
        if fit.wait() == 0:
            self.ends(fit, what, run)
            return True
        self.refuses(fit, what, says=says)
        return False


def figures_of(name: str, base: Path, dice: random.Random, *, is_quick: bool) -> dict[str, object]:
    """Figures of one mishap."""
    folder = base / f"mishap {len(list(base.iterdir()))}"
    folder.mkdir(parents=True)
    scene = Scene(base, folder, dice, 2 if is_quick else 10, *undisturbed(base))
    skipped = {}
    try:
        MISHAPS[name](scene)
    except NotHereError as reason:
        skipped = {"not_here": str(reason)}
    return {"fits": scene.n_fits, "faults": scene.faults, **skipped}


@functools.cache
def undisturbed(base: Path) -> tuple[Path, float]:
    """A run that nothing happens to, and its seconds."""
    run, begun = base / "undisturbed", time.monotonic()
    fit = start(fit_command("frozen", base, run), base / "undisturbed.txt")
    if fit.wait() != 0:
        raise SystemExit(f"the fit that is left alone fails:\n{fit.said}")
    return run, time.monotonic() - begun


def disturbed_picture(scene: Scene, disturb: Callable[[Path], None], says: Sequence[str]) -> None:
    """A picture disturbed at a random moment; put back, the same command ends as if nothing had been."""
    for trial in range(scene.n_trials):
        data, run, cache = (scene.folder / f"{name}{trial}" for name in ("data", "run", "cache"))
        shutil.copytree(scene.base / "data", data)
        options = ("--cache", str(cache))
        fit = scene.start(run, data=data, options=options)
        fit.wait(0.8 * scene.length * scene.dice.random() ** 2)  # pictures are read early
        picture = scene.dice.choice(sorted(data.rglob("*.png")))
        sound = picture.read_bytes()
        disturb(picture)
        code = fit.wait()
        if code == 0:
            if data_of(run) == data_of(scene.whole):  # else it was another picture before it was first read
                scene.ends(fit, f"trial {trial}", run)
        else:
            scene.refuses(fit, f"trial {trial}", says=picture.name)
            if not any(words in fit.said for words in says):
                scene.faults.append(f"trial {trial}: says none of {says}: {fit.said[-400:]}")
        picture.write_bytes(sound)
        if code != 0:
            if (run / "run.json").is_file():
                scene.ends_or_refuses(scene.start(run, data=data, options=options), run, "again", says="another run")
            new = scene.folder / f"new{trial}"
            scene.ends(scene.start(new, data=data, options=options), f"trial {trial}, mended", new)
        shutil.rmtree(data)


def data_of(run: Path) -> object:
    """Hash of the pictures and labels that a run was made of."""
    return json.loads((run / "run.json").read_text(encoding="utf-8"))["identity"]["data"]


def changed_picture(scene: Scene) -> None:
    """A picture is overwritten by another one."""
    other = (scene.base / "data" / "calm" / "000.png").read_bytes()
    disturbed_picture(scene, lambda picture: replace(picture, other[:-1] + b"\0"), ("changed", "damaged"))


def deleted_picture(scene: Scene) -> None:
    """A picture is deleted."""
    disturbed_picture(scene, Path.unlink, ("no such file",))


def replace(path: Path, content: bytes) -> None:
    """Give a file another content at once."""
    beside = path.with_suffix(".new")
    beside.write_bytes(content)
    beside.replace(path)


def damaged_cache(scene: Scene) -> None:
    """Entries of the cache are damaged in the middle, cut or emptied."""
    cache = scene.folder / "cache"
    options = ("--cache", str(cache))
    scene.ends(scene.start(scene.folder / "first", options=options), "first", scene.folder / "first")
    for trial in range(scene.n_trials):
        for entry in sorted(cache.rglob("*.safetensors")):
            content = bytearray(entry.read_bytes())
            middle = scene.dice.randrange(len(content) // 4, 3 * len(content) // 4)
            content[middle] ^= 1 << scene.dice.randrange(8)
            entry.write_bytes((content, content[:middle], b"")[trial % 3])
        run = scene.folder / f"run{trial}"
        scene.ends(scene.start(run, options=options), f"damage {trial}", run, says="damaged")


def shared_cache(scene: Scene) -> None:
    """Two fits on one cache at once, and two in one run folder."""
    for trial in range(scene.n_trials):
        runs = [scene.folder / f"run{trial}{letter}" for letter in "ab"]
        options = ("--cache", str(scene.folder / f"cache{trial}"))
        for fit, run in [(scene.start(run, options=options), run) for run in runs]:
            scene.ends(fit, f"pair {trial}", run)
    first, second = (scene.start(scene.folder / "same") for _ in range(2))
    codes = sorted((first.wait() or 0, second.wait() or 0))
    if codes == [0, 0]:  # one began when the other was finished
        scene.ends(second, "one folder", scene.folder / "same")
        return
    finished, refused = (first, second) if first.wait() == 0 else (second, first)
    scene.ends(finished, "one folder", scene.folder / "same")
    scene.refuses(refused, "one folder", says="Another process is working")


def interrupted(scene: Scene) -> None:
    """SIGINT at random moments, to the process or to its group; the same command goes on."""
    for trial in range(scene.n_trials):
        run, code = scene.folder / f"run{trial}", None
        for attempt in range(3):
            fit = scene.start(run)
            if fit.wait(scene.dice.uniform(0.1, scene.length)) is None:
                fit.signal(signal.SIGINT, whole_group=attempt % 2 == 0)
            code = fit.wait()
            if code == 0:
                break
            scene.refuses(fit, f"trial {trial}", says="Interrupted", codes=(130,))
        if code != 0:
            fit = scene.start(run)
        scene.ends(fit, f"trial {trial}", run)


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system of its own of a small size."""
    folder.mkdir(parents=True)
    mount(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)])
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=False)


def mount(command: list[str]) -> None:
    """Run a command that needs the rights of root."""
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise NotHereError(f"{command[0]} is not allowed to this user") from error


def full_disk(scene: Scene) -> None:
    """The disk is full, at more and more bytes: of the run folder, then of the cache; later there is room."""
    for n_kb in (4, 16, 64, 128, 256, 512):
        with small_disk(scene.folder / f"disk{n_kb}", f"{n_kb}k") as disk:
            fit = scene.start(disk / "run")
            if not scene.ends_or_refuses(fit, disk / "run", f"run folder, {n_kb} kB", says="full"):
                mount(["mount", "-o", "remount,size=64m", str(disk)])
                scene.ends(scene.start(disk / "run"), f"run folder, {n_kb} kB, room made", disk / "run")
    for n_kb in (4, 16, 64):
        with small_disk(scene.folder / f"cache{n_kb}", f"{n_kb}k") as disk:
            run = scene.folder / f"run{n_kb}"
            scene.ends(scene.start(run, options=("--cache", str(disk / "cache"))), f"cache, {n_kb} kB", run)


def limited_files(scene: Scene) -> None:
    """No file may be larger than a limit; later it may."""
    for n_bytes in (0, 100, 1_000, 10_000, 50_000):
        run, what = scene.folder / f"run{n_bytes}", f"files of at most {n_bytes} bytes"
        with said_into_a_pipe() as (pipe, said):
            scene.n_fits += 1
            fit = start(
                fit_command("frozen", scene.base, run),
                pipe,
                before=functools.partial(resource.setrlimit, resource.RLIMIT_FSIZE, (n_bytes, resource.RLIM_INFINITY)),
            )
            code, words = fit.wait(), said()
        if code != 0 and (code != 1 or "too large" not in words.lower() or "Traceback" in words):
            scene.faults.append(f"{what}: left with {code}: {words[-400:]}")
        scene.ends(scene.start(run), f"{what}, then of any size", run)


@contextlib.contextmanager
def said_into_a_pipe() -> Iterator[tuple[Path, Callable[[], str]]]:
    """Place for what a fit says that no limit of files holds for, and a call that gives it once the fit has ended."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    try:
        yield Path(f"/dev/fd/{writing}"), lambda: os.read(reading, _PIPE_BYTES).decode(errors="replace")
    finally:
        os.close(reading)
        os.close(writing)


def as_nobody() -> None:
    """Become a user without rights and without a home."""
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    os.environ["HOME"] = "/nonexistent"
    os.environ.pop("HEADSTART_CACHE", None)


def other_user(scene: Scene) -> None:
    """A user who is not root: folders and pictures that are not theirs, a home that is not there."""
    if os.geteuid():
        raise NotHereError("only root can become another user")
    for path in (scene.folder, *scene.folder.parents):
        if path.is_relative_to(scene.base):
            path.chmod(0o755)
    own = scene.folder / "own"
    own.mkdir()
    os.chown(own, NOBODY, NOBODY)
    data = scene.folder / "data"
    shutil.copytree(scene.base / "data", data)
    nobody = {"before": as_nobody}
    scene.ends(scene.start(own / "run", data=data, **nobody), "own folder", run=own / "run")
    fit = scene.start(own / "run new", data=data, options=("--cache", str(scene.folder / "new")), **nobody)
    scene.ends(fit, "cache in a folder of others", own / "run new", says="cache")
    locked_cache = scene.folder / "cache"
    locked_cache.mkdir(mode=0o700)
    fit = scene.start(own / "run locked", data=data, options=("--cache", str(locked_cache)), **nobody)
    scene.refuses(fit, "locked cache", says="not readable")
    scene.refuses(scene.start(scene.folder / "theirs", data=data, **nobody), "folder of others", says="theirs")
    locked = next(iter(sorted(data.rglob("*.png"))))
    locked.chmod(0)
    scene.refuses(scene.start(own / "locked", data=data, **nobody), "locked picture", says="permission denied")
    locked.parent.chmod(0)
    scene.refuses(scene.start(own / "folder", data=data, **nobody), "locked folder", says=locked.parent.name)
    if (own / "folder").exists():
        scene.faults.append("locked folder: something was written")
    locked.parent.chmod(0o755)


def odd_names(scene: Scene) -> None:
    """Folders with spaces, line breaks, control characters and letters, and with bytes that are no UTF-8."""
    for number, name in enumerate((b"two words", b"two\nlines", b"\x1b[31mred", "größe €".encode(), b"no \xff utf-8")):
        odd = scene.folder / os.fsdecode(name)
        data, run, cache = odd / "data", odd / "run", ("--cache", str(odd / "cache"))
        shutil.copytree(scene.base / "data", data)
        if number < 4:
            fit = scene.start(run, data=data, options=cache)
            scene.ends(fit, f"name {number}", run)
        else:
            fit = scene.start(run, data=data, options=cache)
            scene.refuses(fit, "data in a folder of no UTF-8", says="no UTF-8")
            if run.exists():
                scene.faults.append("data in a folder of no UTF-8: something was written")
            scene.ends(scene.start(run, options=cache), "run in a folder of no UTF-8", run)
        if b"\x1b[31m" in fit.log.read_bytes():
            scene.faults.append(f"name {number}: its control characters reach the terminal")
        if others := {path.name for path in odd.iterdir()} - {"data", "run", "cache"}:
            scene.faults.append(f"name {number}: {others} was written")


def read_only_cache(scene: Scene) -> None:
    """The cache lies on a disk that can only be read: empty, and with features in it."""
    with small_disk(scene.folder / "disk", "32m") as disk:
        options = ("--cache", str(disk / "cache"))
        scene.ends(scene.start(scene.folder / "first", options=options), "first", scene.folder / "first")
        mount(["mount", "-o", "remount,ro", str(disk)])
        scene.ends(scene.start(scene.folder / "kept", options=options), "features kept", scene.folder / "kept")
        fit = scene.start(scene.folder / "none", options=("--cache", str(disk / "none")))
        scene.ends(fit, "no features", scene.folder / "none", says=os.strerror(errno.EROFS).lower()[:9])


MISHAPS: dict[str, Callable[[Scene], None]] = {
    "changed picture": changed_picture,
    "deleted picture": deleted_picture,
    "damaged cache": damaged_cache,
    "shared cache": shared_cache,
    "interrupted": interrupted,
    "full disk": full_disk,
    "limited files": limited_files,
    "other user": other_user,
    "odd names": odd_names,
    "read-only cache": read_only_cache,
}
