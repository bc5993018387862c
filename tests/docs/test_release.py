"""What a release states of itself is said alike everywhere."""

import re
import tomllib
from pathlib import Path

import yaml

from study.versions import truehue_version

ROOT = Path(__file__).parents[2]


def test_stated_versions_and_dates_agree():
    """pyproject.toml, the installed package, CITATION.cff, the changelog's newest release and docs/upgrading.md."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    released = re.findall(r"^## (\d\S*) — (\S+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert truehue_version() == version
    assert released[0] == (version, cited["date-released"].isoformat())
    assert cited["version"] == version
    assert f"\n## To {version}\n" in (ROOT / "docs/upgrading.md").read_text(encoding="utf-8")
