"""Against Keras 3 (on JAX) and fastai: from a folder of files to features, end to end, on the same files.

Each peer does what its documentation shows, on random weights of the same architecture, 224 pixels, solar cells as PNG
files of 300 x 300 pixels: see `peer_keras.py` and `peer_fastai.py`. They run in an environment of their own,
``benchmarks/.peers``, which is made here on first use (from the package index that pip is set up for; 2 GB on disk).
All take turns, round by round. Compiling, converting and opening the model, choosing the engine and the first batch
are not in the rounds: they are shown as seconds until ready. Keras is also run in its mixed precision, which its users
must ask for; headstart must be 2.5 times as fast as the fastest way of each peer. About 13 minutes on two cores besides
the installation; ``--quick`` about 5, without judging targets.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from common import table, write_results
from pictures import write_cells
from pipeline import end_to_end
from timing import in_turn, ratio, spread

from headstart.backbones.backbone import load_backbone
from headstart.data import ImageDataset, ImageResize
from headstart.features.engine_selection.request import EngineRequest
from headstart.features.engine_selection.select import EngineSelector
from headstart.features.extractor import Extractor
from headstart.runtime.machine import available_processors

TARGET: Final = 2.5
HERE: Final = Path(__file__).parent
HOME: Final = HERE / ".peers"
TORCH: Final = tuple(f"{name}=={importlib.metadata.version(name).split('+')[0]}" for name in ("torch", "torchvision"))
# keras-tuner imports six without asking for it
TUNER: Final = ("keras-tuner==1.4.8", "six==1.17.0")
PEERS: Final = (*TORCH, "keras==3.15.1", *TUNER, "jax==0.10.2", "grain==0.2.18", "pillow==13.0.0")
# fastai wants torch below 3 and spacy, which only its text models use: its own needs for pictures are listed instead
ALONE: Final = ("fastai==2.8.12",)
NEEDS_OF_FASTAI: Final = (
    "fastdownload<2,>=0.0.8",
    "fastcore>=2.2.22",
    "fasttransform>=0.0.3",
    "fastprogress>=0.2.4",
    "plum-dispatch<2.10",
    "matplotlib",
    "pandas",
    "requests",
    "pyyaml",
    "scikit-learn",
    "scipy",
    "packaging",
    "cloudpickle",
)
SHOWN: Final = ("keras", "keras-tuner", "jax", "jaxlib", "grain", "fastai", "torch", "torchvision", "pillow", "numpy")
N_IMAGES: Final = {"vgg19": 64, "resnet50": 192, "densenet121": 192}
HEADSTART: Final = "headstart"


@dataclass(frozen=True)
class Peer:
    """One way of a peer to get features.

    Attributes
    ----------
    name : str
        Of the library.
    label : str
    script : str
        Run in the peers' environment with folder, architecture and `options`.
    options : tuple of str
    """

    name: str
    label: str
    script: str
    options: tuple[str, ...] = ()


WAYS: Final = (
    Peer("Keras", "Keras + JAX", "peer_keras.py", ("float32",)),
    Peer("Keras", "Keras + JAX, mixed_bfloat16", "peer_keras.py", ("mixed_bfloat16",)),
    Peer("fastai", "fastai", "peer_fastai.py"),
)


def environment() -> Path:
    """Python of the peers' environment, which is made where it is missing or was made for other versions."""
    python = HOME / "bin" / "python"
    wanted = "\n".join((*PEERS, *ALONE, *NEEDS_OF_FASTAI))
    note = HOME / "installed.txt"
    if note.is_file() and note.read_text(encoding="utf-8") == wanted:
        return python
    print(f"installing the peers into {HOME}", flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(HOME)], check=True)
    for packages, options in ((PEERS, ()), (ALONE, ("--no-deps",)), (NEEDS_OF_FASTAI, ())):
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        done = subprocess.run([*pip, *options, *packages], capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"The peers cannot be installed:\n{done.stderr}")
    note.write_text(wanted, encoding="utf-8")
    return python


def versions(python: Path) -> dict[str, str]:
    """Versions of the peers and of what computes for them."""
    listed = subprocess.run([str(python), "-m", "pip", "list", "--format=json"], capture_output=True, check=True)
    found = {row["name"].lower(): row["version"] for row in json.loads(listed.stdout)}
    return {name: found[name] for name in SHOWN}


class Worker:
    """A peer in a process of its own, which does one piece of work for every line it is given.

    Parameters
    ----------
    command : sequence of str
    log : Path
        What it says on stderr.
    n_images : int
        Rows that a round of `images_per_s` must give.
    """

    def __init__(self, command: Sequence[str], log: Path, n_images: int = 0) -> None:
        self._log = log
        self._n_images = n_images
        with log.open("w", encoding="utf-8") as errors:
            self._process = subprocess.Popen(
                list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
            )
        self.ready_s = float(self._answer()["ready_s"])

    def images_per_s(self) -> float:
        """One round."""
        answer = self.ask("go")
        if answer["shape"][0] != self._n_images:
            raise SystemExit(f"{self._log.name}: {answer['shape'][0]} rows for {self._n_images} files")
        return self._n_images / float(answer["seconds"])

    def ask(self, line: str) -> dict[str, Any]:
        """Answer to one line."""
        stdin = self._pipe(self._process.stdin)
        stdin.write(line + "\n")
        stdin.flush()
        return self._answer()

    def close(self) -> None:
        """End the process."""
        self._pipe(self._process.stdin).close()
        self._process.wait()

    def _answer(self) -> dict[str, Any]:
        for line in self._pipe(self._process.stdout):
            if line.startswith("{"):
                return dict(json.loads(line))
        raise SystemExit(f"{self._log.name} ended:\n{self._log.read_text(encoding='utf-8')}")

    @staticmethod
    def _pipe(stream: IO[str] | None) -> IO[str]:
        if stream is None:
            raise SystemExit("The peer was started without pipes.")
        return stream


def measure(architecture: str, folder: Path, python: Path, n_rounds: int) -> dict[str, Any]:
    """Headstart and all peers on one architecture and the files of one folder."""
    paths = sorted((folder / "cells").rglob("*.png"))
    start = time.perf_counter()
    dataset, extractor = headstart_side(architecture, paths)
    ready = {HEADSTART: time.perf_counter() - start}
    actions: dict[str, Callable[[], float]] = {
        HEADSTART: lambda: end_to_end(dataset, extractor, len(paths)).images_per_s
    }
    workers = {}
    try:
        for way in WAYS:
            command = [str(python), str(HERE / way.script), str(folder / "cells"), architecture, *way.options]
            workers[way.label] = Worker(command, folder / f"{way.label}.log", len(paths))
            ready[way.label] = workers[way.label].ready_s
        actions |= {label: worker.images_per_s for label, worker in workers.items()}
        rounds = in_turn(actions, n_rounds)
    finally:
        for worker in workers.values():
            worker.close()
    return summary(rounds, ready, extractor.engine.label, len(paths))


def headstart_side(architecture: str, paths: list[Path]) -> tuple[ImageDataset, Extractor]:
    """The files as a data set, and the engine that headstart chooses for them unasked, converted and warm."""
    backbone = load_backbone(architecture, weights="random")
    preparation = ImageResize(backbone.input_size, interpolation=backbone.interpolation)
    files = ImageDataset.from_files(paths)
    dataset = files.with_hashes([files.content_hash(row) for row in range(len(files))])
    request = EngineRequest(n_threads=available_processors())
    extractor = EngineSelector(backbone, preparation, dataset, request).select().extractor
    end_to_end(dataset, extractor, 32)
    return dataset, extractor


def summary(rounds: dict[str, list[float]], ready: dict[str, float], engine: str, n_images: int) -> dict[str, Any]:
    """Medians, and how many times as fast headstart is as the fastest way of each peer."""
    speeds = {label: statistics.median(values) for label, values in rounds.items()}
    times: dict[str, dict[str, Any]] = {}
    for name in dict.fromkeys(way.name for way in WAYS):
        best = max((way.label for way in WAYS if way.name == name), key=speeds.__getitem__)
        times[name] = {"fastest": best, "times": ratio(rounds[HEADSTART], rounds[best])}
    return {
        "n_images": n_images,
        "engine": engine,
        "images_per_s": speeds,
        "spread": {label: spread(values) for label, values in rounds.items()},
        "ready_s": ready,
        "times_as_fast": times,
        "met": all(row["times"] >= TARGET for row in times.values()),
    }


def main() -> int:
    """Measure, print; 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="BACKBONE", help=f"which of {', '.join(N_IMAGES)} [default: all]")
    parser.add_argument("--quick", action="store_true", help="1 round; leaves the kept figures alone")
    options = parser.parse_args()
    python = environment()
    n_rounds = 1 if options.quick else 5
    found = {}
    for name in options.names or N_IMAGES:
        with tempfile.TemporaryDirectory() as folder:
            write_cells(Path(folder) / "cells", N_IMAGES[name])
            found[name] = measure(name, Path(folder), python, n_rounds)
    write_results(
        "peers-quick" if options.quick or options.names else "peers",
        {"n_rounds": n_rounds, "versions": versions(python), "backbones": found},
    )
    print_tables(found)
    return 0 if options.quick or all(row["met"] for row in found.values()) else 1


def print_tables(found: dict[str, dict[str, Any]]) -> None:
    """Images per second end to end with the seconds until ready in brackets; then the targets."""
    labels = list(next(iter(found.values()))["images_per_s"])
    print("Images per second, files to features (in brackets: seconds until ready)\n")
    cells = [
        [
            name,
            row["n_images"],
            *(f"{row['images_per_s'][label]:.1f} ({row['ready_s'][label]:.0f})" for label in labels),
        ]
        for name, row in found.items()
    ]
    print(table(["backbone", "images", *labels], cells), end="\n\n")
    columns = ["backbone", "engine", "times Keras", "times fastai", f"asked: {TARGET}"]
    lines = [
        [
            name,
            row["engine"],
            *(f"{row['times_as_fast'][peer]['times']:.1f}" for peer in ("Keras", "fastai")),
            "met" if row["met"] else "MISSED",
        ]
        for name, row in found.items()
    ]
    print(table(columns, lines))


if __name__ == "__main__":
    raise SystemExit(main())
