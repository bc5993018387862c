"""The 10,000 photographs of ImageNet's validation set on which Zhang et al. 2016 report, with their classes."""

import re
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np

_NAME = re.compile(r"ILSVRC2012_val_(\d{8})\.jpe?g$", re.IGNORECASE)


@cache
def paper_test_labels() -> dict[int, int]:
    """Number in the file's name -> class 0 … 999 in the order of the synsets (the released list ctest10k)."""
    with (files("colorizer") / "data" / "ctest10k.npz").open("rb") as file:
        table = np.load(file, allow_pickle=False)
        return dict(zip(table["number"].tolist(), table["label"].tolist(), strict=True))


def paper_label(name: str) -> int | None:
    """The class of a photograph of the paper's test set, by its file name; None for any other."""
    found = _NAME.search(Path(name).name)
    return paper_test_labels().get(int(found.group(1))) if found else None
