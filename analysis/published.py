"""Fool rates that others published, to stand beside ours: estimates from other people and other photographs."""

from __future__ import annotations

from dataclasses import dataclass

ZHANG_2016 = "Zhang et al. 2016"
ISOLA_2017 = "Isola et al. 2017"
REFERENCES = {
    ZHANG_2016: "Zhang, Isola and Efros, Colorful Image Colorization, ECCV 2016, table 1",
    ISOLA_2017: "Isola, Zhu, Zhou and Efros, Image-to-Image Translation with Conditional Adversarial Networks, "
    "CVPR 2017, table 5 (a rerun with the same tool)",
}


@dataclass(frozen=True)
class Published:
    """Share of fakes labelled real and its published bootstrap standard error, rates in [0, 1].

    `is_from_memory`: written down from memory of the paper, not from a copy of it; every table that shows it says so.
    """

    system: str
    fool_rate: float
    se: float
    source: str
    is_from_memory: bool = True


TABLE_2016: tuple[Published, ...] = (
    Published("random", 0.130, 0.044, ZHANG_2016),
    Published("Dahl", 0.183, 0.028, ZHANG_2016),
    Published("Larsson et al.", 0.272, 0.027, ZHANG_2016),
    Published("L2", 0.212, 0.025, ZHANG_2016),
    Published("L2, fine-tuned", 0.239, 0.028, ZHANG_2016),
    Published("classification", 0.252, 0.027, ZHANG_2016),
    Published("classification, rebalanced (full)", 0.323, 0.022, ZHANG_2016, is_from_memory=False),
)

RERUN_2017: tuple[Published, ...] = (
    Published("L2 regression", 0.163, 0.024, ISOLA_2017),
    Published("Zhang et al. 2016", 0.278, 0.027, ISOLA_2017, is_from_memory=False),
    Published("pix2pix", 0.225, 0.016, ISOLA_2017),
)

# The band in the forest plot: the paper's own headline.
FULL_2016 = TABLE_2016[-1]
