"""The photographs that colorizers are judged on, as squares in Lab, and what each colorizer makes of them."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor

from colorizer.backends import on_backend
from colorizer.baselines import gray_ab, random_partners
from colorizer.checkpoints import load_checkpoint
from colorizer.data import AnyPhoto, centre_square, scan_photos
from colorizer.imagenet import paper_label
from colorizer.models import Colorizer
from colorizer.render import predict_ab, to_lab

Predict = Callable[[int, Tensor], Tensor]
"""(position, Lab (1, 3, H, W)) → ab (1, 2, H, W)."""


class EvaluationError(ValueError):
    """A judgement that cannot be made."""


@dataclass(frozen=True)
class Squares:
    """Photographs by position: nothing is kept but what they were decoded to."""

    photos: list[AnyPhoto]
    size_px: int
    labels: list[int | None]
    """ImageNet classes of the paper's test photographs, None for others."""
    refused: Mapping[str, int]
    """Reason → number of files that were left out."""

    def __len__(self) -> int:
        return len(self.photos)

    def lab(self, i: int) -> Tensor:
        """Lab of the centre square, (1, 3, H, W)."""
        rgb = self.photos[i].rgb_HW3
        square = centre_square(rgb, min(self.size_px, *rgb.shape[:2]))
        return to_lab(square.permute(1, 2, 0).numpy())


def read_squares(
    data: Sequence[Path | str],
    *,
    size_px: int,
    limit: int | None = None,
    paper_ids: bool = False,
    workers: int = 0,
) -> Squares:
    """Every usable photograph of `data`; smaller ones than `size_px` at their own size.

    `paper_ids` keeps those of the paper's 10,000 test photographs only.  Raises EvaluationError if none is left.
    """
    only = (lambda name: paper_label(name) is not None) if paper_ids else None
    photos, refusals = scan_photos(data, longest_px=size_px, shortest_px=16, workers=workers, only=only, limit=limit)
    refused = Counter(str(r.reason) for r in refusals)
    if not photos:
        wanted = "photograph of the paper's test set" if paper_ids else "usable photograph"
        raise EvaluationError(f"no {wanted} in {', '.join(map(str, data))}: {dict(refused) or 'none found'}")
    return Squares(photos, size_px, [paper_label(p.name) for p in photos], refused)


def predictor(
    name: str,
    squares: Squares,
    *,
    weights: Mapping[str, str] | None = None,
    temperature: float | None = None,
    working_px: int | None = None,
    backend: str = "torch",
    seed: int = 0,
) -> Predict:
    """How `name` (a registry or published name, `gray`, `random` or `real`) colours these photographs."""
    if name == "real":
        return lambda _i, lab: lab[:, 1:]
    if name == "gray":
        return lambda _i, lab: gray_ab(lab[:, :1])
    if name == "random":
        names = [f"{i}:{p.name}" for i, p in enumerate(squares.photos)]
        partners = random_partners(names, names, seed=seed)
        place = {n: i for i, n in enumerate(names)}
        return lambda i, lab: _fit(squares.lab(place[partners[names[i]]])[:, 1:], lab)
    network = load_checkpoint(name, (weights or {}).get(name))[0]
    model: Colorizer = on_backend(network, backend, temperature=temperature)

    def predict(_i: int, lab: Tensor) -> Tensor:
        side = min(working_px or model.working_px, *lab.shape[-2:])
        return predict_ab(model, lab[:, :1], working_px=side, temperature=temperature)

    return predict


def _fit(ab_B2HW: Tensor, L_B1HW: Tensor) -> Tensor:
    """Colours of a photograph of another size, resized."""
    if ab_B2HW.shape[-2:] == L_B1HW.shape[-2:]:
        return ab_B2HW
    return F.interpolate(ab_B2HW, size=L_B1HW.shape[-2:], mode="bilinear", align_corners=False)
