"""Pages of pictures: one HTML file each, nothing fetched from anywhere."""

import base64
import html
import io
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from colorizer.archive import clean_lightness
from colorizer.render import to_lab

_JPEG_QUALITY = 85


def lightness_and_colours(image: Image.Image, longest_px: int) -> tuple[Tensor, Tensor | None]:
    """L (1, 1, H, W) of a photograph, at most `longest_px` long, and its own ab (1, 2, H, W) or None.

    A photograph that has no colours of its own (grey, toned) is cleaned first (colorizer/archive.py).
    """
    scale = min(1.0, longest_px / max(image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    cleaned = clean_lightness(np.asarray(image))
    if cleaned.tone == "colour":
        lab = to_lab(np.asarray(image.resize(size, Image.Resampling.LANCZOS)))
        return lab[:, :1], lab[:, 1:]
    L_HW = np.array(Image.fromarray(cleaned.L_HW).resize(size, Image.Resampling.LANCZOS))
    return torch.from_numpy(L_HW)[None, None].clamp(0.0, 100.0), None


def data_uri(rgb_HW3: npt.NDArray[np.uint8]) -> str:
    """A picture as a JPEG inside the page."""
    stream = io.BytesIO()
    Image.fromarray(rgb_HW3).save(stream, "JPEG", quality=_JPEG_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode("ascii")


def write_page(template: str, texts: Mapping[str, str], markup: Mapping[str, str], out: Path) -> None:
    """Fill the marks (`@NAME@`) of a template with escaped texts and with markup; `out` appears whole.

    Every page begins with the style that all share (pages.css).
    """
    templates = files("colorizer").joinpath("templates")
    shared = templates.joinpath("pages.css").read_text(encoding="utf-8").rstrip("\n")
    page = templates.joinpath(template).read_text(encoding="utf-8").replace("@SHARED@", shared)
    for mark, text in (*((m, html.escape(t)) for m, t in texts.items()), *markup.items()):
        page = page.replace(f"@{mark}@", text)
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(out.name + ".part")
    part.write_text(page, encoding="utf-8")
    part.replace(out)
