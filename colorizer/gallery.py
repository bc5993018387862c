"""A page that shows before and after of every colorizer side by side: one file, nothing fetched from anywhere."""

import base64
import html
import io
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from colorizer.archive import clean_lightness
from colorizer.checkpoints import load_model
from colorizer.models import Colorizer
from colorizer.photos import PhotoError, open_photo
from colorizer.render import from_lab, predict_ab, to_lab
from colorizer.sources import list_photos

_JPEG_QUALITY = 85
ORIGINAL, GRAY = "real", "gray"


class GalleryError(ValueError):
    """A gallery that cannot be made."""


def write_gallery(
    photos: Sequence[Path | str],
    models: Sequence[str],
    out: Path,
    *,
    weights: Mapping[str, str] | None = None,
    longest_px: int = 480,
    limit: int | None = None,
    title: str = "Before and after",
) -> tuple[int, int]:
    """Write the page; returns how many photographs it shows and its size in bytes.

    Photographs without a colour original are cleaned first (colorizer/archive.py) and have no picture `real`.
    Unreadable ones are left out and named on the page.
    """
    loaded: dict[str, Colorizer] = {
        m: load_model(m, (weights or {}).get(m)) for m in models if m not in (ORIGINAL, GRAY)
    }
    sources = list_photos(*photos)[:limit]
    if not sources:
        raise GalleryError(f"no image among {', '.join(map(str, photos))}")
    sections, refused = [], []
    for source in tqdm(sources, desc="gallery", unit="photo"):
        try:
            image = open_photo(source.read_bytes(), source.name)
        except (PhotoError, OSError) as error:
            refused.append(str(error))
            continue
        sections.append(_section(source.name, image, loaded, longest_px, shows_grey=GRAY in models))
    if not sections:
        raise GalleryError(f"no readable image among {len(sources)}: {refused[0]}")
    told = (
        f"{len(sections)} photographs; left of the handle is the grey photograph that a network was given, right of "
        "it what it made of that. The colours of a photograph that never had any are an illustration and no evidence."
    )
    if refused:
        told += " Not shown: " + "; ".join(refused) + "."
    page = files("colorizer").joinpath("templates/gallery.html").read_text(encoding="utf-8")
    for mark, text in (
        ("@TITLE@", html.escape(title)),
        ("@TOLD@", html.escape(told)),
        ("@SECTIONS@", "\n".join(sections)),
    ):
        page = page.replace(mark, text)
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(out.name + ".part")
    part.write_text(page, encoding="utf-8")
    part.replace(out)
    return len(sections), out.stat().st_size


def _section(
    name: str, image: Image.Image, models: Mapping[str, Colorizer], longest_px: int, *, shows_grey: bool
) -> str:
    scale = min(1.0, longest_px / max(image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    cleaned = clean_lightness(np.asarray(image))
    made: dict[str, torch.Tensor] = {}
    if cleaned.tone == "colour":
        lab = to_lab(np.asarray(image.resize(size, Image.Resampling.LANCZOS)))
        L = lab[:, :1]
        made[ORIGINAL] = lab[:, 1:]
    else:
        L = torch.from_numpy(np.array(Image.fromarray(cleaned.L_HW).resize(size, Image.Resampling.LANCZOS)))[None, None]
        L = L.clamp(0.0, 100.0)
    if shows_grey:
        made[GRAY] = torch.zeros_like(L).expand(-1, 2, -1, -1)
    for told, model in models.items():
        made[told] = predict_ab(model, L, working_px=model.working_px)
    before = _data_uri(from_lab(L, torch.zeros_like(L).expand(-1, 2, -1, -1)).rgb_HW3)
    figures = [_figure(name, told, before, _data_uri(from_lab(L, ab).rgb_HW3), size) for told, ab in made.items()]
    return f'<section><h2>{html.escape(name)}</h2><div class="row">\n' + "\n".join(figures) + "\n</div></section>"


def _figure(name: str, told: str, before: str, after: str, size: tuple[int, int]) -> str:
    what = {ORIGINAL: "the original colours", GRAY: "without colour"}.get(told, f"coloured by {told}")
    label = html.escape(f"{name}: how much is shown grey, the rest {what}", quote=True)
    sides = f'width="{size[0]}" height="{size[1]}"'
    return (
        f'<figure><div class="pair"><img src="{after}" {sides} alt="{html.escape(name + ", " + what, quote=True)}">'
        f'<img class="before" src="{before}" {sides} alt=""><span class="bar"></span>'
        f'<input type="range" min="0" max="100" value="50" step="5" aria-label="{label}"></div>'
        f"<figcaption>{html.escape(told)}</figcaption></figure>"
    )


def _data_uri(rgb_HW3: np.ndarray) -> str:
    stream = io.BytesIO()
    Image.fromarray(rgb_HW3).save(stream, "JPEG", quality=_JPEG_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
