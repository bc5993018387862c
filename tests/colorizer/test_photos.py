"""Inputs people really have: coloured correctly, or refused by name."""

import contextlib
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from colorizer.photos import PhotoError, is_grey, open_photo, perceptual_hash
from colorizer.sources import is_photo_name, list_photos

from .conftest import make_photo


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


RGB = make_photo(3, size=(40, 30))


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "CMYK", "1", "I;16"])
def test_every_mode_opens_as_8_bit_rgb(mode: str) -> None:
    """Grey, alpha, palette, CMYK, bilevel and 16-bit files come out as RGB of the same size."""
    image = (
        Image.fromarray(np.asarray(RGB.convert("L")).astype(np.uint16) * 257) if mode == "I;16" else RGB.convert(mode)
    )
    kind = "TIFF" if mode == "CMYK" else "PNG"
    opened = open_photo(encoded(image, kind))
    assert (opened.mode, opened.size) == ("RGB", (40, 30))
    if mode in ("L", "LA", "I;16"):  # 16-bit grey must not be clipped to white
        np.testing.assert_allclose(np.asarray(opened)[..., 0], np.asarray(RGB.convert("L")), atol=1)


def test_transparency_lies_on_white() -> None:
    """A fully transparent pixel is white, as every viewer shows it."""
    opened = open_photo(encoded(Image.new("RGBA", (20, 20), (255, 0, 0, 0))))
    assert opened.getpixel((3, 3)) == (255, 255, 255)


def test_exif_orientation_is_applied() -> None:
    """A photograph taken with the camera on its side stands upright."""
    exif = Image.Exif()
    exif[0x0112] = 6
    assert open_photo(encoded(RGB, "JPEG", exif=exif)).size == (30, 40)


def test_embedded_profiles_are_converted_to_srgb() -> None:
    """A file tagged with another colour space comes out with other numbers: the profile was used."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    lab_like = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    same = np.asarray(open_photo(encoded(RGB, "PNG", icc_profile=lab_like))).astype(int)
    assert np.abs(same - np.asarray(RGB).astype(int)).max() <= 2
    broken = open_photo(encoded(RGB, "PNG", icc_profile=b"no profile at all"))
    np.testing.assert_array_equal(np.asarray(broken), np.asarray(RGB))
    assert open_photo(encoded(RGB, "PNG", icc_profile=profile)).size == RGB.size


def test_unreadable_files_are_refused_by_name() -> None:
    """Text, an empty file and a truncated JPEG each give a PhotoError `unreadable` that names the file."""
    whole = encoded(make_photo(1, size=(200, 200)), "JPEG")
    for data in (b"hello", b"", whole[: len(whole) // 2]):
        with pytest.raises(PhotoError, match=r"holiday\.jpg") as caught:
            open_photo(data, "holiday.jpg")
        assert caught.value.reason == "unreadable"


def test_camera_raw_is_refused_and_not_its_thumbnail_shown() -> None:
    """A DNG is a TIFF whose first picture is a thumbnail: refused by name, whatever Pillow could read of it."""
    thumbnail = encoded(RGB, "TIFF")
    assert open_photo(thumbnail, "IMG_1.tif").size == RGB.size
    with pytest.raises(PhotoError, match=r"IMG_1\.DNG: camera raw; develop it"):
        open_photo(thumbnail, "IMG_1.DNG")
    assert is_photo_name("IMG_1.DNG")
    assert is_photo_name("saved by a browser.jfif")


def test_decompression_bombs_are_refused() -> None:
    """A small file that unpacks to more than 120 megapixels is refused before it is unpacked."""
    bomb = encoded(Image.new("1", (40_000, 4_000)))
    assert len(bomb) < 100_000
    with pytest.raises(PhotoError, match="megapixels") as caught:
        open_photo(bomb, "bomb.png")
    assert caught.value.reason == "too_large"


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_files_open_or_are_refused_but_never_crash(data: st.DataObject) -> None:
    """Any bytes changed in a real file: an image or a PhotoError, nothing else."""
    kind = data.draw(st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "TIFF"]))
    content = bytearray(encoded(RGB, kind))
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=12)):
        content[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    with contextlib.suppress(PhotoError):
        assert open_photo(bytes(content[:cut])).mode == "RGB"


def test_folders_are_read_deep_and_zips_by_entry(tmp_path: Path) -> None:
    """Photographs in sub-folders and zips are found, in the order of their names; other files are not."""
    (tmp_path / "a b" / "ü").mkdir(parents=True)
    RGB.save(tmp_path / "a b" / "ü" / "x.PNG")
    RGB.save(tmp_path / "b.jpg")
    (tmp_path / "notes.txt").write_text("no photograph")
    (tmp_path / "d.jpg").symlink_to(tmp_path / "gone.jpg")
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as archive:
        archive.writestr("in/z.png", encoded(RGB))
    names = [p.name for p in list_photos(tmp_path, tmp_path / "c.zip")]
    assert names == ["a b/ü/x.PNG", "b.jpg", "d.jpg", "in/z.png"]
    (tmp_path / "d.jpg").unlink()  # a link to nothing is listed, so that it is refused by name
    assert all(open_photo(p.read_bytes()).size == RGB.size for p in list_photos(tmp_path, tmp_path / "c.zip"))
    with pytest.raises(PhotoError, match="no such file"):
        list_photos(tmp_path / "nowhere")
    (tmp_path / "broken.zip").write_bytes(b"PK no")
    with pytest.raises(PhotoError, match="zip"):
        list_photos(tmp_path / "broken.zip")


def test_grey_is_told_from_colour() -> None:
    """A grey picture saved as RGB is grey, a colourful one is not."""
    grey = np.asarray(RGB.convert("L").convert("RGB"))
    assert is_grey(grey)
    assert not is_grey(np.asarray(RGB))


def test_perceptual_hash_survives_resizing_and_jpeg_but_tells_photos_apart() -> None:
    """The hash of a shrunken JPEG copy differs in few bits, that of another photograph in many."""
    big = make_photo(5, size=(300, 260))
    copy = open_photo(encoded(big.resize((150, 130)), "JPEG", quality=80))
    assert (perceptual_hash(big) ^ perceptual_hash(copy)).bit_count() <= 6
    assert (perceptual_hash(big) ^ perceptual_hash(make_photo(6, size=(300, 260)))).bit_count() > 12
