"""How good colours are, as numbers per image.  Shape suffixes: B batch, H, W; ab in CIE units, rgb in [0, 1]."""

import numpy as np
import torch
from torch import Tensor

from colorizer.ab_bins import nearest_bin

_LAST_THRESHOLD = 150  # CIE units (Zhang et al. 2016, section 3.1)


def _curve_area(error_BN: Tensor, weight_BN: Tensor) -> Tensor:
    """Area under the curve "share of pixels with error <= t", t = 0 … 150 in steps of 1, normalised; (B,)."""
    thresholds = torch.arange(_LAST_THRESHOLD + 1, dtype=torch.float64)
    total = weight_BN.double().sum(1).clamp_min(1e-300)
    order = error_BN.double().argsort(dim=1)
    error = error_BN.double().gather(1, order)
    mass = weight_BN.double().gather(1, order).cumsum(1)
    mass = torch.cat((torch.zeros(len(mass), 1, dtype=torch.float64), mass), dim=1)
    place = torch.searchsorted(error, thresholds.expand(len(error), -1).contiguous(), right=True)
    return torch.trapezoid(mass.gather(1, place) / total[:, None], dx=1.0, dim=1) / _LAST_THRESHOLD


def auc_raw(predicted_B2HW: Tensor, true_B2HW: Tensor) -> Tensor:
    """Raw AuC per image, (B,) in [0, 1]: every pixel counts the same (Zhang et al. 2016, section 3.1)."""
    error = (predicted_B2HW - true_B2HW).norm(dim=1).flatten(1).cpu()
    return _curve_area(error, torch.ones_like(error))


def auc_rebalanced_parts(predicted_B2HW: Tensor, true_B2HW: Tensor, weights_Q: Tensor) -> tuple[Tensor, Tensor]:
    """Weighted area and weight of each image, (B,) and (B,): the rebalanced AuC of a data set is their ratio of sums.

    Each pixel counts by the rarity of its true colour.  `weights_Q` are inverse frequencies over the bins, empirical
    or clipped and recorded as such by the caller: the smoothed prior would give weights up to 5e5.
    """
    error = (predicted_B2HW - true_B2HW).norm(dim=1).flatten(1).cpu()
    weight = weights_Q[nearest_bin(true_B2HW)].flatten(1).cpu()
    mass = weight.double().sum(1)
    return _curve_area(error, weight) * mass, mass


def psnr(predicted_B3HW: Tensor, true_B3HW: Tensor) -> Tensor:
    """Peak signal-to-noise ratio per image over R, G and B, (B,) in dB."""
    error = ((predicted_B3HW.double() - true_B3HW.double()) ** 2).flatten(1).mean(1)
    return -10.0 * torch.log10(error.clamp_min(1e-12))


def colourfulness(rgb_B3HW: Tensor) -> Tensor:
    """Hasler and Suesstrunk 2003: sqrt(var rg + var yb) + 0.3 sqrt(mean rg^2 + mean yb^2), R, G, B in 0…255; (B,)."""
    red, green, blue = (rgb_B3HW.double() * 255.0).unbind(1)
    rg, yb = (red - green).flatten(1), (0.5 * (red + green) - blue).flatten(1)
    return _spread_and_mean(rg, yb)


def colourfulness_absolute(rgb_B3HW: Tensor) -> Tensor:
    """The variant with |rg| and |yb| that circulates in newer papers (DDColor's code); (B,)."""
    red, green, blue = (rgb_B3HW.double() * 255.0).unbind(1)
    return _spread_and_mean((red - green).abs().flatten(1), (0.5 * (red + green) - blue).abs().flatten(1))


def _spread_and_mean(rg_BN: Tensor, yb_BN: Tensor) -> Tensor:
    spread = torch.sqrt(rg_BN.var(1, correction=0) + yb_BN.var(1, correction=0))
    return spread + 0.3 * torch.sqrt(rg_BN.mean(1) ** 2 + yb_BN.mean(1) ** 2)


def mean_chroma(ab_B2HW: Tensor) -> Tensor:
    """Mean of sqrt(a^2 + b^2) over the pixels, (B,) in CIE units: 0 is grey, typical photographs have 10 to 25."""
    chroma: Tensor = ab_B2HW.norm(dim=1).flatten(1).mean(1)
    return chroma


def ssim(predicted_B3HW: Tensor, true_B3HW: Tensor) -> Tensor:
    """Structural similarity per image (scikit-image, Gaussian window of Wang et al. 2004), (B,)."""
    from skimage.metrics import structural_similarity

    values = [
        structural_similarity(  # type: ignore[no-untyped-call]
            p.permute(1, 2, 0).numpy(), t.permute(1, 2, 0).numpy(), channel_axis=2, data_range=1.0,
            gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
        )
        for p, t in zip(predicted_B3HW.float().cpu(), true_B3HW.float().cpu(), strict=True)
    ]  # fmt: skip
    return torch.tensor(np.array(values))


def delta_e00_mean(rgb_a_B3HW: Tensor, rgb_b_B3HW: Tensor) -> Tensor:
    """Mean CIEDE2000 colour difference per image (scikit-image), (B,)."""
    from skimage.color import deltaE_ciede2000

    from colorizer.lab import rgb_to_lab

    lab_a = rgb_to_lab(rgb_a_B3HW.double()).permute(0, 2, 3, 1).cpu().numpy()
    lab_b = rgb_to_lab(rgb_b_B3HW.double()).permute(0, 2, 3, 1).cpu().numpy()
    return torch.from_numpy(deltaE_ciede2000(lab_a, lab_b).mean(axis=(1, 2)))  # type: ignore[no-untyped-call]
