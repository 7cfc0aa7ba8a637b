"""Fits that are killed at random moments, and other mishaps: nothing wrong is kept, and the end has the same bytes.

A frozen, a halved and a fine-tuned fit of tiny pictures are killed 30 times each, the whole process group or one worker
process alone, and begun again until they finish; then their files are compared, byte by byte, with those of a fit that
was left alone. `mishaps.py` holds what else may happen: pictures that change, full disks, other users, odd names.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import signal
import tempfile
import time
from pathlib import Path

import mishaps
from common import read, write_results
from forked import COMPARED, FITS, Fit, differing, fit_command, preload, start, write_data

_POLL_S = 0.02
_WORKER_LIFE_S = 4.0
"""A worker that is to be killed is given at most so long, from when it is first seen."""


def killed_as_a_group(fit: Fit, dice: random.Random, length: float) -> bool:
    """Kill a fit with all its processes at a random moment; whether it was still running."""
    if fit.wait(dice.uniform(0.0, length)) is not None:
        return False
    fit.signal(signal.SIGKILL)
    return fit.wait() == -signal.SIGKILL


def killed_worker(fit: Fit, dice: random.Random, faults: list[str]) -> bool:
    """Kill one worker process of a fit at a random moment of its life, and look at what the fit says."""
    while not (workers := fit.workers()):
        if fit.wait(_POLL_S) is not None:
            return False
    code = fit.wait(dice.uniform(0.0, _WORKER_LIFE_S))
    alive = [one for one in fit.workers() if one in workers]
    if code is not None or not alive:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(dice.choice(alive), signal.SIGKILL)
    code = fit.wait()
    if code not in (0, 1) or (code == 1 and "worker process" not in fit.said):
        faults.append(f"left with {code}: {fit.said[-300:]}")
    if "Traceback" in fit.said:
        faults.append(f"traceback: {fit.said[-300:]}")
    return True


def kills_of(kind: str, target: str, base: Path, n_kills: int, dice: random.Random) -> dict[str, object]:
    """Figures of a kind of fit killed so many times, as a group or worker by worker."""
    faults: list[str] = []
    threads = ("--threads", "1" if target == "group" else "2")
    folder = base / f"{kind} {target}"
    begun = time.monotonic()
    whole = start(fit_command(kind, base, folder / "whole", options=threads), base / "whole.txt")
    if whole.wait() != 0:
        raise SystemExit(f"the fit that is left alone fails:\n{whole.said}")
    length = time.monotonic() - begun
    n_killed = n_runs = 0
    while n_killed < n_kills:
        n_runs += 1
        run = folder / f"killed{n_runs}"
        command = fit_command(kind, base, run, options=threads)
        code: int | None = None
        while code is None and n_killed < n_kills:
            fit = start(command, base / "killed.txt")
            is_killed = killed_as_a_group(fit, dice, length) if target == "group" else killed_worker(fit, dice, faults)
            n_killed += is_killed
            code = None if is_killed else fit.wait()
        if code is None:
            fit = start(command, base / "killed.txt")
            code = fit.wait()
        if code != 0:
            faults.append(f"run {n_runs} cannot be finished: {fit.said[-300:]}")
        faults += [f"run {n_runs}: {name} differs" for name in differing(run, folder / "whole")]
        shutil.rmtree(run, ignore_errors=True)
    return {"kills": n_killed, "runs": n_runs, "seconds_of_a_whole_run": round(length, 1), "faults": faults}


def main() -> int:
    """Kill, disturb, finish, compare; 1 when anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=30, help="of each kind of fit, for each target")
    parser.add_argument(
        "--only", help="parts, comma-separated: KIND:group, KIND:worker, names of mishaps; figures of the others stay"
    )
    parser.add_argument("--quick", action="store_true", help="two kills of each; keeps no figures")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    kills = [f"{kind}:{target}" for target in ("group", "worker") for kind in FITS]
    parts = options.only.split(",") if options.only else [*kills, *mishaps.MISHAPS]
    if unknown := [part for part in parts if part not in (*kills, *mishaps.MISHAPS)]:
        parser.error(f"no such part: {', '.join(unknown)}; there are {', '.join((*kills, *mishaps.MISHAPS))}")
    preload()
    figures: dict[str, dict[str, object]] = {}
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        write_data(base)
        for part in parts:
            kind, _, target = part.partition(":")
            dice = random.Random(f"{options.seed} {part}")
            if target:
                figures[part] = kills_of(kind, target, base, 2 if options.quick else options.kills, dice)
            else:
                figures[part] = mishaps.figures_of(part, base, dice, is_quick=options.quick)
            print(part, figures[part], flush=True)
    faulty = [part for part, found in figures.items() if found["faults"]]
    if not options.quick:
        kept = read("kills")["parts"] if options.only else {}
        write_results("kills", {"compared": list(COMPARED), "parts": kept | figures})
    print(f"{len(figures)} parts; with faults: {', '.join(faulty) or 'none'}")
    return 1 if faulty else 0


if __name__ == "__main__":
    raise SystemExit(main())
