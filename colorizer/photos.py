"""Reading photographs as people have them: any mode, any tag, any damage; sRGB comes out, or a named refusal."""

import io
import warnings
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms, ImageFile, ImageOps, UnidentifiedImageError

Reason = Literal[
    "unreadable",
    "too_small",
    "too_large",
    "grey",
    "low_chroma",
    "duplicate",
    "seen_in_training",
    "not_drawn",
    "has_colour",
    "fake_missing",
]
# Pillow would show the thumbnail inside, or nothing; what the camera saw is another program's matter.
_CAMERA_RAW = {".3fr", ".arw", ".cr2", ".cr3", ".dng", ".nef", ".orf", ".pef", ".raf", ".rw2", ".srw"}
SUFFIXES = _CAMERA_RAW | {
    ".jpg",
    ".jpeg",
    ".jpe",
    ".jfif",
    ".jp2",
    ".png",
    ".webp",
    ".bmp",
    ".tif",
    ".tiff",
    ".gif",
    ".avif",
    ".heic",
    ".heif",
    ".pbm",
    ".pgm",
    ".pnm",
    ".ppm",
    ".tga",
}
MAX_PIXELS = 120_000_000  # larger files are refused as decompression bombs
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
_DEEP_GREY = ("I;16", "I;16B", "I;16L", "I;16N", "I", "F")
# Pillow warns of odd tags and of bombs; the pixels and `open_photo` decide.  Set once: a filter set and unset around
# each file is not safe where threads decode.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
try:  # HEIC, where somebody has installed the plug-in (its codecs are LGPL, so it is none of our dependencies)
    import pi_heif  # type: ignore[import-not-found,unused-ignore]

    pi_heif.register_heif_opener()
except ImportError:
    pass


class PhotoError(ValueError):
    """A photograph that cannot be used: `reason` is one word of the vocabulary, the text says more."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason: Reason = reason


def _to_srgb(image: Image.Image) -> Image.Image:
    """Convert through the embedded ICC profile, if there is one, then to 8-bit RGB."""
    profile = image.info.get("icc_profile")
    if image.mode in _DEEP_GREY:  # Pillow's own conversion would clip
        image = _eight_bits(image)
    if image.mode == "LAB":
        lab_to_srgb = ImageCms.buildTransform(
            ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB"
        )
        image = ImageCms.applyTransform(image, lab_to_srgb) or image
    if image.has_transparency_data:
        image = image.convert("RGBA")
        ground = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(ground, image).convert("RGB")
    if image.mode == "P":
        image = image.convert("RGB")
    if profile and image.mode in ("RGB", "CMYK", "L"):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
            return converted if converted is not None else image.convert("RGB")
        except (ImageCms.PyCMSError, OSError):
            pass  # a broken profile says nothing: treat the numbers as sRGB, as browsers do
    return image.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Grey of 16 or 32 bits, or of floating point in [0, 1] or [0, 255], as 8 bits."""
    with np.errstate(invalid="ignore"):  # damaged floating-point files hold anything
        values = np.nan_to_num(np.asarray(image, dtype=np.float64), posinf=0.0, neginf=0.0)
    highest = float(values.max(initial=0.0))
    if image.mode == "F":
        top = 1.0 if highest <= 1.0 else 255.0 if highest <= 255.0 else 65535.0
    else:  # a dark 16-bit picture is dark; a 32-bit one with small numbers was 8 bits once
        top = 255.0 if image.mode == "I" and highest <= 255 else 65535.0
    return Image.fromarray(np.clip(values / top * 255.0 + 0.5, 0, 255).astype(np.uint8))


def open_photo(data: bytes | Path, name: str = "image") -> Image.Image:
    """Decode to an 8-bit sRGB image, upright, first frame.

    Raises PhotoError `unreadable` for what Pillow cannot read, truncated files and camera raw included, and
    `too_large` for decompression bombs.
    """
    if Path(name).suffix.lower() in _CAMERA_RAW:
        raise PhotoError("unreadable", f"{name}: camera raw; develop it to TIFF or JPEG first")
    if data == b"":
        raise PhotoError("unreadable", f"{name}: an empty file, or one that cannot be read")
    stream: io.BytesIO | Path = io.BytesIO(data) if isinstance(data, bytes) else data
    try:
        with Image.open(stream) as image:
            if image.width * image.height > MAX_PIXELS:  # only the header was read so far
                raise Image.DecompressionBombError
            image.seek(0)
            image.load()
            upright = ImageOps.exif_transpose(image)
            return _to_srgb(upright)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise PhotoError("too_large", f"{name}: more than {MAX_PIXELS // 10**6} megapixels") from None
    except (
        UnidentifiedImageError,
        OSError,
        ValueError,
        SyntaxError,
        EOFError,
        MemoryError,
        OverflowError,
    ) as error:
        text = str(error).split("\n")[0] or type(error).__name__
        if isinstance(error, UnidentifiedImageError):
            is_heic = name.lower().endswith((".heic", ".heif"))
            text = "HEIC needs a plug-in: pip install pi-heif" if is_heic else "not an image that Pillow reads"
        raise PhotoError("unreadable", f"{name}: {text}") from None
    except Exception as error:  # Pillow's decoders raise struct.error, IndexError and more on damaged files
        raise PhotoError("unreadable", f"{name}: damaged ({type(error).__name__})") from None


def is_grey(rgb_HW3: npt.NDArray[np.uint8]) -> bool:
    """No pixel's channels differ by more than 8 levels: a grey picture, whatever its file format says."""
    spread = rgb_HW3.max(axis=2).astype(np.int16) - rgb_HW3.min(axis=2)
    return bool(np.quantile(spread, 0.995) <= 8)


def perceptual_hash(image: Image.Image) -> int:
    """64-bit pHash (ImageHash's DCT hash): near-identical pictures differ in few bits."""
    import imagehash

    bits = imagehash.phash(image).hash.flatten()
    return int("".join("1" if b else "0" for b in bits), 2)


ImageFile.LOAD_TRUNCATED_IMAGES = False  # a truncated file is refused by name, never half shown
