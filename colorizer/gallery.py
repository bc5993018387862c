"""A page that shows before and after of every colorizer side by side: one file, nothing fetched from anywhere."""

import html
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from PIL import Image
from tqdm import tqdm

from colorizer.arguments import counted
from colorizer.checkpoints import load_model
from colorizer.models import Colorizer
from colorizer.pages import data_uri, lightness_and_colours, write_page
from colorizer.photos import PhotoError, open_photo
from colorizer.render import from_lab, predict_ab
from colorizer.sources import list_photos

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
        f"{counted(len(sections), 'photograph')}; left of the handle is the grey photograph that a network was given, "
        "right of it what it made of that. The colours of a photograph that never had any are an illustration and no "
        "evidence."
    )
    if refused:
        told += " Not shown: " + "; ".join(refused) + "."
    write_page("gallery.html", {"TITLE": title, "TOLD": told}, {"SECTIONS": "\n".join(sections)}, out)
    return len(sections), out.stat().st_size


def _section(
    name: str, image: Image.Image, models: Mapping[str, Colorizer], longest_px: int, *, shows_grey: bool
) -> str:
    L, own_ab = lightness_and_colours(image, longest_px)
    size = (L.shape[-1], L.shape[-2])
    made: dict[str, torch.Tensor] = {} if own_ab is None else {ORIGINAL: own_ab}
    if shows_grey:
        made[GRAY] = torch.zeros_like(L).expand(-1, 2, -1, -1)
    for told, model in models.items():
        made[told] = predict_ab(model, L, working_px=model.working_px)
    before = data_uri(from_lab(L, torch.zeros_like(L).expand(-1, 2, -1, -1)).rgb_HW3)
    figures = [_figure(name, told, before, data_uri(from_lab(L, ab).rgb_HW3), size) for told, ab in made.items()]
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
