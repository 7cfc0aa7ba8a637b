"""`lesions fit --preset paper` from a checkpoint of VGG-19, random numbers in the published layout, to a prediction."""

from __future__ import annotations

import csv
import math
import sys
from pathlib import Path
from typing import Any

import helpers
import numpy as np
import pytest
import torch
from click.testing import CliRunner

from headstart.backbones.lazy_imports import import_timm
from headstart.cli.main import main
from headstart.heads import grid
from headstart.results import RunResults

CHANNELS = [4, 4, "M", 4, 4, "M", 8, 8, 8, 8, "M", 8, 8, 8, 8, "M", 8, 8, 8, 512, "M"]
"""Those of VGG-19, all but the last cut down: the real ones are a file of 575 MB."""
N_DENSE = 16
EVERY = 54


@pytest.fixture
def narrow_vgg19(monkeypatch: pytest.MonkeyPatch) -> None:
    """VGG-19 with few channels, and every 54th of the heads of the paper's grid."""
    import_timm()
    vgg: Any = sys.modules["timm.models.vgg"]
    create = vgg._create_vgg
    monkeypatch.setitem(vgg.cfgs, "vgg19", CHANNELS)
    monkeypatch.setattr(vgg, "_create_vgg", lambda *given, **named: create(*given, mlp_ratio=N_DENSE / 4096, **named))
    monkeypatch.setattr(
        "headstart.study.search.builtin.grid",
        lambda name, *, ordered, n_classes: grid(name, ordered=ordered, n_classes=n_classes)[::EVERY],
    )


def write_checkpoint(path: Path) -> Path:
    """Weights under the names and in the shapes of the published file: convolutions by place, then dense layers."""
    generator, state = torch.Generator().manual_seed(3), dict[str, torch.Tensor]()
    n_inputs, place = 3, 0
    for n_channels in CHANNELS:
        if isinstance(n_channels, int):
            scale = math.sqrt(2 / (9 * n_inputs))
            weight = scale * torch.randn(n_channels, n_inputs, 3, 3, generator=generator)
            state |= {f"features.{place}.weight": weight, f"features.{place}.bias": torch.zeros(n_channels)}
            n_inputs, place = n_channels, place + 2
        else:
            place += 1
    for number, shape in ((0, (N_DENSE, n_inputs * 49)), (3, (4096, N_DENSE)), (6, (1000, 4096))):
        state[f"classifier.{number}.weight"] = torch.randn(*shape, generator=generator)
        state[f"classifier.{number}.bias"] = torch.zeros(shape[0])
    torch.save(state, path)
    return path


def write_archive(folder: Path) -> Path:
    """Twelve patients with two disks on skin each; thicker lesions are larger."""
    rows, generator = [], np.random.default_rng(0)
    down, across = np.ogrid[:48, :48]
    for number in range(24):
        name, top, left = f"ISIC_{number:07d}", *generator.integers(18, 30, 2)
        inside = np.hypot(down - top, across - left) <= 6 + 5 * (number % 3)
        light = generator.uniform(-20, 20, 3) * across[..., None] / 48 + generator.uniform(-20, 20, 3)
        noise = generator.normal(0, 5, (48, 48, 3))
        pixels = np.where(inside[..., None], (120, 75, 55), (215, 180, 160)) + light + noise
        helpers.write_image(folder / f"{name}.png", pixels.clip(0, 255).astype(np.uint8))
        thickness = ("0.4", "1,1 mm", ">2")[number % 3]
        rows.append({"isic_id": name, "mel_thick_mm": thickness, "patient_id": f"IP_{number // 2}"})
    return helpers.write_table(folder / "metadata.csv", rows).parent


@pytest.mark.usefixtures("narrow_vgg19", "no_figures")
def test_the_paper_way_from_a_published_checkpoint_to_a_prediction(tmp_path: Path) -> None:
    archive, weights = write_archive(tmp_path / "isic"), write_checkpoint(tmp_path / "vgg19.pth")
    given = ["lesions", "fit", archive, "-o", tmp_path / "run", "--preset", "paper", "--weights", weights]
    given += ["--input-size", 32, "--split", "nested:2x2", "--no-baselines", "--device", "cpu", "--threads", 1]
    fitted = CliRunner().invoke(main, [*map(str, given), "--no-cache", "-q"])
    assert fitted.exit_code == 0, fitted.output
    results = RunResults.read(tmp_path / "run" / "results.json")
    (source,) = results.sources
    assert (source.backbone, source.stage, source.feature_width) == ("vgg19", "block5", 512)
    assert not source.weights.is_random
    assert source.preparation.clean_up is None, "whole images"
    assert results.search.n_candidates == 324 // EVERY
    assert results.ensemble is None
    assert results.task.classes == ("<0.75 mm", "0.75-1.5 mm", ">1.5 mm")
    assert results.final_model.kind == "dense"
    new = [str(archive / f"ISIC_{number:07d}.png") for number in (0, 2)]
    out = tmp_path / "out.csv"
    predicted = CliRunner().invoke(main, ["predict", str(tmp_path / "run"), *new, "-o", str(out), "-q"])
    assert predicted.exit_code == 0, predicted.output
    with out.open() as handle:
        assert {row["predicted"] for row in csv.DictReader(handle)} <= set(results.task.classes)
