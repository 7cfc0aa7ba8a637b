"""No clock decides a number: with a clock that tells any time, every fit of one input ends with the same bytes."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import helpers
import numpy as np
import pytest

import headstart
from headstart.engines import capabilities
from headstart.engines import fallback as machine
from headstart.errors import InputError
from headstart.features.engine_selection import rule, select
from headstart.heads import faster_precision
from headstart.study.execution.journal import Journal
from headstart.study.finetuning import budget as finetuning_budget

HEADS = """
[[head]]
kind = "logistic"

[[head]]
kind = "dense"
epochs = [5]
"""
FROZEN: dict[str, Any] = {"split": "nested:2x2", "features": "last"}
FINE_TUNED = {**FROZEN, "strategy": "fine-tune", "unlock": 1, "fine_tuning": "epochs=2,batch_size=8"}
WRITTEN = ("results.json", "predictions.csv", "split.json", "model/model.json")
CLOCKS = ("perf_counter", "monotonic", "process_time", "time")


@pytest.fixture
def random_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every look of headstart's at a clock gives another time, up to a day away; other libraries see the true one."""
    draws = np.random.default_rng()

    def told(real: Callable[[], float]) -> float:
        ours = sys._getframe(2).f_globals.get("__name__", "").startswith("headstart")
        return float(draws.uniform(0, 86_400)) if ours else real()

    for name in CLOCKS:
        real = getattr(time, name)
        monkeypatch.setattr(time, name, lambda real=real: told(real))


@pytest.fixture
def bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor with bf16 arithmetic for torch, whatever this one has, and work that is worth another engine."""
    for module in (capabilities, rule, machine, finetuning_budget):
        monkeypatch.setattr(module, "torch_precisions", lambda device: ("fp32", "bf16"))
    monkeypatch.setattr(select, "WORTH_AN_ENGINE", 0.0)


def fit_in_pieces(data: Path, folder: Path, options: Any, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, int]:
    """A fit that is killed after every third work item, and begun again; the run and the number of kills."""
    put = Journal.put
    done: set[str] = set()

    def last(self: Journal, key: str, tensors: Any) -> None:
        put(self, key, tensors)
        if key not in done:
            done.add(key)
            if len(done) % 3 == 0:
                raise KeyboardInterrupt

    for n_kills in range(100):
        try:
            with monkeypatch.context() as patch:
                patch.setattr(Journal, "put", last)
                return headstart.fit(data, folder, options), n_kills
        except KeyboardInterrupt:
            continue
    raise AssertionError("The fit never ends.")


@pytest.mark.filterwarnings("ignore:.*bf16:UserWarning")
@pytest.mark.parametrize("asked", [FROZEN, FINE_TUNED])
def test_any_clock_gives_the_same_bytes(
    asked: dict[str, Any],
    random_clock: None,
    bf16: None,
    no_figures: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Cold (no cache, or an empty one), warm (where heads are all that is trained), and killed again and again."""
    data = helpers.write_folders(tmp_path / "data", 24)
    study = helpers.write_text(tmp_path / "study.toml", HEADS)
    asked = {**asked, "study": study}
    caches: list[str | None] = [None, *[str(tmp_path / "cache")] * (1 if "strategy" in asked else 2)]
    expected: dict[str, bytes] = {}
    for number, cache in enumerate(caches):
        run = headstart.fit(data, tmp_path / f"run{number}", helpers.options(**asked, cache=cache))
        found = {name: (run.folder / name).read_bytes() for name in WRITTEN}
        assert found == (expected or found)
        expected = found
    run, n_kills = fit_in_pieces(data, tmp_path / "pieces", helpers.options(**asked), monkeypatch)
    assert n_kills >= (7 if "strategy" in asked else 5), n_kills
    assert {name: (run.folder / name).read_bytes() for name in WRITTEN} == expected


def test_training_is_in_bf16_where_the_hardware_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for there, expected in ((("fp32",), "fp32"), (("fp32", "bf16"), "bf16"), (("fp32", "fp16"), "fp32")):
        monkeypatch.setattr(capabilities, "torch_precisions", lambda device, there=there: there)
        assert capabilities.training_precision("cpu") == expected
        assert faster_precision() == expected
    with pytest.raises(InputError, match="Heads are trained on"):
        faster_precision("tpu")


@pytest.mark.parametrize(
    ("emulated", "avx512_bf16", "amx", "processor", "expected"),
    [
        (True, False, False, "x86_64", ("fp32",)),
        (True, True, False, "x86_64", ("fp32", "bf16")),
        (True, False, True, "AMD64", ("fp32", "bf16")),
        (True, False, False, "aarch64", ("fp32", "bf16")),
        (False, False, False, "x86_64", ("fp32",)),
    ],
)
def test_emulated_bf16_is_no_hardware(
    emulated: bool,
    avx512_bf16: bool,
    amx: bool,
    processor: str,
    expected: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def answer(value: bool) -> Callable[[], bool]:
        return lambda: value

    monkeypatch.setattr(capabilities, "onednn_computes_bf16", answer(emulated))
    monkeypatch.setattr(capabilities.torch.cpu, "_is_avx512_bf16_supported", answer(avx512_bf16))
    monkeypatch.setattr(capabilities.torch.cpu, "_is_amx_tile_supported", answer(amx))
    monkeypatch.setattr(capabilities.platform, "machine", lambda: processor)
    assert capabilities.torch_precisions.__wrapped__("cpu") == expected


@pytest.mark.parametrize("engine", ["auto", "measure"])
def test_measuring_is_an_opt_in_that_is_written_down(
    engine: str, bf16: None, no_figures: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With ``--engine measure`` a trial decides engine and training precision; resumption keeps both."""
    timed: list[str] = []

    def seconds(extractor: Any, spec: Any, n_classes: int) -> tuple[float, float]:
        timed.append(spec.precision)
        return (1.0, 1.0) if spec.precision == "bf16" else (0.5, 0.5)

    def speeds(engines: Any, *_: Any, **__: Any) -> tuple[dict[str, float], dict[str, str]]:
        timed.append("engines")
        return {one.label: float(number) for number, one in enumerate(engines, 1)}, {}

    monkeypatch.setattr(finetuning_budget, "step_seconds", seconds)
    monkeypatch.setattr(select, "measure_engines", speeds)
    data = helpers.write_folders(tmp_path / "data", 24)
    run = headstart.fit(data, tmp_path / "run", helpers.options(**FINE_TUNED, engine=engine))
    record = run.results.engine
    precision = run.results.fine_tuning.candidates[0].precision
    assert record.requested.engine == engine
    if engine == "measure":
        assert record.label == "torch fp32 (folded)" and precision == "fp32"
        assert {"engines", "fp32", "bf16"} <= set(timed)
    else:
        assert precision == "bf16" and "engines" not in timed
