"""Sound documents of every kind that headstart reads, each with what reads it, for `fuzz.py` to damage."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet

Read = Callable[[Path], object]
Documents = dict[str, tuple[bytes, Read]]
"""Content and reader by the path of the file, relative to the folder that it is written into."""

NETWORK = "test_resnet"
_LESIONS = (
    ("ISIC_1", "0,8", "IP_1", "male", "Melanoma Invasive"),
    ("ISIC_2", "0.8 mm", "IP_1", "male", "Melanoma Invasive"),
    ("ISIC_3", "<0.5", "IP_2", "female", "Melanoma Invasive"),
    ("ISIC_4", "4", "IP_3", "unknown", "Melanoma in situ"),
    ("ISIC_5", "", "IP_4", "female", "Nevus"),
)
_SERIES = "# a comment\n@problemName toy\n@classLabel true calm rough\n@data\n1,2,3:4,5,6:calm\n7,8,9:1,?,3:rough\n"
_PH2 = "|| Name || Clinical Diagnosis || Colors ||\n" + "".join(
    f"|| IMD{n:03d} || {n % 3} || 1 2 ||\n" for n in range(6)
)
_CONFIG = 'seed = 7\nthreads = 2\n\n[fit]\nsplit = "nested:5x4"\naugment = ["none", "dihedral"]\nbaselines = false\n'


def sound_documents(folder: Path, run: Path | None = None) -> Documents:
    """Sound documents; those of a run where a finished one is given.

    Parameters
    ----------
    folder : Path
        Gets what documents refer to.
    run : Path, optional
    """
    documents = {
        **_tables(),
        **_settings(folder),
        **_numbers(),
        **_recordings(),
        **_cells(),
        **_lesions(folder),
        **_checkpoints(),
    }
    return documents if run is None else documents | _run_documents(folder, run)


def _tables() -> Documents:
    from headstart.data import read_dataset

    rows: dict[str, list[Any]] = {
        "image": [f"{n}.png" for n in range(9)],
        "label": list("abcabcabc"),
        "fold": [0, 1, 2] * 3,
        "age": [1.5] * 9,
    }
    text = _csv(list(rows), zip(*rows.values(), strict=True))
    raters = _csv(("image", "label", "rater"), [(f"{n // 3}.png", "ab"[n % 2], f"r{n % 3}") for n in range(18)])
    soft = _csv(("image", "p:a", "p:b", "weight"), [(f"{n}.png", 0.25, 0.75, 1) for n in range(9)])

    def read(path: Path) -> object:
        return read_dataset(path, table_columns=["age"])

    return {
        "table.csv": (text.encode(), read),
        "utf16.csv": (text.encode("utf-16"), read),
        "semicolons.csv": (("sep=;\n" + text.replace(",", ";")).encode(), read),
        "table.parquet": (_parquet(rows), read),
        "raters.csv": (raters.encode(), read_dataset),
        "soft.csv": (soft.encode(), read_dataset),
        "archive.npz": (_npz(images=np.zeros((6, 4, 4), np.uint8), labels=np.arange(6) % 2), read_dataset),
    }


def _settings(folder: Path) -> Documents:
    from headstart.augment.policies import read_policy
    from headstart.data.split.make import make_split
    from headstart.data.split.split_file import read_split, write_split
    from headstart.decisions.class_rule import read_costs
    from headstart.study.search.toml import read_space
    from headstart.workflow.options.config import read_config
    from headstart.workflow.options.fit import FitOptions

    names = tuple(f"{number}.png" for number in range(24))
    write_split(folder / "sound.json", make_split(np.arange(24) % 2, names=names, scheme="nested:2x2"))
    space = '[[head]]\nkind = "logistic"\nC = [0.1, 1.0]\n[halving]\nleast = 2\n'
    return {
        "split.json": ((folder / "sound.json").read_bytes(), lambda path: read_split(path, names)),
        "study.toml": (space.encode(), read_space),
        "policy.toml": (b"gamma = [0.8, 1.2]\nblur_px = 1.5\n", read_policy),
        "headstart.toml": (_CONFIG.encode(), lambda path: read_config(path).options(FitOptions)),
        "costs.csv": (b"true,a,b\na,0,1\nb,5,0\n", read_costs),
    }


def _numbers() -> Documents:
    from headstart.data.table.array_file import read_feature_array

    names = [f"{number}.png" for number in range(6)]
    kept = io.BytesIO()
    np.save(kept, np.ones((6, 4), np.float32))
    named = _npz(names=np.array(names), values=np.ones((6, 4), np.float32))

    def read(path: Path) -> object:
        return read_feature_array(path, names)

    return {"array.npy": (kept.getvalue(), read), "array.npz": (named, read)}


def _recordings() -> Documents:
    from headstart.signals.live.state import FORMAT, read_state
    from headstart.signals.readers.read import read_recordings
    from headstart.storage import hash_json

    values = np.random.default_rng(4).normal([10.0, 1_000.0], [1.0, 5.0], (40, 2)).round(2)
    rows: dict[str, list[Any]] = {
        "time": [f"2020-03-01 10:{n // 60:02d}:{n % 60:02d}" for n in range(40)],
        "pressure": values[:, 0].tolist(),
        "speed": values[:, 1].tolist(),
        "anomaly": [int(n > 20) for n in range(40)],
    }
    text = _csv(list(rows), zip(*rows.values(), strict=True))
    state = {"format": FORMAT, "identity": "x", "state": {"alarms": [1.5, None], "since": "2020-03-01"}}
    signed = state | {"sha256": hash_json(state)}
    return {
        "recording.csv": (text.encode(), read_recordings),
        "semicolons.tsv": (text.replace(",", ";").replace(".", ",").encode(), read_recordings),
        "recording.parquet": (_parquet(rows), read_recordings),
        "recording.npz": (
            _npz(values=values, channels=np.array(["pressure", "speed"]), rate_hz=np.array(2.0)),
            read_recordings,
        ),
        "recording.ts": (_SERIES.encode(), read_recordings),
        "state.json": (_json(signed), lambda path: read_state(path, "x")),
    }


def _cells() -> Documents:
    import tifffile

    from headstart.cells.counting.plate_table import read_plate_table
    from headstart.cells.crops.classes import read_class_points
    from headstart.cells.micrographs.read import read_micrograph

    def read_doses(path: Path) -> object:
        table = read_plate_table(path)
        return [table.column(kind, None) for kind in ("dose", "time")]

    points = _csv(("image", "y", "x", "class"), [("a.tif", n, 2.5 * n, "living") for n in range(8)])
    wells = _csv(("plate", "well", "dose", "hours"), [("p1", f"B{n + 1:02d}", 0.5 * n, 24) for n in range(8)])
    kept = io.BytesIO()
    pixels = np.arange(2 * 3 * 16 * 12, dtype=np.uint16).reshape(2, 3, 16, 12)
    tifffile.imwrite(kept, pixels, imagej=True, metadata={"axes": "ZCYX"}, resolution=(2.0, 2.0))
    ome = io.BytesIO()
    tifffile.imwrite(ome, pixels[0], ome=True, metadata={"axes": "CYX", "PhysicalSizeX": 0.5})
    return {
        "points.csv": (points.encode(), read_class_points),
        "wells.csv": (wells.encode(), read_doses),
        "imagej.tif": (kept.getvalue(), read_micrograph),
        "ome.tif": (ome.getvalue(), read_micrograph),
    }


def _lesions(folder: Path) -> Documents:
    from PIL import Image

    from headstart.lesions import read_lesions

    place = folder / "lesions"
    place.mkdir(exist_ok=True)
    for name in (*(row[0] for row in _LESIONS), *(f"IMD{number:03d}" for number in range(6))):
        Image.new("RGB", (4, 4)).save(place / f"{name}.png")
    text = _csv(
        ("isic_id", "mel_thick_mm", "patient_id", "sex", "diagnosis"),
        [[f'"{cell}"' for cell in row] for row in _LESIONS],
    )

    def read(path: Path) -> object:
        return read_lesions(path, images=place)

    return {"metadata.csv": (text.encode(), read), "PH2_dataset.txt": (_PH2.encode(), read)}


def _checkpoints() -> Documents:
    import torch
    from safetensors.torch import save

    from headstart.backbones.backbone import load_backbone

    tensors = load_backbone(NETWORK, weights="random").state()
    kept = io.BytesIO()
    torch.save({"state_dict": tensors, "epoch": 3}, kept)

    def read(path: Path) -> object:
        return load_backbone(NETWORK, weights=path)

    return {"weights.safetensors": (save(tensors), read), "weights.pth": (kept.getvalue(), read)}


def _run_documents(folder: Path, run: Path) -> Documents:
    """Files of a run, in a copy of it, each read as ``headstart compare`` and ``headstart report`` read it."""
    from headstart.results.candidates_table import read_candidates
    from headstart.results.read import read_run
    from headstart.study.execution.run_folder import stored_engine, stored_record, stored_request
    from headstart.workflow.compare import compare

    shutil.copytree(run, folder / "run", ignore=shutil.ignore_patterns("model", "figures", "report.html", "folds"))

    def read_all(path: Path) -> object:
        return read_run(path.parent)

    def read_request(path: Path) -> object:
        return stored_request(path.parent), stored_engine(path.parent), stored_record(path.parent)

    def read_pair(path: Path) -> object:
        return compare(path.parent, run)

    readers: Mapping[str, Read] = {
        "results.json": read_all,
        "split.json": read_all,
        "timings.json": read_all,
        "predictions.csv": read_pair,
        "run.json": read_request,
        "candidates.parquet": read_candidates,
    }
    return {f"run/{name}": ((run / name).read_bytes(), read) for name, read in readers.items()}


def _csv(header: Any, rows: Any) -> str:
    return "\n".join(",".join(map(str, row)) for row in (header, *rows)) + "\n"


def _json(value: object) -> bytes:
    from headstart.storage import json_bytes

    return json_bytes(value)


def _npz(**arrays: Any) -> bytes:
    kept = io.BytesIO()
    np.savez(kept, **arrays)
    return kept.getvalue()


def _parquet(rows: Mapping[str, Any]) -> bytes:
    kept = io.BytesIO()
    pa.parquet.write_table(pa.table(dict(rows)), kept)
    return kept.getvalue()
