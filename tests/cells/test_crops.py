"""Single cells as a data set: size, masks, classes, groups, table."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.cells.crops.classes import (
    ClassPoints,
    check_both_classes,
    classes_at_points,
    classes_by_dye,
    classes_by_folder,
    classes_of_labels,
    dye_threshold,
    read_class_points,
)
from headstart.cells.crops.cut import cut_crops
from headstart.cells.crops.dataset import crop_dataset, group_of
from headstart.cells.crops.recipe import CropRecipe, plan_crops
from headstart.cells.measure import measure_cells
from headstart.cells.micrographs.kept import KeptMicrograph
from headstart.cells.micrographs.read import Micrograph
from headstart.cells.micrographs.segmented import SegmentedMicrograph
from headstart.cells.segmentation.segment import Segmentation
from headstart.errors import ImageError, InputError


def made(name="p/a_B02_f1.tif", *, pixel_um=None, factor=1, dtype=np.uint8):
    """Two square cells, of 10 and 20 in the first channel, of 5 and 50 in the second; one at the border."""
    labels = np.zeros((40, 40), dtype=np.int32)
    labels[0:8, 2:10], labels[20:28, 20:28] = 1, 2
    labels = np.kron(labels, np.ones((factor, factor), dtype=np.int32))
    planes = {"dapi": (labels * 10).astype(dtype), "pi": np.select([labels == 1, labels == 2], [5, 50]).astype(dtype)}
    table = measure_cells(labels, planes, pixel_um=pixel_um)
    return SegmentedMicrograph(Micrograph(name, planes, pixel_um), Segmentation(labels, "given"), table)


def test_cells_stand_in_the_middle_and_the_border_is_black():
    one = made()
    recipe = CropRecipe(16, None, ("dapi",), (255.0,))
    first, second = cut_crops(one, recipe)
    assert second.shape == (16, 16)
    assert np.argwhere(second == 20).mean(axis=0) == pytest.approx([7.5, 7.5], abs=0.5)
    assert not first[:4].any()
    assert np.count_nonzero(first == 10) == 64


def test_masked_crops_show_the_cell_alone():
    one = made()
    one.micrograph.planes["dapi"][:] = 99
    plain, masked = (cut_crops(one, CropRecipe(16, None, ("dapi",), (255.0,), masked=how)) for how in (False, True))
    assert np.count_nonzero(masked[1]) == 64
    assert np.count_nonzero(plain[1]) == 256


def test_two_channels_are_red_and_green():
    crops = cut_crops(made(), CropRecipe(16, None, ("pi", "dapi"), (255.0, 255.0)))
    assert crops.shape == (2, 16, 16, 3)
    assert crops[1, 8, 8].tolist() == [50, 20, 0]


def test_physical_size_is_the_same_at_another_pixel_size():
    coarse, fine = made(pixel_um=1.0), made(pixel_um=0.5, factor=2)
    recipe = plan_crops([coarse], side_um=16)
    assert recipe.side == 16
    one, two = cut_crops(coarse, recipe)[1], cut_crops(fine, recipe)[1]
    assert np.abs(one.astype(int) - two.astype(int)).mean() < 2


def test_default_side_is_two_diameters():
    assert plan_crops([made()]).side == round(4 * np.sqrt(64 / np.pi))
    assert plan_crops([made(pixel_um=0.5)]).side_um == pytest.approx(2 * np.sqrt(64 / np.pi))


def test_white_is_fixed_for_all_micrographs():
    assert plan_crops([made()]).white == (255.0, 255.0)
    recipe = plan_crops([made(dtype=np.uint16)], channels=["dapi"])
    assert recipe.white == (pytest.approx(20, rel=0.01),)
    assert cut_crops(made(dtype=np.uint16), recipe)[1].max() == 255
    assert CropRecipe.from_json(recipe.to_json()) == recipe


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"side_um": 12.0}, "does not say how large a pixel is"),
        ({"side": 4}, "expected 8 to 512"),
        ({"channels": ["gfp"]}, "Unknown channel 'gfp'"),
        ({"channels": ["dapi"] * 4}, "at most 3 channels"),
    ],
)
def test_bad_recipes_are_refused(options, words):
    with pytest.raises(InputError, match=words):
        plan_crops([made()], **options)


def test_no_cells_are_refused():
    one = made()
    nothing = np.zeros_like(one.segmentation.labels)
    empty = SegmentedMicrograph(one.micrograph, Segmentation(nothing, "local"), measure_cells(nothing, {}))
    with pytest.raises(InputError, match="No cell was found"):
        plan_crops([empty])


def test_data_set_with_classes_groups_and_table():
    ones = [made("p/a_B02_f1.tif"), made("p/a_B02_f2.tif")]
    dataset = crop_dataset(ones, plan_crops(ones), [["living", "dead"], ["", "dead"]])
    assert dataset.names == ("p/a_B02_f1.tif#1", "p/a_B02_f1.tif#2", "p/a_B02_f2.tif#2")
    assert dataset.label_names() == ["living", "dead", "dead"]
    assert dataset.group_names == ("p/a_B02_f1.tif", "p/a_B02_f2.tif")
    assert [column.name for column in dataset.columns][:2] == ["area", "perimeter"]
    assert dataset.load(1).size == (18, 18)
    assert dataset.subset([2]).load(0).getpixel((9, 9)) == (20, 50, 0)
    by_well = crop_dataset(ones, plan_crops(ones), group_by="well", measured=False)
    assert (by_well.group_names, by_well.columns) == (("p B02",), ())


def test_groups_that_a_name_does_not_tell_are_refused():
    assert group_of("p/a_B02_f1.tif", "plate") == "p"
    with pytest.raises(InputError, match="tells of no well; give --pattern"):
        group_of("a.tif", "well")


def test_classes_from_a_table_of_centroids(tmp_path):
    path = tmp_path / "cells.csv"
    path.write_text("image,y,x,class\np/a_B02_f1.tif,4,5,living\np/a_B02_f1.tif,29.5,24,dead\n")
    points = read_class_points(path)["p/a_B02_f1.tif"]
    assert classes_at_points(made(), points) == ["living", "dead"], "the second lies just outside its cell"
    both = ClassPoints(np.array([22.0, 25.0, 3.0]), np.array([22.0, 25.0, 38.0]), ["living", "dead", "dead"])
    assert classes_at_points(made(), both) == ["", ""], "two classes in one cell, and a point far from any"
    assert classes_at_points(made(), None) == ["", ""]
    beyond = ClassPoints(np.array([400.0, 24.0]), np.array([5.0, -9.0]), ["living", "dead"])
    assert classes_at_points(made(), beyond) == ["", ""], "points outside of the picture mean no cell at its border"
    path.write_text("image,y,class\na,1,dead\n")
    with pytest.raises(InputError, match="lacks the column x"):
        read_class_points(path)
    path.write_text("image,y,x,class\na,1,left,dead\n")
    with pytest.raises(InputError, match="'left' are no position"):
        read_class_points(path)
    path.write_text("image,y,x,class\na,1,nan,dead\n")
    with pytest.raises(InputError, match="'nan' are no position"):
        read_class_points(path)
    path.write_text("image,y,x,class\na,1,2\n")
    assert read_class_points(path)["a"].names == [""]
    with pytest.raises(InputError, match="cannot be read"):
        read_class_points(tmp_path / "none.csv")


def test_classes_from_an_image_of_classes():
    codes = (made().segmentation.labels == 2) * 2
    assert classes_of_labels(made(), codes, ["living", "dead"], "codes.png") == ["", "dead"]
    with pytest.raises(InputError, match=r"codes\.png has the class 2"):
        classes_of_labels(made(), codes, ["living"], "codes.png")
    with pytest.raises(InputError, match="of the size"):
        classes_of_labels(made(), codes[:-1], ["living", "dead"], "codes.png")


def test_classes_from_folders_and_from_a_second_dye():
    assert classes_by_folder("dead/a.tif") == "dead"
    with pytest.raises(InputError, match="lies in no folder"):
        classes_by_folder("a.tif")
    above = dye_threshold([made()], "pi")
    assert 5 <= above < 50
    assert classes_by_dye(made(), "pi", above, ("living", "dead")) == ["living", "dead"]
    with pytest.raises(InputError, match="Unknown channel 'gfp'"):
        classes_by_dye(made(), "gfp", 5.0, ("living", "dead"))
    flat = made()
    flat.table.columns["mean_pi"][:] = 3
    with pytest.raises(InputError, match="all are alike"):
        dye_threshold([flat], "pi")


def test_one_class_alone_is_refused():
    check_both_classes(["living", "dead", ""])
    with pytest.raises(InputError, match="All labelled cells are living"):
        check_both_classes(["living", ""])
    with pytest.raises(InputError, match="No cell has a class"):
        check_both_classes([""])


def test_crops_of_kept_micrographs_are_those_of_whole_ones():
    whole = [made("a.tif"), made("b.tif", dtype=np.uint16)]
    n_read = []
    kept = [KeptMicrograph.of(one, lambda one=one: n_read.append(one.name) or one.micrograph) for one in whole]
    for one, other in zip(kept, whole, strict=True):
        np.testing.assert_array_equal(one.labels, other.labels)
        assert len(one.packed) < 0.1 * one.labels.nbytes
    for masked in (False, True):
        recipe = plan_crops(kept, masked=masked)
        assert recipe == plan_crops(whole, masked=masked)
        ours, theirs = crop_dataset(kept, recipe), crop_dataset(whole, recipe)
        assert ours.names == theirs.names
        for row in range(len(ours)):
            np.testing.assert_array_equal(np.asarray(ours.load(row)), np.asarray(theirs.load(row)))
    assert n_read == ["a.tif", "b.tif"] * 2


def test_a_file_that_changes_meanwhile_is_told():
    one = made()
    kept = KeptMicrograph.of(one, lambda: Micrograph(one.name, {"dapi": one.micrograph.planes["dapi"]}))
    with pytest.raises(ImageError, match="has changed while it was read"):
        kept.with_pixels()


def test_micrographs_of_different_channels_have_no_common_measurements():
    one, other = made("a.tif"), made("b.tif")
    alone = {"dapi": other.micrograph.planes["dapi"]}
    fewer = SegmentedMicrograph(Micrograph("b.tif", alone), other.segmentation, measure_cells(other.labels, alone))
    recipe = plan_crops([one, fewer], channels=["dapi"])
    with pytest.raises(InputError, match=r"b\.tif has the channels dapi, and a\.tif dapi, pi"):
        crop_dataset([one, fewer], recipe)
    assert len(crop_dataset([one, fewer], recipe, measured=False)) == 4


def test_measurements_are_in_one_unit():
    ones = [made("a.tif", pixel_um=0.5), made("b.tif")]
    for refused in (lambda: plan_crops(ones), lambda: crop_dataset(ones, plan_crops(ones, side=18))):
        with pytest.raises(InputError, match=r"a\.tif tells how large a pixel is and b\.tif does not"):
            refused()
    assert len(crop_dataset(ones, plan_crops(ones, side=18), measured=False)) == 4


def test_a_channel_is_left_out_of_the_measurements():
    one = made()
    names = [column.name for column in crop_dataset([one], plan_crops([one]), unmeasured="pi").columns]
    assert "mean_dapi" in names
    assert not [name for name in names if name.endswith("_pi")]
