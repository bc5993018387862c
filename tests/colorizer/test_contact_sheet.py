"""Sheets to look at: the key tells the truth, for pairs and for single pictures."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tools import contact_sheet


def sheet_and_key(
    photos: Path, out: Path, monkeypatch: pytest.MonkeyPatch, *options: str
) -> tuple[np.ndarray, list[dict[str, str]]]:
    """Run the tool with grey pictures for fakes; the one sheet's pixels and the key's rows."""
    words = ["contact_sheet.py", "--data", str(photos), "--model", "gray", "--size", "64", "--out", str(out), *options]
    monkeypatch.setattr("sys.argv", words)
    assert contact_sheet.main() == 0
    (sheet,) = out.glob("sheet-*.png")
    with (out / "key.csv").open(encoding="utf-8") as file:
        return np.asarray(Image.open(sheet)).astype(int), list(csv.DictReader(file))


def is_grey(sheet_HW3: np.ndarray, x: int, y: int) -> bool:
    """Whether the 64 pixels square there has no colour."""
    square = sheet_HW3[y : y + 64, x : x + 64]
    return bool((square.max(2) - square.min(2)).max() <= 2)


def test_the_fake_of_each_pair_is_where_the_key_says(
    photo_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both sides occur; the other picture has colour."""
    sheet, key = sheet_and_key(photo_folder, tmp_path / "out", monkeypatch, "--n", "8")
    assert {row["fake"] for row in key} == {"left", "right"}
    assert len(key) == 8
    assert sheet.shape[0] == 4 * (64 + 18), "no empty rows"
    for k, row in enumerate(key):
        x, y = 12 + k % 2 * (2 * 64 + 3 * 12), k // 2 * (64 + 18) + 18
        assert [is_grey(sheet, x, y), is_grey(sheet, x + 64 + 12, y)] == [row["fake"] == "left", row["fake"] == "right"]


def test_every_second_single_picture_is_a_fake(
    photo_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each photograph once, and the key says which."""
    sheet, key = sheet_and_key(photo_folder, tmp_path / "out", monkeypatch, "--n", "12", "--single", "--seed", "3")
    assert len({row["photograph"] for row in key}) == 12
    assert [row["is_fake"] for row in key].count("true") == 6
    for k, row in enumerate(key):
        x, y = 12 + k % 8 * (64 + 12), k // 8 * (64 + 18) + 18
        assert is_grey(sheet, x, y) == (row["is_fake"] == "true")
