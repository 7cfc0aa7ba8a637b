"""Micrographs read from files, wells from names, cells found in them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from headstart.cells.micrographs.plate import plate_position
from headstart.cells.micrographs.read import find_micrographs, read_micrograph
from headstart.cells.micrographs.segmented import CellFinding, find_cells, label_image_of, read_and_find
from headstart.cells.simulation.assay import SimulatedAssay
from headstart.errors import ImageError, InputError


@pytest.fixture
def stack():
    return np.random.default_rng(0).integers(0, 4000, (2, 3, 20, 30)).astype(np.uint16)


def test_ome_tiff_with_channels_planes_and_pixel_size(tmp_path, stack):
    about = {"axes": "CZYX", "Channel": {"Name": ["dapi", "pi"]}, "PhysicalSizeX": 325.0, "PhysicalSizeXUnit": "nm"}
    tifffile.imwrite(tmp_path / "a.ome.tif", stack, ome=True, metadata=about)
    found = read_micrograph(tmp_path / "a.ome.tif")
    assert (found.name, found.shape, found.pixel_um) == ("a.ome.tif", (20, 30), pytest.approx(0.325))
    np.testing.assert_array_equal(found.channel("pi"), stack[1].max(axis=0))
    np.testing.assert_array_equal(found.channel(), stack[0].max(axis=0))
    np.testing.assert_array_equal(read_micrograph(tmp_path / "a.ome.tif", plane=1).channel(), stack[0, 1])
    with pytest.raises(InputError, match=r"a.ome.tif: Unknown channel 'pj'\. Known: dapi, pi"):
        found.channel("pj")
    with pytest.raises(ImageError, match="plane 3 of 3"):
        read_micrograph(tmp_path / "a.ome.tif", plane=3)


def test_imagej_tiff_with_resolution(tmp_path, stack):
    about = {"axes": "ZCYX", "unit": "um", "Labels": ["dapi", "pi"] * 3}
    tifffile.imwrite(tmp_path / "a.tif", stack.swapaxes(0, 1), imagej=True, resolution=(2.0, 2.0), metadata=about)
    found = read_micrograph(tmp_path / "a.tif")
    assert found.pixel_um == pytest.approx(0.5)
    np.testing.assert_array_equal(list(found.planes.values())[1], stack[1].max(axis=0))


def write_zarr(path, stack, **about):
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(str(path), mode="w", zarr_format=2)
    group.create_array("0", data=stack)
    scale = [1.0, 2.0, 0.325, 0.325]
    axes = [{"name": name, "unit": "micrometer"} for name in "czyx"]
    datasets = [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": scale}]}]
    channels = {"channels": [{"label": "dapi"}, {"label": "pi"}]}
    group.attrs.update({"multiscales": [{"axes": axes, "datasets": datasets}], "omero": channels, **about})


def test_ome_zarr_with_channels_planes_and_pixel_size(tmp_path, stack):
    write_zarr(tmp_path / "a.ome.zarr", stack)
    assert find_micrographs(tmp_path) == [("a.ome.zarr", tmp_path / "a.ome.zarr")]
    found = read_micrograph(tmp_path / "a.ome.zarr")
    assert (tuple(found.planes), found.pixel_um) == (("dapi", "pi"), pytest.approx(0.325))
    np.testing.assert_array_equal(found.channel("pi"), stack[1].max(axis=0))
    write_zarr(tmp_path / "b.zarr", stack, multiscales=[])
    with pytest.raises(ImageError, match="names no multiscales"):
        read_micrograph(tmp_path / "b.zarr")


def test_an_absent_library_is_answered_with_its_name(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(InputError, match=r"pip install 'headstart\[zarr\]'"):
        read_micrograph(tmp_path / "a.zarr")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_plain_tiff_of_any_depth(tmp_path, dtype):
    plane = np.arange(600).reshape(20, 30).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", plane)
    found = read_micrograph(tmp_path / "a.tif", pixel_um=0.3)
    assert (found.channel().dtype, found.pixel_um) == (dtype, 0.3)
    np.testing.assert_array_equal(found.channel(), plane)


def test_png_grey_and_in_colours(tmp_path):
    grey = np.arange(600, dtype=np.uint8).reshape(20, 30)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    Image.fromarray(np.stack([grey] * 3, axis=2)).save(tmp_path / "same.png")
    Image.fromarray(np.stack([grey, grey // 2, grey * 0], axis=2)).save(tmp_path / "rgb.png")
    for name in ("grey.png", "same.png"):
        np.testing.assert_array_equal(read_micrograph(tmp_path / name).channel(), grey)
    np.testing.assert_array_equal(read_micrograph(tmp_path / "rgb.png").channel("green"), grey // 2)


def test_what_cannot_be_read_names_the_file(tmp_path, stack):
    (tmp_path / "a.tif").write_bytes(b"II*\0nothing")
    (tmp_path / "b.png").write_bytes(b"")
    tifffile.imwrite(tmp_path / "film.tif", stack[0], metadata={"axes": "TYX"}, imagej=True)
    for name, words in (("a.tif", "damaged"), ("b.png", "damaged"), ("film.tif", "3 moments"), ("c.tif", "no such")):
        with pytest.raises(ImageError, match=rf"{name}: .*{words}"):
            read_micrograph(tmp_path / name)


def test_micrographs_of_a_folder_without_label_images(tmp_path):
    for name in ("p1/a.tif", "p1/a_mask.tif", "b.png", ".hidden/c.png", "notes.txt", "d_cp_masks.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "empty").mkdir()
    assert [name for name, _ in find_micrographs(tmp_path)] == ["b.png", "p1/a.tif"]
    with pytest.raises(InputError, match="holds no micrograph"):
        find_micrographs(tmp_path / "empty")
    with pytest.raises(InputError, match="does not exist"):
        find_micrographs(tmp_path / "nowhere")


def test_wells_by_a_pattern_of_ones_own():
    pattern = r"(?P<plate>\w+)-(?P<well>\d+)-(?P<field>\d+)"
    found = plate_position("x-12-3.tif", pattern)
    assert (found.plate, found.well, found.field) == ("x", "12", "3")
    assert plate_position("image.tif").well == ""
    assert plate_position("other.tif", pattern).well == ""
    with pytest.raises(InputError, match="no regular expression"):
        plate_position("x", "(")
    with pytest.raises(InputError, match="names none of"):
        plate_position("x", "(?P<dose>.)")


def test_cells_of_a_file_by_segmentation_and_by_a_label_image(tmp_path):
    field = SimulatedAssay(1, side=128, n_cells=6, seed=3).field(0)
    tifffile.imwrite(tmp_path / "a.tif", field.image)
    (tmp_path / "masks").mkdir()
    tifffile.imwrite(tmp_path / "masks" / "a_mask.tif", field.labels.astype(np.uint16))
    given = read_and_find("a.tif", tmp_path / "a.tif", CellFinding(), tmp_path / "masks")
    np.testing.assert_array_equal(given.segmentation.labels, field.labels)
    assert len(given.table) == len(field.dead)
    assert tuple(given.table.columns)[-1] == "texture_coarse_1"
    found = read_and_find("a.tif", tmp_path / "a.tif", CellFinding(diameter=20))
    assert abs(found.segmentation.n_cells - len(field.dead)) <= 1
    with pytest.raises(InputError, match=r"holds no label image for b.tif; expected b_mask"):
        label_image_of("b.tif", tmp_path / "masks")
    with pytest.raises(InputError, match="Unknown channel 'dapi'"):
        find_cells(found.micrograph, CellFinding(channel="dapi"))


def test_finding_goes_through_json():
    finding = CellFinding("dapi", "otsu", 12.0, 0.5, 2)
    assert CellFinding.from_json(finding.to_json()) == finding


def test_a_library_says_nothing_of_its_own_on_a_damaged_micrograph(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((2, 16, 12), np.uint16), imagej=True, metadata={"axes": "CYX"})
    content = bytearray(path.read_bytes())
    content[60:100] = b"\xff" * 40
    path.write_bytes(content)
    code = (
        "import sys, pathlib; from headstart.cells.micrographs.read import read_micrograph\n"
        "try: read_micrograph(pathlib.Path(sys.argv[1]))\nexcept Exception as error: print(error)"
    )
    found = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert found.stdout.startswith("a.tif: damaged")
    assert found.stderr == ""
