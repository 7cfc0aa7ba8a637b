"""Damaged images, tables, documents and bundles by the thousand, and bombs: errors of ours, soon, in little memory.

Every input is made from a sound one by a seeded mutation: bits turned, bytes cut out, zeroed, doubled, or replaced by
what often breaks readers (huge numbers, escapes, half of a character). Whatever comes of it, the answer is a result or
a `HeadstartError`; a file takes at most 5 CPU seconds; nothing is unpickled, which an audit hook of Python would see.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import resource
import struct
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from common import write_results
from fuzz_documents import NETWORK, sound_documents
from PIL import Image

from headstart.data.images.decode import decode_details
from headstart.errors import HeadstartError

MAX_CPU_S = 5.0
MAX_MEMORY_MB = 1_600
_HEADER_BYTES = 2_000
_HOSTILE = (
    b"9" * 5_000,
    b"[" * 3_000,
    b'{"a":' * 3_000,
    b"\\ud800",
    b"\xed\xa0\x80",
    b"\x1b[2J",
    b"\0",
    b"NaN",
    b"1e999",
    b"-1",
    b"\r",
    b'"',
    b"null",
)


@dataclass
class Findings:
    """What was tried, and what went wrong.

    Attributes
    ----------
    tried : Counter
        Inputs of every kind.
    refused : Counter
        Those answered with an error of ours.
    tracebacks, slow : list of str
        Kind, number and words of the others.
    unpickled : int
        Classes that a pickle asked for.
    """

    tried: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    tracebacks: list[str] = field(default_factory=list)
    slow: list[str] = field(default_factory=list)
    slowest_s: float = 0.0
    unpickled: int = 0

    def check(self, kind: str, act: Callable[[], object]) -> None:
        """Do one thing and note how it ends."""
        self.tried[kind] += 1
        start = time.process_time()
        try:
            act()
        except HeadstartError:
            self.refused[kind] += 1
        except Exception as error:
            self.tracebacks.append(f"{kind} {self.tried[kind]}: {type(error).__name__}: {str(error)[:200]}")
        took = time.process_time() - start
        self.slowest_s = max(self.slowest_s, took)
        if took > MAX_CPU_S:
            self.slow.append(f"{kind} {self.tried[kind]}: {took:.1f} s")


def mutated(sound: bytes, dice: random.Random, *, of_header: bool = False) -> bytes:
    """One to three mutations of a sound file, anywhere or among its first bytes."""
    data = bytearray(sound)
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        place = dice.randrange(min(len(data), _HEADER_BYTES) if of_header else len(data)) if data else 0
        length = min(len(data) - place, dice.choice((1, 4, 64, 1_000)))
        way = dice.randrange(7)
        if way == 0:
            data[place : place + 1] = bytes([dice.randrange(256)])
        elif way == 1 and data:
            data[place] ^= 1 << dice.randrange(8)
        elif way == 2:
            del data[place : place + length]
        elif way == 3:
            data[place : place + length] = bytes(length)
        elif way == 4:
            del data[place:]
        elif way == 5:
            data[place:place] = data[place : place + length]
        else:
            data[place : place + dice.choice((0, 1, 4))] = dice.choice(_HOSTILE)
    return bytes(data)


def sound_images() -> list[bytes]:
    """One small picture in every format, layout and depth."""
    rng = np.random.default_rng(11)
    colour = rng.integers(0, 255, (40, 33, 3), dtype=np.uint8)
    deep = rng.integers(0, 65_535, (20, 17, 3), dtype=np.uint16)
    found = []
    for kind, options in (
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("JPEG", {"restart_marker_rows": 1}),
        ("PNG", {}),
        ("BMP", {}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "tiff_adobe_deflate"}),
        ("TIFF", {"compression": "jpeg"}),
    ):
        kept = io.BytesIO()
        Image.fromarray(colour).save(kept, kind, **options)
        found.append(kept.getvalue())
    for options in ({"photometric": "rgb"}, {"photometric": "rgb", "planarconfig": "separate"}, {"bigtiff": True}):
        kept = io.BytesIO()
        pixels = np.moveaxis(deep, 2, 0).copy() if "planarconfig" in options else deep
        tifffile.imwrite(kept, pixels if "photometric" in options else deep[..., 0], **options)
        found.append(kept.getvalue())
    for bits, compression in ((8, 1), (4, 2)):
        runs = b"".join(bytes((33, number)) + b"\0\0" for number in range(40)) + b"\0\1"
        head = struct.pack("<IiiHHIIiiII", 40, 33, 40, 1, bits, compression, len(runs), 0, 0, 1 << bits, 0)
        start = 54 + (4 << bits)
        found.append(b"BM" + struct.pack("<IHHI", start + len(runs), 0, 0, start) + head + bytes(4 << bits) + runs)
    return found


def fuzz_images(findings: Findings, dice: random.Random, n_images: int) -> None:
    """Mutated pictures, decoded strictly and with damage accepted in turn, with channels now and then."""
    sound = sound_images()
    for number in range(n_images):
        encoded = mutated(dice.choice(sound), dice)
        channels = ("1", "2", "none") if number % 7 == 0 else None
        findings.check(
            "images",
            lambda encoded=encoded, channels=channels, number=number: decode_details(
                encoded, "x", max_pixels=20_000_000, channels=channels, accept_damaged=number % 2 == 0
            ),
        )


def fuzz_documents(
    findings: Findings, dice: random.Random, n_documents: int, folder: Path, run: Path | None = None
) -> None:
    """Mutated documents of every kind, those of a run too where one is given."""
    sound = sound_documents(folder, run)
    for name in dice.choices(list(sound), k=n_documents):
        content, read = sound[name]
        path = folder / name
        path.write_bytes(mutated(content, dice, of_header=dice.random() < 0.5))
        findings.check(name, lambda read=read, path=path: read(path))
        path.write_bytes(content)


def fuzz_bundle(findings: Findings, dice: random.Random, bundle: Path, n_tensor_bytes: int, step: int) -> None:
    """Every `step`-th byte of a bundle's JSON files and tensor headers changed, and some bytes of its tensors."""
    from headstart.model import load_model

    files = sorted(file for file in bundle.rglob("*") if file.is_file())
    tensors = [path for path in files if path.suffix == ".safetensors"]
    for path in files:
        sound = path.read_bytes()
        places: Iterator[int] | list[int] = range(0, len(sound), step)
        if path in tensors:
            header = min(len(sound), 8 + int.from_bytes(sound[:8], "little"))
            n_bodies = n_tensor_bytes // len(tensors) if header < len(sound) else 0
            places = [*range(0, header, step), *(dice.randrange(header, len(sound)) for _ in range(n_bodies))]
        for place in places:
            data = bytearray(sound)
            data[place] = dice.randrange(256)
            path.write_bytes(data)
            findings.check("bundle", lambda: load_model(bundle))
        path.write_bytes(sound)


def fuzz_signed_bundle(findings: Findings, dice: random.Random, bundle: Path, n_mutations: int) -> None:
    """Mutated descriptions and headers of a bundle whose hashes are made to fit, as whoever forges one would."""
    from headstart.model import load_model
    from headstart.storage import hash_bytes, hash_json, write_json

    manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    names = sorted(manifest["files"])
    for _ in range(n_mutations):
        name = dice.choice(names)
        sound = (bundle / name).read_bytes()
        data = mutated(sound, dice, of_header=name != "model.json")
        (bundle / name).write_bytes(data)
        signed = {key: value for key, value in manifest.items() if key != "sha256"}
        signed["files"] = {**manifest["files"], name: hash_bytes(data)}
        write_json(bundle / "manifest.json", {**signed, "sha256": hash_json(signed)})
        findings.check("signed bundle", lambda: load_model(bundle))
        (bundle / name).write_bytes(sound)
    write_json(bundle / "manifest.json", manifest)


def bombs(n: int) -> Iterator[tuple[str, bytes]]:
    """Small files that ask for much, of eight kinds in turn, each of another size."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    def png(side: int, bits: int, kind: int, before: bytes = b"") -> bytes:
        head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, bits, kind, 0, 0, 0))
        return b"\x89PNG\r\n\x1a\n" + head + before + chunk(b"IDAT", zlib.compress(bytes(1_000))) + chunk(b"IEND", b"")

    def bmp(side: int, bits: int, runs: bytes) -> bytes:
        head = struct.pack(
            "<IiiHHIIiiII", 40, side, side, 1, bits, 1 if bits == 8 else 2, len(runs), 0, 0, 1 << bits, 0
        )
        start = 54 + (4 << bits)
        return b"BM" + struct.pack("<IHHI", start + len(runs), 0, 0, start) + head + bytes(4 << bits) + runs

    kept = io.BytesIO()
    Image.fromarray(np.random.default_rng(2).integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(kept, "JPEG")
    jpeg = kept.getvalue()
    exif = b"\xff\xe1" + struct.pack(">H", 65_535) + b"Exif\0\0" + bytes(65_527)
    for number in range(n):
        scale = 1 + number // 8
        side = min(14_000, 4_000 + 400 * scale)
        pages = b"".join(struct.pack("<HI", 0, 8 + 6 * (page + 1)) for page in range(20_000 * scale))
        tags = b"".join(struct.pack("<HHII", 1_000 + tag, 7, 50_000, 8) for tag in range(2_000 * scale))
        yield (
            ("deep png", png(min(60_000, 8_000 + 1_000 * scale), 16, 6)),
            ("byte runs", bmp(side, 8, b"\0\0" * 500)),
            ("half-byte runs", bmp(side, 4, b"\xff\x12" * 500)),
            ("exif segments", jpeg[:2] + exif * (20 * scale) + jpeg[2:]),
            ("fill bytes", jpeg[:2] + b"\xff" * (1_000_000 * scale) + jpeg[2:]),
            ("chunks", png(8, 8, 0, chunk(b"tEXt", b"a\0b") * (20_000 * scale))),
            ("pages", b"II*\0" + struct.pack("<I", 8) + pages + bytes(6)),
            ("tags", b"II*\0" + struct.pack("<IH", 8, 2_000 * scale) + tags + bytes(60_000)),
        )[number % 8]


def fuzz_bombs(findings: Findings, n_bombs: int) -> None:
    """Bombs, decoded with the bounds that users have."""
    for kind, encoded in bombs(n_bombs):
        findings.check(f"bomb of {kind}", lambda encoded=encoded: decode_details(encoded, "x"))


def watched_pickles(findings: Findings) -> None:
    """Count what pickles look up, for as long as this process lives."""

    def hook(event: str, arguments: Any) -> None:
        if event == "pickle.find_class":
            findings.unpickled += 1

    sys.addaudithook(hook)


def small_run(folder: Path) -> Path:
    """Run fitted on thirty pictures with a tiny network."""
    from headstart import fit

    rng = np.random.default_rng(5)
    for label, level in (("dark", 60), ("light", 180)):
        (folder / "data" / label).mkdir(parents=True)
        for number in range(15):
            pixels = np.clip(rng.normal(level, 30, (48, 48, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / "data" / label / f"{number}.png")
    (folder / "study.toml").write_text('[[head]]\nkind = "logistic"\n', encoding="utf-8")
    run = fit(
        folder / "data",
        folder / "run",
        study=folder / "study.toml",
        split="nested:2x2",
        backbone=NETWORK,
        weights="random",
        input_size=32,
        threads=1,
        cache=None,
        baselines=False,
        explanations=False,
    )
    return Path(run.folder)


def main() -> int:
    """Fuzz, count, compare with the targets; 1 when one is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a hundredth of the inputs, no bundle")
    parser.add_argument("--seed", type=int, default=20)
    options = parser.parse_args()
    share = 100 if options.quick else 1
    findings, dice = Findings(), random.Random(options.seed)
    watched_pickles(findings)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "documents").mkdir()
        fuzz_images(findings, dice, 20_000 // share)
        fuzz_bombs(findings, 200 // (share if share == 1 else 12))
        run = None if options.quick else small_run(folder / "small")
        fuzz_documents(findings, dice, 5_000 // share, folder / "documents", run)
        if run is not None:
            fuzz_bundle(findings, dice, run / "model", 2_000, 1)
            fuzz_signed_bundle(findings, dice, run / "model", 2_000)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1_000
    figures = {
        "tried": dict(findings.tried),
        "refused": dict(findings.refused),
        "tracebacks": findings.tracebacks,
        "slow": findings.slow,
        "slowest_s": round(findings.slowest_s, 2),
        "peak_memory_mb": memory,
        "unpickled": findings.unpickled,
    }
    if not options.quick:
        write_results("fuzz", figures)
    print(json.dumps(figures, indent=1))
    is_missed = findings.tracebacks or findings.slow or findings.unpickled or memory > MAX_MEMORY_MB
    return 1 if is_missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
