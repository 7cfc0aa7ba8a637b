"""Killed at random moments: a fit that is killed again and again ends with the same bytes as one left alone."""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import headstart, write_results

from headstart.samples.solar_cells import CLASSES, solar_cells

N_IMAGES = 600
COMPARED = ("results.json", "predictions.csv", "split.json", "model/head.safetensors")


def write_manifest(path: Path) -> None:
    """A manifest of every fourth solar cell or so, to keep one run short."""
    cells = solar_cells()
    step = len(cells.names) // N_IMAGES
    rows = [f"{name},{CLASSES[int(p > 0.5)]}" for name, p in zip(cells.names, cells.probability, strict=True)]
    path.write_text("\n".join(["image,label", *rows[::step]]) + "\n", encoding="utf-8")


def arguments(manifest: Path, output: Path) -> list[str]:
    """The command that is killed and repeated."""
    root = str(solar_cells().folder)
    return ["fit", str(manifest), "-o", str(output), "--root", root, "--input-size", "128", "--no-cache", "-q"]


def main() -> int:
    """Kill, repeat, finish, compare; 1 when a byte differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    dice = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_manifest(folder / "cells.csv")
        length, _ = headstart(*arguments(folder / "cells.csv", folder / "whole"), cache=folder / "cache")
        kills, rounds, mismatches = 0, 0, []
        while kills < options.kills:
            rounds += 1
            killed = folder / f"killed{rounds}"
            kills += kill_until_done(arguments(folder / "cells.csv", killed), length, dice, options.kills - kills)
            mismatches += [
                f"round {rounds}: {file}"
                for file in COMPARED
                if (killed / file).read_bytes() != (folder / "whole" / file).read_bytes()
            ]
            shutil.rmtree(killed)
    write_results(
        "kills",
        {"kills": kills, "runs": rounds, "seconds_of_a_whole_run": round(length, 1), "mismatches": mismatches},
    )
    print(f"{kills} kills over {rounds} runs of {length:.0f} s; files that differ: {mismatches or 'none'}")
    return 1 if mismatches else 0


def kill_until_done(command: list[str], length: float, dice: random.Random, limit: int) -> int:
    """Start the command and kill it at a random moment, up to `limit` times, then let it finish; number of kills."""
    kills = 0
    while kills < limit:
        process = subprocess.Popen(
            [sys.executable, "-m", "headstart", *command],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            process.wait(timeout=dice.uniform(1.0, length))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            kills += 1
            time.sleep(0.2)
            continue
        if process.returncode:
            raise SystemExit(f"the run left with {process.returncode} instead of finishing")
        return kills
    done = subprocess.run([sys.executable, "-m", "headstart", *command], check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"the run could not be finished:\n{done.stderr}")
    return kills


if __name__ == "__main__":
    raise SystemExit(main())
