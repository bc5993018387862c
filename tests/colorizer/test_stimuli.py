"""A stimulus set: nothing but the colours differs, everything is accounted for."""

import csv
import hashlib
import io
import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from colorizer import stimuli
from colorizer.checkpoints import save_checkpoint
from colorizer.cli import main
from colorizer.evaluate import evaluate
from colorizer.models.zhang2016 import Zhang2016
from colorizer.photos import perceptual_hash
from colorizer.render import to_lab
from colorizer.stimuli import Settings, StimuliError, render_stimuli

from .conftest import make_photo


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An untrained tiny network that was 'trained' on photograph 7."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "m.safetensors"
    seen = [perceptual_hash(make_photo(7))]
    model = Zhang2016(width=0.0625)
    save_checkpoint(path, model, arguments={"width": 0.0625}, recipe={}, results={}, seen_phashes=seen)
    return str(path)


def render(folder: Path, out: Path, weights: str, models: tuple[str, ...] = ("zhang2016", "random", "gray"), **options):
    settings = Settings(size_px=64, seed=3, n_requested=options.pop("n", None), image_format=options.pop("f", "png"))
    return render_stimuli(folder, list(models), out, settings, weights={"zhang2016": weights}, **options)


def pixels(folder: Path, stimulus: dict) -> np.ndarray:
    with Image.open(folder / stimulus["file"]) as image:
        return np.asarray(image.convert("RGB"))


@pytest.mark.parametrize("image_format", ["png", "webp"])
def test_every_picture_is_as_the_manifest_says(
    photo_folder: Path, tmp_path: Path, weights: str, image_format: str
) -> None:
    """Files exist, decode losslessly to the recorded hash, carry no metadata but the sRGB tag."""
    manifest = render(photo_folder, tmp_path / "set", weights, f=image_format)
    on_disk = json.loads((tmp_path / "set" / "manifest.json").read_text())
    assert on_disk == json.loads(json.dumps(manifest))
    assert on_disk["format"] == "truehue-stimulus-set/1"
    assert {s["condition"] for s in manifest["stimuli"]} == {"real", "zhang2016", "random", "gray"}
    for stimulus in manifest["stimuli"]:
        rgb = pixels(tmp_path / "set", stimulus)
        head = f"{rgb.shape[1]}x{rgb.shape[0]}:RGB:".encode()
        assert stimulus["pixels_sha256"] == hashlib.sha256(head + rgb.tobytes()).hexdigest()
        with Image.open(tmp_path / "set" / stimulus["file"]) as image:
            assert set(image.info) <= {"srgb", "icc_profile", "background", "loop", "timestamp", "duration"}
            if image_format == "png":
                assert image.info["srgb"] == 0
                assert "icc_profile" not in image.info
            else:
                profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
                assert "sRGB" in ImageCms.getProfileDescription(profile)
    assert len(list((tmp_path / "set" / "images").iterdir())) == len(manifest["stimuli"])


def test_real_and_fake_share_their_lightness(photo_folder: Path, tmp_path: Path, weights: str) -> None:
    """Where no colour left the gamut, L of the fake is L of the real to rounding; the gray control is gray."""
    manifest = render(photo_folder, tmp_path / "set", weights)
    by = {(s["image_id"], s["condition"]): s for s in manifest["stimuli"]}
    for image in manifest["images"]:
        real = to_lab(pixels(tmp_path / "set", by[image["image_id"], "real"]))
        for condition in ("zhang2016", "gray", "random"):
            stimulus = by[image["image_id"], condition]
            fake = to_lab(pixels(tmp_path / "set", stimulus))
            error = (real[:, :1] - fake[:, :1]).abs()
            assert float(error.quantile(1 - stimulus["gamut_clipped_share"] - 1e-6)) < 0.8
            assert stimulus["delta_e00_mean"] > 0
        gray = to_lab(pixels(tmp_path / "set", by[image["image_id"], "gray"]))
        assert float(gray[:, 1:].abs().max()) < 1.0  # a channel may be one level off by rounding


def test_the_same_call_gives_the_same_bytes(photo_folder: Path, tmp_path: Path, weights: str) -> None:
    """Rendering is deterministic: manifest and pictures are identical byte by byte."""
    render(photo_folder, tmp_path / "a", weights, name="x")
    render(photo_folder, tmp_path / "b", weights, name="x")
    files = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*") if p.is_file())
    assert all((tmp_path / "a" / f).read_bytes() == (tmp_path / "b" / f).read_bytes() for f in files)
    assert len(files) > 30


def test_every_photograph_is_in_or_refused_with_its_reason(photo_folder: Path, tmp_path: Path, weights: str) -> None:
    """Grey, faint, small, broken, doubled and seen photographs are refused by name; the rest is drawn or counted."""
    make_photo(20).convert("L").convert("RGB").save(photo_folder / "grey.png")
    faint = np.asarray(make_photo(21)).astype(float)
    grey = faint.mean(2, keepdims=True)
    Image.fromarray((grey + (faint - grey) * 0.06).astype(np.uint8)).save(photo_folder / "faint.png")
    make_photo(22, size=(30, 20)).save(photo_folder / "small.png")
    (photo_folder / "broken.jpg").write_bytes(b"\xff\xd8 nothing")
    make_photo(3).resize((100, 89)).save(photo_folder / "zz copy.jpg", quality=90)
    manifest = render(photo_folder, tmp_path / "set", weights, n=8)
    reasons = {r["source"]: r["reason"] for r in manifest["refused"]}
    everyone = {p.name for p in photo_folder.iterdir()}
    assert len(manifest["images"]) == 8
    assert {i["source"] for i in manifest["images"]} | set(reasons) == everyone
    all_of_them = render(photo_folder, tmp_path / "all", weights)
    reasons = {r["source"]: r["reason"] for r in all_of_them["refused"]}
    assert reasons.pop("grey.png") == "grey"
    assert reasons.pop("faint.png") in ("low_chroma", "grey")
    assert reasons.pop("small.png") == "too_small"
    assert reasons.pop("broken.jpg") == "unreadable"
    assert reasons.pop("photo 07 é.png") == "seen_in_training"
    assert list(reasons.values()) == ["duplicate"]
    seen = render(photo_folder, tmp_path / "seen", weights, allow_seen=True)
    marked = {i["source"] for i in seen["images"] if i["image_id"] in seen["seen_in_training"]}
    assert marked == {"photo 07 é.png"}


def test_random_wears_the_colours_of_another_motif(photo_folder: Path, tmp_path: Path, weights: str) -> None:
    """No photograph wears its own colours or its group's; `n_random` limits how many get the control."""
    with (photo_folder / "CREDITS.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "author", "licence", "source", "group"])
        for i, path in enumerate(sorted(photo_folder.glob("*.png"))):
            writer.writerow([f"in/{path.name}", f"Author {i}", "CC0-1.0", "made here", f"g{i // 6}"])
    manifest = render(photo_folder, tmp_path / "set", weights, models=("random",), n_random=5)
    assert {i["group"] for i in manifest["images"]} == {"g0", "g1"}
    assert manifest["images"][0]["author"] == "Author 0"
    wearing = [s for s in manifest["stimuli"] if s["condition"] == "random"]
    assert len(wearing) == 5
    folder = tmp_path / "set"
    reals = {s["image_id"]: to_lab(pixels(folder, s))[:, 1:] for s in manifest["stimuli"] if s["condition"] == "real"}
    group = {i["image_id"]: i["group"] for i in manifest["images"]}
    for stimulus in wearing:
        worn = to_lab(pixels(folder, stimulus))[:, 1:]
        nearest = min(reals, key=lambda i: float((reals[i] - worn).norm(dim=1).median()))
        assert group[nearest] != group[stimulus["image_id"]]


def test_the_set_is_named_after_its_folder(photo_folder: Path, tmp_path: Path, weights: str) -> None:
    """Whatever the folder is called, the name is lower-case letters, digits and hyphens; a bad --name is refused."""
    assert render(photo_folder, tmp_path / "My Set.part", weights, models=("gray",))["name"] == "my-set-part"
    assert render(photo_folder, tmp_path / "…", weights, models=("gray",))["name"] == "stimuli"
    with pytest.raises(StimuliError, match="--name: expected lower-case"):
        render(photo_folder, tmp_path / "out", weights, models=("gray",), name="My Set")


def test_bad_requests_leave_nothing_behind(photo_folder: Path, tmp_path: Path, weights: str) -> None:
    """A full folder, no photographs, only unusable ones, an unknown model: one error, no half-written set."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("mine")
    with pytest.raises(StimuliError, match="is not empty"):
        render(photo_folder, tmp_path / "full", weights)
    (tmp_path / "empty").mkdir()
    with pytest.raises(StimuliError, match="found none"):
        render(tmp_path / "empty", tmp_path / "out", weights)
    (tmp_path / "empty" / "x.png").write_bytes(b"nothing")
    with pytest.raises(StimuliError, match=r"no usable photograph among 1 \(unreadable\)"):
        render(tmp_path / "empty", tmp_path / "out", weights)
    with pytest.raises(StimuliError, match="always in the set"):
        render(photo_folder, tmp_path / "out", weights, models=("real",))
    assert not list(tmp_path.glob("out*"))


def test_evaluation_ranks_real_above_gray_above_random(photo_zip: Path, weights: str) -> None:
    """The originals are perfect, gray is less wrong than other photographs' colours; intervals hold the means."""
    result = evaluate([photo_zip], ["real", "gray", "random", "zhang2016"], weights={"zhang2016": weights}, size_px=48)
    table = result["models"]
    assert result["n_images"] == 12
    assert table["real"]["auc_raw"]["mean"] == pytest.approx(1.0)
    assert table["real"]["auc_rebalanced"]["mean"] == pytest.approx(1.0)
    assert table["real"]["ssim"]["mean"] == pytest.approx(1.0)
    assert table["real"]["delta_e00"]["mean"] == 0
    assert table["gray"]["colourfulness"]["mean"] < 1
    assert table["real"]["colourfulness_ratio"]["mean"] == pytest.approx(1.0)
    assert table["gray"]["auc_raw"]["mean"] > table["random"]["auc_raw"]["mean"]
    bounded = [e for row in table.values() for name, e in row.items() if not name.startswith("fd_")]
    assert all(e["ci_low"] <= e["mean"] <= e["ci_high"] for e in bounded)


def test_the_command_line_colours_and_refuses_by_name(
    photo_folder: Path, tmp_path: Path, weights: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Good photographs are coloured, a broken one is named, the status is 2; the same call without it gives 0."""
    (photo_folder / "broken one.jpg").write_bytes(b"\xff\xd8")
    arguments = [
        "colorize",
        str(photo_folder),
        "--model",
        "zhang2016",
        "--weights",
        weights,
        "--out",
        str(tmp_path / "o"),
    ]
    assert main(arguments) == 2
    out = capsys.readouterr()
    assert "12 coloured, 1 refused" in out.out
    assert "broken one.jpg" in out.err
    assert "Traceback" not in out.err
    assert sorted(p.name for p in (tmp_path / "o").iterdir()) == [f"photo {i:02d} é.png" for i in range(12)]
    (photo_folder / "broken one.jpg").unlink()
    assert main(arguments) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["colorize", "nowhere.jpg", "--out", "o"], "error: nowhere.jpg: no such file"),
        (["stimuli", "--real", "nowhere", "--out", "o", "--model", "gray"], "error: nowhere: no such file"),
        (["evaluate", "--data", "nowhere.zip", "--model", "gray"], "error: nowhere.zip: expected a folder"),
        (["train", "no-such-recipe", "--data", "x", "--out", "o"], "error: no-such-recipe: no such recipe"),
        (["evaluate", "--data", ".", "--model", "gray", "nobody"], "error: unknown model 'nobody'"),
    ],
)
def test_user_errors_are_one_line_and_status_2(
    arguments: list[str],
    message: str,
    photo_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Expected, got, next step; no traceback, nothing written."""
    monkeypatch.chdir(photo_folder)
    assert main(arguments) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert len(errors) == 1
    assert errors[0].startswith(message)
    assert not (photo_folder / "o").exists()


def test_models_lists_every_name(capsys: pytest.CaptureFixture[str]) -> None:
    """Each model with its size and where its weights are, and the controls."""
    assert main(["models"]) == 0
    text = capsys.readouterr().out
    assert all(
        name in text
        for name in ("truehue-lite", "zhang2016", "32.24 M", "siggraph17", "pix2pix", "wallner-alpha", "gray", "random")
    )


def test_the_obvious_control_has_the_complements_of_the_photographs_colours(
    photo_folder: Path, weights: str, tmp_path: Path
) -> None:
    """Where no colour left the gamut: L as it was, ab turned by 180 degrees and half as strong again."""
    manifest = render(photo_folder, tmp_path / "set", weights, models=("obvious",))
    assert manifest["conditions"]["obvious"]["kind"] == "control"
    by = {(s["image_id"], s["condition"]): s for s in manifest["stimuli"]}
    for image in manifest["images"]:
        real = to_lab(pixels(tmp_path / "set", by[image["image_id"], "real"]))
        obvious = to_lab(pixels(tmp_path / "set", by[image["image_id"], "obvious"]))
        weak = real[:, 1:].norm(dim=1, keepdim=True) < 15  # far from the gamut's edge
        weak &= (real[:, :1] > 30) & (real[:, :1] < 80)
        if weak.any():
            off = (obvious[:, 1:] + 1.5 * real[:, 1:]).abs()
            assert float(off[weak.expand_as(off)].quantile(0.9)) < 2


def test_an_empty_folder_becomes_the_set_and_a_set_needs_a_condition(photo_folder: Path, tmp_path: Path) -> None:
    """`--out` may be there already if nothing is in it; without any condition nothing is rendered."""
    (tmp_path / "set").mkdir()
    manifest = render_stimuli(photo_folder, ["gray"], tmp_path / "set", Settings(size_px=64, n_requested=2))
    assert json.loads((tmp_path / "set" / "manifest.json").read_text())["images"] == manifest["images"]
    with pytest.raises(StimuliError, match="expected at least one condition: --model or --fake"):
        render_stimuli(photo_folder, [], tmp_path / "other", Settings(size_px=64))


def test_pictures_that_are_missing_are_no_set(
    photo_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody removes a picture while others are rendered: an error, and the set does not appear."""
    write = stimuli.write_pictures

    def write_and_lose(*arguments, **options):
        write(*arguments, **options)
        next((tmp_path / "set.part" / "images").iterdir()).unlink()

    monkeypatch.setattr(stimuli, "write_pictures", write_and_lose)
    with pytest.raises(StimuliError, match="1 pictures are missing although all were rendered; call again"):
        render_stimuli(photo_folder, ["gray"], tmp_path / "set", Settings(size_px=64, n_requested=2))
    assert not (tmp_path / "set").exists()
    monkeypatch.undo()
    assert len(render_stimuli(photo_folder, ["gray"], tmp_path / "set", Settings(size_px=64, n_requested=2))["stimuli"])


def test_of_two_hosts_that_finish_at_once_one_makes_the_set(
    photo_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other finds it made and is content; where nobody made it, the disk's error is told."""
    rename = Path.rename

    def other_was_faster(part: Path, out: Path) -> Path:
        renamed = rename(part, out)
        if out == tmp_path / "set":
            raise FileNotFoundError(part)
        return renamed

    settings = Settings(size_px=64, n_requested=2)
    monkeypatch.setattr(Path, "rename", other_was_faster)
    render_stimuli(photo_folder, ["gray"], tmp_path / "set", settings)
    assert (tmp_path / "set" / "manifest.json").is_file()

    def refuse(part: Path, out: Path) -> Path:
        if out == tmp_path / "denied":
            raise PermissionError("no")
        return rename(part, out)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(PermissionError):
        render_stimuli(photo_folder, ["gray"], tmp_path / "denied", settings)


def test_originals_that_are_none_are_refused(photo_folder: Path, tmp_path: Path) -> None:
    """`--originals` with a broken file only names it; of a group one is enough."""
    archive, originals = tmp_path / "archive", tmp_path / "originals"
    archive.mkdir()
    originals.mkdir()
    for seed in (30, 31, 32):
        make_photo(seed, size=(96, 80)).convert("L").save(archive / f"{seed}.png")
    (originals / "bad.png").write_bytes(b"no")
    render_them = partial(render_stimuli, archive, ["gray"], settings=Settings(size_px=64), has_original=False)
    with pytest.raises(StimuliError, match=r"no usable colour photograph for --originals: bad\.png: not an image"):
        render_them(out=tmp_path / "set", originals=originals)
    make_photo(1).save(originals / "one.png")
    make_photo(2).save(originals / "two.png")
    (originals / "CREDITS.csv").write_text("file,group\none.png,couple\ntwo.png,couple\n")
    manifest = render_them(out=tmp_path / "set", originals=originals)
    assert [i["group"] for i in manifest["images"] if i.get("has_original", True)] == ["couple"]
    assert "one photograph of couple is enough" in {r["detail"] for r in manifest["refused"]}
    (originals / "CREDITS.csv").write_text("name,group\none.png,couple\n")
    with pytest.raises(StimuliError, match=r"CREDITS\.csv: expected a column `file`, got \['name', 'group'\]"):
        render_them(out=tmp_path / "third", originals=originals)
