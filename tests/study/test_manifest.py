"""Stimulus sets: what is wrong with one is said in one line, and pixels arrive as they were rendered."""

import io
import json

import pytest
from pictures import draw, make_set
from PIL import Image

from study.manifest import ManifestError, open_pixels, pixels_sha256, read_manifest
from study.stimuli import encode, pad


def test_a_good_set_is_read(stimuli):
    """All pictures, in PNG or lossless WebP."""
    manifest = read_manifest(stimuli)
    assert len(manifest.stimuli) == 12 * 2 + 4
    assert manifest.models == ("lite",)
    assert manifest == read_manifest(stimuli / "manifest.json")


def edit(folder, change):
    data = json.loads((folder / "manifest.json").read_text())
    change(data)
    (folder / "manifest.json").write_text(json.dumps(data))


def _swap_file(data):
    one, two = data["stimuli"][:2]
    one["file"], two["file"] = two["file"], one["file"]


def _resize(data):
    data["stimuli"][0]["width_px"] = 16


CHANGES = [
    (
        lambda d: d.update(format="truehue-stimulus-set/2"),
        "expected truehue-stimulus-set/1, got 'truehue-stimulus-set/2'",
    ),
    (lambda d: d["stimuli"][0].update(file="../secret.png"), "expected a path inside the set"),
    (lambda d: d["stimuli"][0].update(file="/etc/passwd"), "expected a path inside the set"),
    (lambda d: d["stimuli"][0].update(image_id="p 1"), "image_id: expected [a-z0-9-]+"),
    (lambda d: d["stimuli"][0].update(condition="none"), "condition none is not declared"),
    (lambda d: d["stimuli"][0].update(pixels_sha256="abc"), "pixels_sha256: expected"),
    (lambda d: d["stimuli"].pop(0), "image p000: the original is missing"),
    (lambda d: d["conditions"].pop("real"), "condition real is not declared"),
    (lambda d: d["conditions"].clear(), "expected at least one, got none"),
    (lambda d: d["stimuli"].append(d["stimuli"][0]), "occurs twice"),
    (lambda d: d["images"].append(d["images"][0]), "an image_id occurs twice"),
    (lambda d: d["images"].pop(0), "image p000 is not among the images"),
    (lambda d: d.update(images=[]), "images: expected a list of at least one object"),
    (_swap_file, "are not the ones that were rendered"),
    (_resize, "the original 16×32; run"),
    (lambda d: d.update(name=7), "name: expected a string, got 7"),
    (
        lambda d: d["stimuli"][0].update(width_px="32"),
        "width_px: expected a number of pixels from 1 to 20000, got '32'",
    ),
    (lambda d: d["stimuli"][0].update(width_px=True), "expected a number of pixels from 1 to 20000, got True"),
    (lambda d: d["stimuli"][0].update(width_px=0), "expected a number of pixels from 1 to 20000, got 0"),
    (lambda d: d.update(conditions=[]), "conditions: expected an object, got []"),
    (lambda d: d["conditions"].update({"Lite 2": {}}), "condition Lite 2: name: expected"),
    (lambda d: d["conditions"].update(lite=3), "conditions.lite: expected an object, got 3"),
    (lambda d: d["conditions"]["lite"].update(kind="real"), "kind: expected real for the originals, else model"),
    (lambda d: d["conditions"]["real"].update(kind="model"), "kind: expected real for the originals, else model"),
    (lambda d: d["images"][0].update(group=4), "group: expected a string, got 4"),
    (lambda d: d["images"][0].update(has_original="no"), "has_original: expected true or false, got 'no'"),
    (lambda d: [s.update(width_px=16) for s in d["stimuli"]], "expected 16×32 px, got 32×32"),
    (lambda d: d["stimuli"][0].update(file="images/none.png"), "image p000: images/none.png is missing; run python -m"),
]


@pytest.mark.parametrize(("change", "message"), CHANGES)
def test_a_bad_manifest_is_one_line(tmp_path, change, message):
    """Where, what, what to do."""
    folder = make_set(tmp_path / "set", n=2, n_random=0)
    edit(folder, change)
    with pytest.raises(ManifestError) as caught:
        read_manifest(folder)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "python -m colorizer stimuli" in str(caught.value)


def test_a_set_without_originals_is_read_and_its_pictures_still_match_each_other(tmp_path):
    """Archive photographs have no `real`; the sizes of an image's pictures must agree all the same."""
    folder = make_set(tmp_path / "set", n=2, n_random=2)

    def drop_originals(data):
        del data["conditions"]["real"]
        data["stimuli"] = [s for s in data["stimuli"] if s["condition"] != "real"]

    edit(folder, drop_originals)
    manifest = read_manifest(folder)
    assert {s.condition for s in manifest.stimuli} == {"lite", "random"}
    edit(folder, _resize)
    with pytest.raises(ManifestError, match="16×32"):
        read_manifest(folder)


@pytest.mark.parametrize("content", [b"", b"not a picture", None])
def test_a_damaged_picture_is_one_line(tmp_path, content):
    """Empty, something else, cut short."""
    folder = make_set(tmp_path / "set", n=2, n_random=0)
    path = sorted((folder / "images").iterdir())[0]
    path.write_bytes(path.read_bytes()[:-30] if content is None else content)
    with pytest.raises(ManifestError) as caught:
        read_manifest(folder)
    assert "\n" not in str(caught.value)


def test_a_picture_in_another_mode_or_format_is_refused(tmp_path):
    """CMYK, grey, JPEG: not what the pixels' hash is about."""
    folder = make_set(tmp_path / "set", n=1, n_random=0)
    path = sorted((folder / "images").iterdir())[0]
    for mode, kind in (("L", "PNG"), ("RGBA", "PNG"), ("RGB", "JPEG")):
        Image.new(mode, (32, 32)).save(path, kind)
        with pytest.raises(ManifestError, match="expected an 8-bit RGB PNG or WebP"):
            read_manifest(folder)


def test_missing_and_broken_manifests_are_one_line(tmp_path):
    """No folder, no JSON."""
    with pytest.raises(ManifestError, match="No such file"):
        read_manifest(tmp_path / "none")
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(ManifestError, match="not valid JSON"):
        read_manifest(tmp_path)


def test_padding_changes_the_length_and_nothing_else():
    """The decoded pixels are bit-identical, the only other chunks are sRGB's and ours."""
    image = draw("x")
    png = encode(image)
    padded = pad(png, len(png) + 500)
    assert len(padded) == len(png) + 500
    with Image.open(io.BytesIO(padded)) as back:
        back.load()
        assert pixels_sha256(back) == pixels_sha256(image)
    assert chunks(padded) == [b"IHDR", b"sRGB", b"IDAT", b"trPd", b"IEND"]
    with pytest.raises(ValueError, match="expected a length of at least"):
        pad(png, len(png) + 11)


def chunks(png: bytes) -> list[bytes]:
    names, at = [], 8
    while at < len(png):
        names.append(png[at + 4 : at + 8])
        at += int.from_bytes(png[at : at + 4], "big") + 12
    return names


def test_a_picture_outside_the_set_is_not_read(tmp_path):
    """A link that leads out would send a file of the server to every browser."""
    folder = make_set(tmp_path / "set", n=2)
    manifest = read_manifest(folder)
    file = folder / manifest.stimuli[0].file
    file.rename(tmp_path / "elsewhere.png")
    file.symlink_to(tmp_path / "elsewhere.png")
    with pytest.raises(ManifestError, match="lies outside the set"):
        open_pixels(folder, manifest.stimuli[0], where="manifest.json")
