"""Fixtures of the analysis tests: reference tables, the golden export, and exports made to order."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

HERE = Path(__file__).parent
sys.path.append(str(HERE))  # the generator lies beside the tests; last: tests/study has a conftest, too
import other_designs  # noqa: E402
from make_export import write_export  # noqa: E402

GOLDEN = HERE.parent / "golden" / "export-1"


@pytest.fixture(scope="session")
def reference():
    """Read a table of tests/analysis/reference by its name."""
    return lambda name: pd.read_csv(HERE / "reference" / f"{name}.csv")


@pytest.fixture(scope="session")
def golden():
    return GOLDEN


@pytest.fixture(scope="session")
def make_export():
    return write_export


@pytest.fixture(scope="session")
def rewritten():
    """Answer an export under another design: `rewritten(folder, "single")`."""
    return lambda folder, design, **changes: other_designs.rewrite(folder, getattr(other_designs, design), **changes)


@pytest.fixture
def export_dir(tmp_path, golden):
    """A copy of the golden export that a test may damage."""
    return Path(shutil.copytree(golden, tmp_path / "export"))


@pytest.fixture
def no_figures(monkeypatch):
    """Reports without figures, for tests of anything else: drawing is most of a report's time."""
    monkeypatch.setattr("analysis.report.draw", lambda *_: {})


@pytest.fixture
def crossed():
    """Draw fooled, participant, image for P people who each see I images once."""

    def draw(n_participants, n_images, rate=0.3, seed=1):
        participant = np.repeat(np.arange(n_participants), n_images)
        image = np.tile(np.arange(n_images), n_participants)
        fooled = np.random.default_rng(seed).random(len(image)) < rate
        return fooled, participant, image

    return draw
