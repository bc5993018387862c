"""`python -m colorizer prior`: how often each colour occurs in somebody's own photographs."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from colorizer.ab_bins import N_BINS, bin_centres
from colorizer.photos import PhotoError, is_grey, open_photo
from colorizer.rebalancing import PriorError, check_prior, count_colours, smoothed_prior
from colorizer.render import to_lab
from colorizer.sources import PhotoFile, bytes_or_nothing, list_photos


@dataclass(frozen=True)
class PriorReport:
    """What the prior was computed from."""

    n_photos: int
    n_refused: dict[str, int]
    peak: float
    peak_ab: tuple[float, float]
    n_bins_seen: int


class _Counts(Dataset[torch.Tensor | str]):
    def __init__(self, files: list[PhotoFile], longest_px: int) -> None:
        self.files, self.longest_px = files, longest_px

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> torch.Tensor | str:
        try:
            image = open_photo(bytes_or_nothing(self.files[index]), self.files[index].name)
        except PhotoError as error:
            return error.reason
        # Reduced by leaving out, not by averaging: averages are greyer than the colours that they hide.
        step = max(1, min(image.size) // self.longest_px)
        rgb = np.asarray(image)[::step, ::step]
        return "grey" if is_grey(rgb) else count_colours(to_lab(rgb)[:, 1:])


def compute_prior(
    data: Sequence[Path | str], out: Path, *, sigma: float, longest_px: int = 256, workers: int = 0
) -> PriorReport:
    """Count every usable photograph's colours, smooth, check and write `out` (.npy, 313 float64).

    Each photograph counts the same, whatever its size.
    """
    files = list_photos(*data)
    loader = DataLoader(_Counts(files, longest_px), batch_size=None, num_workers=workers)
    total = torch.zeros(N_BINS, dtype=torch.float64)
    n, refused = 0, Counter[str]()
    for found in tqdm(loader, total=len(files), desc="counting colours", unit="photo"):
        if isinstance(found, str):
            refused[found] += 1
        else:
            total += found / found.sum()
            n += 1
    if n == 0:
        raise PriorError(f"expected colour photographs in {', '.join(map(str, data))}, got none ({dict(refused)})")
    prior_Q = smoothed_prior(total, sigma=sigma)
    check_prior(prior_Q, "the prior of these photographs")
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(out.name + ".part")
    with part.open("wb") as file:
        np.save(file, prior_Q.numpy())
    part.replace(out)
    top = int(prior_Q.argmax())
    a, b = bin_centres()[top].tolist()
    return PriorReport(n, dict(refused), float(prior_Q[top]), (a, b), int((total > 0).sum()))
