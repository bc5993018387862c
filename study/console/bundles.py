"""Bundles for publication: made and made again as a job, fetched from here, and gone after a day or a withdrawal."""

import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from flask import Response, abort, flash, g, redirect, request, send_file, url_for
from sqlalchemy import func, select
from werkzeug.wrappers import Response as Redirect

from study.config import Settings
from study.console.doors import blueprint, owners_only
from study.console.record import find, name_of, note, unblind
from study.dataout import FORMATS
from study.jobs import enqueue
from study.jobs.bundles import KEPT_FOR, delete_old
from study.models import StudyRow, WithdrawalRow
from study.web import now, truehue


@dataclass(frozen=True, slots=True)
class Kept:
    """A bundle that can be fetched."""

    name: str
    made_at_utc: datetime
    n_bytes: int

    @property
    def gone_at_utc(self) -> datetime:
        """When it will be deleted."""
        return self.made_at_utc + KEPT_FOR


def list_bundles(settings: Settings, slug: str) -> list[Kept]:
    """List a study's bundles, newest first; those older than a day are deleted."""
    folder = settings.bundles / slug
    delete_old(settings.bundles, now=now())
    kept = [Kept(p.name, _time_of(p), p.stat().st_size) for p in sorted(folder.glob("*.zip"))]
    return sorted(kept, key=lambda one: one.made_at_utc, reverse=True)


def _time_of(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


@blueprint.post("/study/<name>/bundle")
@owners_only
def build_bundle(name: str) -> Redirect:
    """Put the making of a bundle into the queue."""
    row, here = find(name), truehue()
    kind = request.form.get("format", "")
    if kind not in FORMATS:
        abort(400)
    unblind(row, "export")
    described = {key: request.form.get(key, "").strip()[:200] for key in ("author", "license")}
    file = f"{row.slug}-v{row.version}-{kind}-{now():%Y%m%dT%H%M%S}-{secrets.token_hex(2)}.zip"
    arguments = {"study_id": row.id, "slug": row.slug, "format": kind, "file": file, "described": described}
    title = f"{kind} bundle of {name_of(row)}"
    enqueue(here.desk, here.settings, "bundle", title, arguments, by=g.researcher.email, now=now())
    note("bundle asked for", row.slug, version=row.version, format=kind)
    flash("The job is in the queue; the file will be on the study's page for a day.")
    return redirect(url_for("console.jobs"), 303)


@blueprint.get("/study/<name>/bundle/<file>")
@owners_only
def fetch_bundle(name: str, file: str) -> Response:
    """Answer with a bundle, unless somebody took data back after it was made."""
    row, here = find(name), truehue()
    if not re.fullmatch(r"[a-z0-9-]+-\d{8}T\d{6}-[0-9a-f]{4}\.zip", file):
        abort(404)
    path = here.settings.bundles / row.slug / file
    if not path.is_file():
        abort(404)
    if _is_stale(row, _time_of(path)):
        path.unlink(missing_ok=True)
        abort(404)
    note("bundle fetched", row.slug, version=row.version, file=file)
    return send_file(path, mimetype="application/zip", as_attachment=True, download_name=file, etag=False, max_age=None)


def _is_stale(row: StudyRow, made: datetime) -> bool:
    with truehue().desk.database.reading() as connection:
        newest: datetime | None = connection.execute(
            select(func.max(WithdrawalRow.withdrawn_at_utc))
            .join(StudyRow, StudyRow.id == WithdrawalRow.study_id)
            .where(StudyRow.slug == row.slug)
        ).scalar_one()
    return newest is not None and newest >= made
