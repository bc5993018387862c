"""Which platforms a study uses, with which settings."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from study.db import Database
from study.models import RecruitmentRow
from study.recruitment.platforms import PLATFORMS
from study.recruitment.platforms.base import Platform, RecruitmentError, check_settings


def find_platform(name: str) -> Platform:
    """Find a platform by its name."""
    if name not in PLATFORMS:
        raise RecruitmentError(f"platform: expected one of {', '.join(PLATFORMS)}, got {name!r}")
    return PLATFORMS[name]


def configure(database: Database, slug: str, platform: str, settings: Mapping[str, Any], *, now: datetime) -> None:
    """Let a study's participants come from a platform; said again, the settings are replaced."""
    values = check_settings(find_platform(platform), settings)
    with database.session() as session:
        session.merge(RecruitmentRow(slug=slug, platform=platform, settings=values, changed_at_utc=now))


def forget(database: Database, slug: str, platform: str) -> None:
    """Let nobody in from a platform any more."""
    with database.session() as session:
        row = session.get(RecruitmentRow, (slug, platform))
        if row is None:
            raise RecruitmentError(f"{slug} does not recruit from {platform}")
        session.delete(row)


def read_platforms(connection: Connection, slug: str) -> dict[str, dict[str, Any]]:
    """Give the settings by platform; a study that nobody said anything about has a plain link."""
    table = RecruitmentRow.__table__
    rows = connection.execute(select(table.c.platform, table.c.settings).where(table.c.slug == slug))
    found = {row.platform: row.settings for row in rows}
    return found or {"direct": check_settings(PLATFORMS["direct"], {})}
