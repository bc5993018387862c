"""Sample pictures of a training run: grey, coloured and original of a few held-out photographs, in one file."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from colorizer.models.base import Colorizer
from colorizer.render import from_lab, to_lab

N_SAMPLES = 8


@torch.no_grad()
def save_samples(model: Colorizer, squares_N3HW: Tensor, path: Path) -> None:
    """Write a PNG with one column per photograph, and grey, coloured, original below each other."""
    was_training = model.training
    model.eval()
    device = next(model.parameters()).device
    columns = []
    for square in squares_N3HW[:: max(1, len(squares_N3HW) // N_SAMPLES)][:N_SAMPLES]:
        rgb = square.permute(1, 2, 0).numpy()
        L = to_lab(rgb)[:, :1]
        ab = model.predict_ab(L.to(device)).float().cpu()
        columns.append(np.concatenate((from_lab(L, torch.zeros_like(ab)).rgb_HW3, from_lab(L, ab).rgb_HW3, rgb)))
    model.train(was_training)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate(columns, axis=1)).save(path, "PNG")
