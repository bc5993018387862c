"""One value of an export as text: docs/formats.md."""

from datetime import UTC, datetime


def cell(value: object) -> str:
    """Write one value as docs/formats.md says."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return utc_text(value)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    return str(value)


def utc_text(moment: datetime) -> str:
    """Write a time: UTC, milliseconds, Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
