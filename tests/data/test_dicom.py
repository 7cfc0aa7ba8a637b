"""DICOM images: windows, photometric interpretations, frames, and groups without a word of who the patient is."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headstart.data import ImageDataset, audit_dataset, decode, read_dataset
from headstart.data.images.decode import decode_details
from headstart.data.images.dicom.compressed import declared_size
from headstart.data.images.dicom.levels import Window
from headstart.errors import ImageError

pydicom = pytest.importorskip("pydicom")

SECRET = "MUSTERMANN-4711"
RAMP = np.arange(64, dtype=np.uint16).reshape(8, 8) * 64  # 12 bits, 0 to 4,032


def dicom(
    pixels: np.ndarray = RAMP, *, syntax: str = "1.2.840.10008.1.2.1", raw: bytes | None = None, **tags: Any
) -> bytes:
    """A file of a picture, or of frames of it."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import UID

    found = Dataset()
    found.file_meta = FileMetaDataset()
    found.file_meta.TransferSyntaxUID = UID(syntax)
    found.file_meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.7")
    found.file_meta.MediaStorageSOPInstanceUID = UID("1.2.3")
    colour = pixels.ndim == 3 and pixels.shape[2] == 3
    bits = 8 * pixels.dtype.itemsize
    given = {
        "PatientID": SECRET, "PatientName": SECRET, "StudyInstanceUID": "1.2.826.77",
        "Rows": pixels.shape[-3 if colour else -2], "Columns": pixels.shape[-2 if colour else -1],
        "SamplesPerPixel": 3 if colour else 1, "PhotometricInterpretation": "RGB" if colour else "MONOCHROME2",
        "BitsAllocated": bits, "BitsStored": 12 if bits == 16 else 8, "HighBit": 11 if bits == 16 else 7,
        "PixelRepresentation": int(pixels.dtype.kind == "i"), **({"PlanarConfiguration": 0} if colour else {}),
    }  # fmt: skip
    for name, value in (given | tags).items():
        if value is not None:
            setattr(found, name, value)
    if "PixelData" not in tags:
        found.PixelData = pixels.tobytes() if raw is None else raw
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, found, enforce_file_format=True)
    return buffer.getvalue()


def shown(encoded: bytes) -> np.ndarray:
    return np.asarray(decode_details(encoded, "x.dcm", keep_grey=True).image)


def test_without_a_window_all_stored_bits_are_shown() -> None:
    assert np.array_equal(shown(dicom()), np.floor(RAMP * (255 / 4095) + 0.5).astype(np.uint8))
    signed = (RAMP.astype(np.int32) - 2048).astype(np.int16)
    assert np.array_equal(shown(dicom(signed)), shown(dicom()))
    assert np.array_equal(shown(dicom(RescaleSlope=2, RescaleIntercept=-1024)), shown(dicom()))


def test_windows_of_the_tags_are_applied_by_the_formulas_of_the_standard() -> None:
    stored = RAMP.astype(float)
    linear = shown(dicom(WindowCenter=1000, WindowWidth=401))
    expected = np.clip(((stored - 999.5) / 400 + 0.5) * 255, 0, 255)
    assert np.abs(linear - expected).max() <= 0.5
    rescaled = shown(dicom(RescaleSlope=2, RescaleIntercept=-1024, WindowCenter=[40, 9], WindowWidth=[400, 9]))
    assert np.abs(rescaled - np.clip(((2 * stored - 1024 - 39.5) / 399 + 0.5) * 255, 0, 255)).max() <= 0.5
    exact = shown(dicom(WindowCenter=1000, WindowWidth=400, VOILUTFunction="LINEAR_EXACT"))
    assert np.abs(exact - np.clip(((stored - 1000) / 400 + 0.5) * 255, 0, 255)).max() <= 0.5
    sigmoid = shown(dicom(WindowCenter=1000, WindowWidth=400, VOILUTFunction="SIGMOID"))
    assert np.abs(sigmoid - 255 / (1 + np.exp(-4 * (stored - 1000) / 400))).max() <= 0.5
    assert Window(10, 1).share(np.array([9.0, 10.0])).tolist() == [0.0, 1.0]
    assert np.array_equal(shown(dicom(WindowCenter=1000, WindowWidth=0)), shown(dicom()))


def test_zero_may_be_stored_as_white() -> None:
    inverted = shown(dicom(PhotometricInterpretation="MONOCHROME1"))
    assert np.array_equal(inverted, np.floor((1 - RAMP / 4095) * 255 + 0.5).astype(np.uint8))


def test_a_table_of_values_of_interest_is_applied() -> None:
    from pydicom.dataset import Dataset

    table = Dataset()
    table.LUTDescriptor = [4096, 0, 16]
    table.LUTData = struct.pack("<4096H", *(65_535 - 16 * value for value in range(4096)))
    found = shown(dicom(VOILUTSequence=[table]))
    assert np.abs(found - (65_535 - 16.0 * RAMP) / 257).max() <= 0.5


def test_windows_of_an_enhanced_file_stand_in_its_frames() -> None:
    from pydicom.dataset import Dataset

    window, frame = Dataset(), Dataset()
    window.WindowCenter, window.WindowWidth = 1000, 401
    frame.FrameVOILUTSequence = [window]
    two = np.stack([RAMP, RAMP[::-1]])
    found = dicom(two, NumberOfFrames=2, PerFrameFunctionalGroupsSequence=[frame, frame])
    assert np.array_equal(shown(found), shown(dicom(WindowCenter=1000, WindowWidth=401)))
    assert decode_details(found, "x").header.n_pages == 2


def test_colours_and_palettes() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (8, 6, 3), dtype=np.uint8)
    assert np.array_equal(shown(dicom(pixels)), pixels)
    planar = dicom(pixels, PlanarConfiguration=1, raw=np.moveaxis(pixels, 2, 0).tobytes())
    assert np.array_equal(shown(planar), pixels)
    ramp = bytes(range(256))
    palette = {f"{name}PaletteColorLookupTableDescriptor": [256, 0, 8] for name in ("Red", "Green", "Blue")}
    palette |= {
        f"{name}PaletteColorLookupTableData": ramp[::step]
        for name, step in zip(("Red", "Green", "Blue"), (1, -1, 1), strict=True)
    }
    found = shown(dicom(pixels[..., 0], PhotometricInterpretation="PALETTE COLOR", **palette))
    assert np.array_equal(found, np.stack([pixels[..., 0], 255 - pixels[..., 0], pixels[..., 0]], axis=2))


def test_rle_is_decoded_and_bounded() -> None:
    from pydicom.encaps import encapsulate

    pixels = np.repeat(np.arange(8, dtype=np.uint8)[:, None], 8, axis=1)
    runs = b"".join(bytes([257 - 8, row]) for row in range(8))
    head = struct.pack("<16I", 1, 64, *[0] * 14)
    rle = "1.2.840.10008.1.2.5"
    assert np.array_equal(shown(dicom(pixels, syntax=rle, raw=encapsulate([head + runs]))), pixels)
    bomb = dicom(pixels, syntax=rle, raw=encapsulate([head + bytes([129, 7]) * 1000]))
    with pytest.raises(ImageError, match=r"^x: damaged or truncated \(its pixels are cut off"):
        decode(bomb, "x")


def test_a_jpeg_inside_must_be_as_large_as_the_tags_say() -> None:
    from PIL import Image
    from pydicom.encaps import encapsulate

    buffer = io.BytesIO()
    Image.fromarray(np.full((16, 8), 100, np.uint8)).save(buffer, "JPEG")
    frame, jpeg = buffer.getvalue(), "1.2.840.10008.1.2.4.50"
    assert declared_size(frame) == (8, 16)
    assert declared_size(b"\xff\xd8\xff\xd9") is None
    assert shown(dicom(np.zeros((16, 8), np.uint8), syntax=jpeg, raw=encapsulate([frame]))).shape == (16, 8)
    with pytest.raises(ImageError, match="cut off"):
        decode(dicom(np.zeros((4, 8), np.uint8), syntax=jpeg, raw=encapsulate([frame])), "x")
    assert declared_size(bytes(3)) is None


@pytest.mark.parametrize(
    ("encoded", "words"),
    [
        (lambda: dicom()[:-40], "cut off"),
        (lambda: dicom(Rows=30_000, Columns=30_000), "30,000 x 30,000 pixels, more than"),
        (lambda: dicom(syntax="1.2.840.10008.1.2.4.80", raw=bytes.fromhex("feff00e000000000")), "as JPEG-LS.*jpeg"),
        (lambda: dicom(PhotometricInterpretation="HSV"), "photometric interpretation that is not supported"),
        (lambda: dicom(BitsAllocated=32), "of 32 bits a sample"),
        (lambda: dicom(PixelData=None), "without a picture"),
        (lambda: dicom(syntax="1.2.840.10008.1.2.1")[:132] + b"\xff" * 50, "tags cannot be read|without a picture"),
        (lambda: dicom().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99"), "deflated as a whole"),
    ],
)  # fmt: skip
def test_what_cannot_be_shown_is_refused_without_a_word_of_the_tags(encoded: Any, words: str) -> None:
    with pytest.raises(ImageError, match=words) as refused:
        decode(encoded(), "x")
    assert SECRET not in str(refused.value)


def test_patients_are_proposed_as_groups_by_number(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for number in range(6):
        for label in "ab":
            (tmp_path / label).mkdir(exist_ok=True)
            pixels = rng.integers(0, 4096, (8, 8), dtype=np.uint16)
            tags = {"PatientID": f"{SECRET}{number // 2}", "StudyInstanceUID": f"1.2.{number}"}
            (tmp_path / label / f"IM{number:04d}").write_bytes(dicom(pixels, WindowCenter=9, WindowWidth=99, **tags))
    dataset = read_dataset(tmp_path)
    assert len(dataset) == 12
    assert dataset.group_names == ("patient 1", "patient 2", "patient 3")
    assert len(set(np.asarray(dataset.groups)[[0, 1, 6, 7]])) == 1
    assert "grouped by patient (DICOM tags)" in " ".join(dataset.notes)
    assert "DICOM images: 12, 12 shown through the window of their tags. No tag" in dataset.notes[0]
    audit = audit_dataset(dataset, n_workers=1)
    assert audit.formats == {"DICOM": 12}
    assert SECRET not in json.dumps(audit.to_json()) + repr(dataset) + str(dataset.pixels)
    assert read_dataset(tmp_path, group_from="(IM[0-9]+)").group_names[0] == "IM0000"


def test_one_patient_falls_back_to_studies_and_nobody_to_none(tmp_path: Path) -> None:
    for number in range(4):
        place = tmp_path / "ab"[number % 2]
        place.mkdir(exist_ok=True)
        (place / f"{number}.dcm").write_bytes(dicom(PatientID="ANON", StudyInstanceUID=f"1.{number // 2}"))
    assert read_dataset(tmp_path).group_names == ("study 1", "study 2")
    for path in tmp_path.rglob("*.dcm"):
        path.write_bytes(dicom(StudyInstanceUID=None, PatientID=None))
    assert read_dataset(tmp_path).groups is None


def test_patients_are_read_behind_long_tags_and_before_many_frames(tmp_path: Path) -> None:
    from pydicom.dataset import Dataset

    item = Dataset()
    item.FrameVOILUTSequence = [Dataset()]
    item.FrameVOILUTSequence[0].WindowCenter, item.FrameVOILUTSequence[0].WindowWidth = 9, 99
    item.ImageComments = "x" * 1_000
    frames = dicom(PatientID="frames", PerFrameFunctionalGroupsSequence=[item] * 1_100)
    early = Dataset()
    early.add_new((0x0009, 0x0010), "LO", "MAKER")
    early.add_new((0x0009, 0x1001), "OB", bytes(2 << 20))
    whole = pydicom.dcmread(io.BytesIO(dicom(PatientID="maker")))
    whole.update(early)
    whole.save_as(tmp_path / "maker", enforce_file_format=True)
    long = {"frames": frames, "maker": (tmp_path / "maker").read_bytes()}
    (tmp_path / "maker").unlink()
    for patient, encoded in long.items():
        assert len(encoded) > 1 << 20
        for label, content in {"a": encoded, "b": dicom(PatientID=patient)}.items():
            (tmp_path / label).mkdir(exist_ok=True)
            (tmp_path / label / f"{patient}.dcm").write_bytes(content)
    dataset = read_dataset(tmp_path)
    assert np.asarray(dataset.groups).tolist() == [0, 1, 0, 1]


def test_patients_of_paths_in_memory_are_groups_too(tmp_path: Path) -> None:
    import pandas as pd

    paths = [tmp_path / f"{number}.dcm" for number in range(4)]
    for number, path in enumerate(paths):
        path.write_bytes(dicom(PatientID=f"{SECRET}{number // 2}"))
    frame = pd.DataFrame({"image": list(map(str, paths)), "label": list("abab")})
    twice = [*paths, paths[0]]
    for dataset in (read_dataset(frame), read_dataset(paths), ImageDataset.from_images(twice, list("ababa"))):
        assert dataset.group_names == ("patient 1", "patient 2")
        assert np.asarray(dataset.groups).tolist() == [0, 0, 1, 1]


def test_nothing_is_warned_or_logged_of_odd_tags(
    recwarn: pytest.WarningsRecorder, caplog: pytest.LogCaptureFixture
) -> None:
    odd = dicom().replace(b"1.2.826.77", b"1.2.8xx.77")
    assert shown(odd).shape == (8, 8)
    assert not recwarn.list
    assert not caplog.records
