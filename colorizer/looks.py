"""A page that shows on one's own photographs what temperature, saturation and working size do."""

import html
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from colorizer.checkpoints import load_model
from colorizer.metrics import colourfulness
from colorizer.models import Colorizer
from colorizer.models.base import ClassifyingColorizer
from colorizer.pages import data_uri, lightness_and_colours, write_page
from colorizer.photos import PhotoError, open_photo
from colorizer.render import from_lab, predict_ab
from colorizer.sources import list_photos

TEMPERATURES = (0.2, 0.38, 0.7, 1.0, 1.3, 2.0)
SATURATIONS = (0.6, 0.8, 1.0, 1.2, 1.5)
WORKING_PX = (128, 192, 256, 384, 512)


class LooksError(ValueError):
    """A page that cannot be made."""


def write_looks(
    photos: Sequence[Path | str], model: str, out: Path, *, weights: str | None = None, longest_px: int = 384
) -> tuple[int, int]:
    """Write the page; returns how many photographs it shows and its size in bytes.

    Each row changes one thing and leaves the others as the model has them.  Raises LooksError if no photograph can
    be read.
    """
    network = load_model(model, weights)
    sections, refused = [], []
    sources = list_photos(*photos)
    for source in tqdm(sources, desc="looks", unit="photo"):
        try:
            image = open_photo(source.read_bytes(), source.name)
        except (PhotoError, OSError) as error:
            refused.append(str(error))
            continue
        sections.append(_section(source.name, image, network, longest_px))
    if not sections:
        reason = refused[0] if refused else f"no image among {', '.join(map(str, photos))}"
        raise LooksError(f"no picture to show: {reason}")
    told = (
        f"{model}, as it is by default: temperature {network.temperature:g}, "
        f"saturation {network.saturation:g}, working size "
        f"{network.working_px} px (marked). A low temperature takes the likeliest colour of each place, a high one the "
        "mean of all that are likely: calmer, and browner where they differ. Saturation multiplies the result. The "
        "working size is the short side that the network sees: more detail in a larger one, less of the whole. "
        "Colourfulness is Hasler and Suesstrunk's, of the picture shown here."
    )
    if refused:
        told += " Not shown: " + "; ".join(refused) + "."
    texts = {"TITLE": "Temperature, saturation, working size", "TOLD": told}
    write_page("looks.html", texts, {"SECTIONS": "\n".join(sections)}, out)
    return len(sections), out.stat().st_size


def _section(name: str, image: Image.Image, network: Colorizer, longest_px: int) -> str:
    L, own_ab = lightness_and_colours(image, longest_px)

    def coloured(temperature: float | None = None, working_px: int | None = None) -> Tensor:
        return predict_ab(network, L, working_px=working_px or network.working_px, temperature=temperature)

    usual = coloured()
    rows = []
    if isinstance(network, ClassifyingColorizer):  # to a regression it means nothing
        values = sorted({*TEMPERATURES, network.temperature})
        made = [(f"T = {t:g}", coloured(temperature=t), t == network.temperature) for t in values]
        rows.append(_row(name, "Temperature", "--temperature", L, made))
    values = sorted({*SATURATIONS, network.saturation})
    made = [(f"× {s:g}", usual * (s / network.saturation), s == network.saturation) for s in values]
    rows.append(_row(name, "Saturation", "--saturation", L, made))
    values_px = sorted({*WORKING_PX, network.working_px})
    made = [(f"{px} px", coloured(working_px=px), px == network.working_px) for px in values_px]
    rows.append(_row(name, "Working size", "--working-px", L, made))
    given = [("grey", torch.zeros_like(usual), False)]
    if own_ab is not None:
        given.append(("own colours", own_ab, False))
    rows.append(_row(name, "For comparison", "", L, given))
    return f"<section><h2>{html.escape(name)}</h2>\n" + "\n".join(rows) + "\n</section>"


def _row(name: str, title: str, option: str, L: Tensor, made: Sequence[tuple[str, Tensor, bool]]) -> str:
    figures = []
    for told, ab, is_usual in made:
        rgb = from_lab(L, ab).rgb_HW3
        vivid = float(colourfulness(torch.from_numpy(rgb).permute(2, 0, 1)[None] / 255.0))
        usual = " <b>default</b>" if is_usual else ""
        alt = html.escape(f"{name}, {title.lower()} {told}", quote=True)
        sides = f'width="{rgb.shape[1]}" height="{rgb.shape[0]}"'
        figures.append(
            f'<figure{" class=usual" if is_usual else ""}><img src="{data_uri(rgb)}" {sides} alt="{alt}">'
            f"<figcaption>{html.escape(told)}{usual}<br><small>colourfulness {vivid:.0f}</small></figcaption></figure>"
        )
    code = f" <code>{option}</code>" if option else ""
    return f'<h3>{title}{code}</h3><div class="row">\n' + "\n".join(figures) + "\n</div>"
