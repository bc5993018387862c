"""A study's export, read: three tables, what study.json and manifest.json say, and the files beside them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from analysis.archive import AGAIN, ExportError, Files

EXPORT_FORMAT = "truehue-export/1"
MANIFEST_FORMAT = "truehue-stimulus-set/1"


@dataclass(frozen=True)
class Export:
    """One study's data.

    `trials`, `sessions`, `answers` have the columns of docs/formats.md: text and choices as strings ("" where
    empty), counts and measures as numbers (NaN), booleans as pandas "boolean" (NA), times as UTC timestamps (NaT).
    """

    source: str
    study: dict[str, Any]
    manifest: dict[str, Any]
    trials: pd.DataFrame
    sessions: pd.DataFrame
    answers: pd.DataFrame
    sha256: dict[str, str] = field(repr=False)
    files: Files = field(repr=False)

    @property
    def is_simulated(self) -> bool:
        """Whether any session was made by a program: every figure and table then says so."""
        return bool(self.study["is_simulated"]) or bool(self.sessions["is_simulated"].any())

    @property
    def definition(self) -> dict[str, Any]:
        """The canonical study definition."""
        return dict(self.study["definition"])

    def has_original(self, image_id: str) -> bool:
        """Whether the photograph's own colours are in the set; an archive photograph's are not."""
        return any(s["image_id"] == image_id and s["condition"] == "real" for s in self.manifest["stimuli"])

    def stimulus(self, image_id: str, condition: str) -> dict[str, Any]:
        """Return the manifest's entry of a photograph in a condition."""
        for stimulus in self.manifest["stimuli"]:
            if stimulus["image_id"] == image_id and stimulus["condition"] == condition:
                return dict(stimulus)
        raise ExportError(f"manifest.json: expected a stimulus of {image_id} in {condition}, got none; {AGAIN}")
