"""Streams watched: alarms promised and raised, speed, latency, memory over a day, kills; SKAB without labels.

The ring is simulated (`headstart signals simulate`), with seeds that nothing else uses. Parts: ``promise``, one alarm a
day promised from 14 normal days and counted on 30 others, as measured (the drift of a day is more than its start can
tell), and a fault of a kind that was never simulated; ``speed``, windows in a second of ``watch`` on a run with
EfficientNet-Lite0 at 128 px, cut behind the block that features are taken from (block 4, as docs/signals.md does, and
beside it all stages, as a fit does unasked), every sample ending a window, and the latency from line to line at 20
windows a second; ``day``, a day at 1 Hz replayed; ``kills``, a watch killed 20 times; ``skab``, normal running learned
from the first 400 rows of each recording, all rows judged without looking ahead, beside every row called an anomaly and
beside a clock. Each part replaces its own figures alone.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from common import table
from signals_methods import Parts

from headstart.model.detector import Detector, fit_detector
from headstart.signals.dataset import recipe_of
from headstart.signals.judging import alarm_spans
from headstart.signals.live.alarms import Hysteresis
from headstart.signals.readers.read import read_recordings
from headstart.signals.recording import NORMAL, Recording
from headstart.signals.simulated_ring import Ring, simulate
from headstart.signals.span import Span
from headstart.signals.standardise import standardised
from headstart.signals.windows import Windowing, Windows, cut_windows
from headstart.workflow.options.fit import FitOptions
from headstart.workflow.options.signals import SignalOptions
from headstart.workflow.signals import fit_signals
from headstart.workflow.signals_model import open_stream_model
from headstart.workflow.signals_watch import WatchOptions, watch

PARTS = ("promise", "speed", "day", "kills", "skab")
SEED = 52_909
DAY_MINUTES = 1440
NORMAL_ROWS = 400
CUTS = {"speed": "block4:rows", "speed_of_all_stages": "multi"}
"""Features of the runs whose speed is measured; what is asked for is asked of the first."""
TARGETS = {"alarms per day": (0.5, 2.0), "windows per second": 200, "latency ms": 50, "growth MB": 10}


@dataclass(frozen=True)
class Sizes:
    """How much is run."""

    learned_days: int
    judged_days: int
    fit_minutes: int
    n_lines: int
    latency_s: int
    day_s: int
    n_kills: int


FULL = Sizes(learned_days=14, judged_days=30, fit_minutes=60, n_lines=6000, latency_s=60, day_s=86_400, n_kills=20)
QUICK = Sizes(learned_days=7, judged_days=2, fit_minutes=20, n_lines=600, latency_s=5, day_s=5_000, n_kills=3)


def normal_days(n: int, seed: int) -> list[Recording]:
    """Days of a simulated ring in which nothing happens."""
    return [one.recording for one in simulate(Ring(n, DAY_MINUTES, events_per_hour=0, seed=seed))]


def cut(
    recordings: list[Recording], *, window: int = 60, stride: int = 60, reference: int = 300
) -> tuple[Windows, Any]:
    """Windows of recordings and their recipe, in samples."""
    spans = [Span(samples, in_samples=True) for samples in (window, stride, reference)]
    how = Windowing(spans[0], spans[1], reference=spans[2], parts=1)
    windows = cut_windows(recordings, how)
    return windows, recipe_of(windows, how, standardise=None, image="level", with_statistics=True)


def promise(sizes: Sizes) -> dict[str, Any]:
    """Alarms a day on normal days that were not learned from, and whether a new fault is unlike anything seen."""
    days = normal_days(sizes.learned_days + sizes.judged_days, SEED)  # of one ring
    detector = fit_detector(*cut(days[: sizes.learned_days], reference=0), per_day=1.0)
    counts, noticed = [], []
    for recording in days[sizes.learned_days :]:
        counts.append(len(_alarms(detector, recording)))
        noticed.append(_unlike_share(detector, recording))
    low, high = detector.rate.interval
    return {
        "promised": 1.0,
        "ci95": [low, high],
        "learned_days": sizes.learned_days,
        "judged_days": sizes.judged_days,
        "alarms": counts,
        "alarms_per_day": float(np.mean(counts)),
        "share_of_a_new_fault_unlike_anything_seen": float(np.mean(noticed)),
    }


def _alarms(detector: Detector, recording: Recording) -> Any:
    windows, recipe = cut([recording], reference=0)
    scores = detector.scores(standardised(windows, recipe.standardise))
    beyond = detector.rate.p_values(scores) <= detector.rate.p_threshold
    return alarm_spans(windows.start * 1.0, 60.0, beyond, Hysteresis())


def _unlike_share(detector: Detector, recording: Recording) -> float:
    """Share of windows called unlike anything seen while all gauges swing together, ten seconds to a period."""
    values = recording.values[:3600].copy()
    swing = np.sin(np.arange(2400) * 2 * np.pi / 10)
    values[1200:, 1:] *= 10 ** (0.3 * swing)[:, None]
    faulty = Recording(recording.name, recording.channels, values, recording.period_s)
    windows, recipe = cut([faulty], reference=0)
    unlike = detector.rate.unlike_anything_seen(detector.scores(standardised(windows, recipe.standardise)))
    return float(unlike[windows.start >= 1200].mean())


def write_lines(path: Path, recording: Recording, n_lines: int) -> list[str]:
    """The beginning of a recording as a CSV; its lines."""
    rows = recording.values[:n_lines].tolist()
    lines = [",".join(["time", *recording.channels])]
    lines += [",".join([repr(recording.time_of(place)), *map(repr, row)]) for place, row in enumerate(rows)]
    path.write_text("\n".join(lines) + "\n")
    return lines


def watch_command(model: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "headstart", "signals", "watch", str(model), *arguments]


def speed_of(folder: Path, features: str, sizes: Sizes) -> dict[str, Any]:
    """Windows in a second and latency of a run with EfficientNet-Lite0 at 128 px, a window for every sample."""
    ring = folder / "ring"
    ring.mkdir(parents=True)
    for place, one in enumerate(simulate(Ring(6, sizes.fit_minutes, seed=SEED + 100))):
        labels = np.array(one.recording.labels) != NORMAL
        lines = write_lines(ring / f"{place}.csv", one.recording, len(one.recording))
        labelled = [f"{lines[0]},anomaly", *(f"{line},{int(on)}" for line, on in zip(lines[1:], labels, strict=True))]
        (ring / f"{place}.csv").write_text("\n".join(labelled) + "\n")
    options = FitOptions(
        input_size=128,
        features=features,
        split="nested:3x2",
        baselines=False,
        explanations=False,
        images=False,
        seed=SEED,
        offline=True,
    )
    run = fit_signals(ring, folder / "run", SignalOptions(window="60s", reference="300s"), options)
    _set_stride(folder / "run", 1)
    recording = simulate(Ring(1, max(60, sizes.n_lines / 60 + 10), seed=SEED + 101))[0].recording
    write_lines(folder / "live.csv", recording, sizes.n_lines)
    n_windows, n_alarms, seconds, cpu_seconds = _throughput(folder, run.folder)
    latencies = np.array(_latencies(run.folder, (folder / "live.csv").read_text().splitlines(), sizes.latency_s))
    return {
        "features": features,
        "windows": n_windows,
        "alarms": n_alarms,
        "seconds": round(seconds, 2),
        "windows_per_second": n_windows / seconds,
        "cpu_ms_a_window": round(1000 * cpu_seconds / n_windows, 2),
        "latency_ms": {f"p{share}": float(1000 * np.percentile(latencies, share)) for share in (50, 99)},
        "n_latencies": len(latencies),
        "engine": run.results.to_json().get("sources", [{}])[0].get("engine"),
    }


def _set_stride(run: Path, stride: int) -> None:
    """Let every sample end a window: the pictures stay, only more of them are looked at."""
    for path in (run / "signals.json", run / "model" / "signals.json"):
        stored = json.loads(path.read_text())
        stored["recipe"]["stride"] = stride
        path.write_text(json.dumps(stored))


def _throughput(folder: Path, run: Path) -> tuple[int, int, float, float]:
    """Windows and alarms of a replay of a file, its seconds and those of the processor, once all is made ready."""
    watcher = open_stream_model(run)
    options = WatchOptions(source=str(folder / "live.csv"), output=folder / "live.jsonl", follow=False)
    shape = (1, watcher.recipe.length, len(watcher.recipe.channels))
    watcher.judge(np.zeros(shape, dtype=np.float32), np.zeros(shape))
    start, cpu_start = time.perf_counter(), time.process_time()
    counts = watch(watcher, options, say=lambda sentence: None)
    return counts.windows, counts.alarms, time.perf_counter() - start, time.process_time() - cpu_start


def _latencies(run: Path, lines: list[str], seconds: int) -> list[float]:
    """Seconds from a line in to the line out that it makes, at 20 a second."""
    sent: dict[int, float] = {}
    command = watch_command(run)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write("\n".join([*lines[:361], ""]).encode())  # header, reference and the first window
        process.stdin.flush()
        process.stdout.readline()  # it is loaded and warm
        received: list[float] = []
        reader = threading.Thread(target=lambda: received.extend(_moments(process.stdout or ())))
        reader.start()
        start = time.perf_counter()
        for place, line in enumerate(lines[361 : 361 + 20 * seconds]):
            time.sleep(max(0.0, start + place / 20 - time.perf_counter()))
            sent[place] = time.perf_counter()
            process.stdin.write(f"{line}\n".encode())
            process.stdin.flush()
        process.stdin.close()
        reader.join()
    return [after - sent[place] for place, after in enumerate(received)]


def _moments(lines: Iterable[bytes]) -> Iterator[float]:
    """When the line of each window came; what explains an alarm belongs to a window of before."""
    for line in lines:
        moment = time.perf_counter()
        if b'"change": "explained"' not in line:
            yield moment


def saved_detector(folder: Path) -> Path:
    """A detector of two normal hours."""
    recordings = [one.recording for one in simulate(Ring(5, 60, events_per_hour=0, seed=SEED + 200))]
    fit_detector(*cut(recordings, stride=10)).save(folder / "detector")
    return folder / "detector"


def day(folder: Path, detector: Path, sizes: Sizes) -> dict[str, Any]:
    """Memory of a watch over a day of samples, after a fifth of it and at its end."""
    recording = simulate(Ring(1, sizes.day_s / 60, seed=SEED + 300))[0].recording
    write_lines(folder / "day.csv", recording, sizes.day_s)
    arguments = ("-i", str(folder / "day.csv"), "--once", "--state", str(folder / "day.json"))
    n_expected = (sizes.day_s - 360) // 10
    resident = []
    with subprocess.Popen(
        watch_command(detector, *arguments), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        start = time.perf_counter()
        for place, _ in enumerate(process.stdout):
            if place % max(1, n_expected // 20) == 0 and process.poll() is None:
                resident.append(_resident_mb(process.pid))
        seconds = time.perf_counter() - start
    early = resident[len(resident) // 5]
    return {
        "seconds": round(seconds, 1),
        "samples": sizes.day_s,
        "resident_mb": resident,
        "growth_mb": resident[-1] - early,
    }


def _resident_mb(process_id: int) -> float:
    pages = int(Path(f"/proc/{process_id}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def kills(folder: Path, detector: Path, sizes: Sizes) -> dict[str, Any]:
    """Lines that a watch leaves which was killed again and again, against one that was not."""
    recording = simulate(Ring(1, 120, seed=SEED + 400))[0].recording
    lines = write_lines(folder / "whole.csv", recording, len(recording))
    subprocess.run(
        watch_command(detector, "-i", str(folder / "whole.csv"), "--once", "-o", str(folder / "whole.jsonl")),
        stderr=subprocess.DEVNULL,
        check=True,
    )
    rng, given = np.random.default_rng(SEED), 1
    grown, output, state = folder / "grown.csv", folder / "killed.jsonl", folder / "killed.json"
    grown.write_text(lines[0] + "\n")
    arguments = ("-i", str(grown), "-o", str(output), "--state", str(state))
    for _ in range(sizes.n_kills):
        process = subprocess.Popen(watch_command(detector, *arguments), stderr=subprocess.DEVNULL)
        until = time.perf_counter() + rng.uniform(1.0, 4.0)
        with open(grown, "a") as handle:
            while time.perf_counter() < until:
                more = lines[given : given + 20]
                handle.write("".join(f"{line}\n" for line in more))
                handle.flush()
                given += len(more)
                time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
    with open(grown, "a") as handle:
        handle.write("".join(f"{line}\n" for line in lines[given:]))
    subprocess.run(watch_command(detector, *arguments, "--once"), stderr=subprocess.DEVNULL, check=True)
    whole, killed = ((folder / name).read_bytes() for name in ("whole.jsonl", "killed.jsonl"))
    alarms = [json.loads(line)["alarm"] for line in whole.splitlines()]
    return {
        "n_kills": sizes.n_kills,
        "lines": len(alarms),
        "alarms": len({one for one in alarms if one}),
        "same_bytes": whole == killed,
    }


def skab(folder: Path) -> dict[str, Any]:
    """Rows of SKAB judged one recording at a time, from its own first 400 rows; no row sees what comes after it."""
    true, flagged, late = [], [], []
    for recording in read_recordings(folder / "valve1"):
        start = Recording(recording.name, recording.channels, recording.values[:NORMAL_ROWS], recording.period_s)
        windows, recipe = cut([start], stride=1, reference=0)
        detector = fit_detector(windows, recipe, block_s=60.0)
        everything, _ = cut([recording], stride=1, reference=0)
        beyond = detector.scores(standardised(everything, recipe.standardise)) > detector.rate.threshold
        flags = np.zeros(len(recording), dtype=bool)
        ends = everything.start + everything.length - 1
        flags[ends[ends >= NORMAL_ROWS]] = beyond[ends >= NORMAL_ROWS]
        flagged.append(flags)
        true.append(np.array([label != NORMAL for label in recording.labels or ()]))
        late.append(np.arange(len(recording)) >= 572)
    truth = np.concatenate(true)
    return {
        "rows": len(truth),
        **{
            name: _row_scores(truth, np.concatenate(rows))
            for name, rows in {
                "one_class": flagged,
                "all_positive": [np.ones(len(one), dtype=bool) for one in true],
                "clock": late,
            }.items()
        },
    }


def _row_scores(true: Any, flags: Any) -> dict[str, float]:
    hits = int((true & flags).sum())
    return {
        "f1": 2 * hits / int(true.sum() + flags.sum()),
        "false_alarm_rate": float(flags[~true].mean()),
        "missed_rate": float(1 - flags[true].mean()),
    }


def main() -> int:
    """Run the parts; 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=PARTS, help=f"which of {', '.join(PARTS)} [default: all]")
    parser.add_argument("--quick", action="store_true", help="a little of everything, no targets")
    options = parser.parse_args()
    sizes, parts = QUICK if options.quick else FULL, Parts("signals_watch", quick=options.quick)
    found = parts.found
    found["seed"] = SEED
    data = os.environ.get("HEADSTART_TEST_DATA")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if "promise" in options.parts:
            parts.keep("promise", promise(sizes))
        if "speed" in options.parts:
            for part, features in CUTS.items():
                parts.keep(part, speed_of(folder / part, features, sizes))
        if {"day", "kills"} & set(options.parts):
            detector = saved_detector(folder)
            for part, measure in (("day", day), ("kills", kills)):
                if part in options.parts:
                    parts.keep(part, measure(folder, detector, sizes))
        if "skab" in options.parts and data:
            parts.keep("skab", skab(Path(data) / "skab"))
    print(table(["figure", "measured", "target"], _rows(found)))
    missed = [] if options.quick else _missed(found)
    print("\n".join(missed))
    return 1 if missed else 0


def _rows(found: dict[str, Any]) -> list[list[str]]:
    rows = []
    if "promise" in found:
        one = found["promise"]
        rows.append([f"alarms a day on {one['judged_days']} normal days", f"{one['alarms_per_day']:.2f}", "0.5 to 2"])
        share = one["share_of_a_new_fault_unlike_anything_seen"]
        rows.append(["windows of a new fault unlike anything seen", f"{100 * share:.0f} %", "-"])
    for part, (rate, latency) in {"speed": ("200", "50 ms"), "speed_of_all_stages": ("-", "-")}.items():
        if one := found.get(part):
            named = CUTS[part]
            rows.append([f"{named}: windows in a second", f"{one['windows_per_second']:.0f}", rate])
            rows.append([f"{named}: latency, median", f"{one['latency_ms']['p50']:.0f} ms", "-"])
            rows.append([f"{named}: latency, 99th percentile", f"{one['latency_ms']['p99']:.0f} ms", latency])
    if "day" in found:
        rows.append(["growth of memory over a day", f"{found['day']['growth_mb']:.1f} MB", "10 MB"])
    if "kills" in found:
        one = found["kills"]
        rows.append(
            [f"{one['n_kills']} kills, {one['alarms']} alarms", "same" if one["same_bytes"] else "other", "same"]
        )
    for name in ("one_class", "all_positive", "clock") if "skab" in found else ():
        one = found["skab"][name]
        rows.append([f"SKAB rows, {name}: F1, false alarms", f"{one['f1']:.3f}, {one['false_alarm_rate']:.3f}", "-"])
    return rows


def _missed(found: dict[str, Any]) -> list[str]:
    """Targets that were missed, in words."""
    missed = []
    low, high = TARGETS["alarms per day"]
    if "promise" in found and not low <= found["promise"]["alarms_per_day"] <= high:
        missed.append(f"{found['promise']['alarms_per_day']:.2f} alarms a day, asked for {low} to {high}")
    if "speed" in found and found["speed"]["windows_per_second"] < TARGETS["windows per second"]:
        missed.append(f"{found['speed']['windows_per_second']:.0f} windows in a second, asked for 200")
    if "speed" in found and found["speed"]["latency_ms"]["p99"] > TARGETS["latency ms"]:
        missed.append(f"latency of {found['speed']['latency_ms']['p99']:.0f} ms, at most 50 were asked for")
    if "day" in found and found["day"]["growth_mb"] > TARGETS["growth MB"]:
        missed.append(f"memory grew by {found['day']['growth_mb']:.0f} MB")
    if "kills" in found and not found["kills"]["same_bytes"]:
        missed.append("a watch that was killed left other lines")
    return missed


if __name__ == "__main__":
    raise SystemExit(main())
