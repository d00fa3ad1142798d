"""Folders of images."""

import numpy as np
import pytest
from PIL import Image

import netlib as nl


@pytest.fixture
def folder(tmp_path):
    """Return a folder of two classes with images of 4 by 6 pixels, and things to leave out."""
    rng = np.random.default_rng(0)
    for name, files in {"b": ["2.png", "10.PNG"], "a": ["x.bmp"], ".hidden": ["y.png"]}.items():
        (tmp_path / name).mkdir()
        for file in [*files, ".z.png"]:
            Image.fromarray(rng.integers(256, size=(4, 6, 3), dtype=np.uint8)).save(tmp_path / name / file)
    (tmp_path / "a" / "notes.txt").write_text("none")
    (tmp_path / "readme.png").write_text("none")
    return tmp_path


def pixels(path):
    return np.array(Image.open(path), np.float64) / 255


def test_images_are_read_class_by_class_and_by_name(folder):
    x, t, classes = nl.data.read_images(folder)
    assert classes == ["a", "b"]
    assert t.tolist() == [0, 1, 1]
    assert (x.dtype, t.dtype) == (np.float32, np.int64)
    for image, file in zip(x, ["a/x.bmp", "b/10.PNG", "b/2.png"], strict=True):
        np.testing.assert_allclose(image, pixels(folder / file).transpose(2, 0, 1), atol=1e-7)


def test_grey_is_the_luminance_of_the_standard(folder):
    x, _, _ = nl.data.read_images(folder, grey=True)
    assert x.shape == (3, 1, 4, 6)
    luminance = pixels(folder / "a/x.bmp") @ [0.299, 0.587, 0.114]  # ITU-R BT.601
    np.testing.assert_allclose(x[0, 0], luminance, atol=1 / 255)


def test_a_size_is_filled_and_what_is_too_long_is_cut_off_on_both_sides(tmp_path):
    stripes = np.zeros((4, 12, 3), np.uint8)
    stripes[:, 4:8] = 255
    (tmp_path / "a").mkdir()
    Image.fromarray(stripes).save(tmp_path / "a/wide.png")
    Image.fromarray(stripes[:2, 4:8]).save(tmp_path / "a/small.png")
    x, _, _ = nl.data.read_images(tmp_path, size=4)
    assert x.shape == (2, 3, 4, 4)
    assert (x == 1).all()
    assert nl.data.read_images(tmp_path, size=(2, 3))[0].shape == (2, 3, 2, 3)


def test_an_image_is_upright_as_its_exif_data_say(tmp_path):
    (tmp_path / "a").mkdir()
    image = Image.fromarray(np.arange(24, dtype=np.uint8).reshape(4, 6))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise
    image.save(tmp_path / "a/turned.png", exif=exif)
    x, _, _ = nl.data.read_images(tmp_path, grey=True)
    assert (np.rint(x[0, 0] * 255) == np.rot90(np.arange(24).reshape(4, 6), -1)).all()


def test_other_sizes_a_damaged_file_and_an_empty_folder_are_reported_by_path(folder):
    Image.new("RGB", (5, 4)).save(folder / "b" / "3.png")
    with pytest.raises(nl.ShapeError, match=r"3\.png has 4×5 pixels, and .*x\.bmp 4×6 pixels. Pass a size"):
        nl.data.read_images(folder)
    data = (folder / "b" / "2.png").read_bytes()
    (folder / "a" / "cut.png").write_bytes(data[: len(data) // 2])
    with pytest.raises(nl.FormatError, match=r"cut\.png: this is no image"):
        nl.data.read_images(folder)
    with pytest.raises(nl.MissingError, match=r"no image in a folder of .*Put the images of each class"):
        nl.data.read_images(folder / "a")
    with pytest.raises(FileNotFoundError):
        nl.data.read_images(folder / "nowhere")
