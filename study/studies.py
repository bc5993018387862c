"""Studies: create, find, open and close; and `Study`, what a worker keeps of one in memory."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session, joinedload, undefer

from study.db import Database
from study.definition import StudyDefinition, from_canonical, load_preset
from study.design import Plan, Pools, assign_arm, partition_photos, plan_trials
from study.errors import Refusal
from study.manifest import Manifest, parse_manifest
from study.models import SessionRow, StimulusSet, StudyRow
from study.stimuli import import_set

SEED_BITS = 63  # fits a signed 64-bit integer in every reader of the export


class StudyError(Refusal, ValueError):
    """A study that cannot be made or found; the message is one line."""


@dataclass(frozen=True)
class Study:
    """One version of a study. Nothing in it ever changes, so a worker loads it once."""

    id: int
    slug: str
    version: int
    definition: StudyDefinition
    definition_sha256: str
    manifest: Manifest
    pools: Pools
    seed: int
    folder: str
    served: Mapping[str, str]
    """stimulus_id → file name as served."""
    is_simulated: bool

    @property
    def name(self) -> str:
        """How the command line names this version."""
        return f"{self.slug}@{self.version}"

    def plan(self, *, arm: str, seed: int, slot: int) -> Plan:
        """Plan one session."""
        return plan_trials(self.definition, self.pools, arm=arm, seed=seed, slot=slot)

    def arm(self, slot: int) -> str:
        """Give the arm of the `slot`-th session."""
        return assign_arm(self.pools, seed=self.seed, slot=slot)


def create_study(
    database: Database,
    stimuli_root: Path,
    definition: StudyDefinition,
    stimuli: Path,
    *,
    slug: str,
    now: datetime,
    seed: int | None = None,
    is_new_version: bool = False,
) -> Study:
    """Create a study; with `is_new_version` the next version of one that exists.

    It is a draft; `lifecycle.change` lets people in.
    """
    if not re.fullmatch(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?", slug):
        raise StudyError(
            f"slug: expected small letters, digits and inner hyphens, got {slug!r}; choose another with --slug"
        )
    with database.reading_session() as session:
        newest = session.scalar(select(func.max(StudyRow.version)).where(StudyRow.slug == slug))
    if newest is not None and not is_new_version:
        raise StudyError(f"a study called {slug} exists; choose another name with --slug, or add --new-version")
    seed = secrets.randbits(SEED_BITS) if seed is None else seed
    set_id, manifest = import_set(database, stimuli_root, stimuli, now=now)
    check_design(definition, manifest, seed=seed)
    with database.session() as session:
        row = StudyRow(
            slug=slug,
            version=(newest or 0) + 1,
            title=definition.study.title,
            state="draft",
            definition=definition.canonical,
            definition_sha256=definition.sha256,
            preset_definition=load_preset(definition.preset).canonical if definition.preset else "",
            stimulus_set_id=set_id,
            seed=seed,
            simulation=None,
            created_at_utc=now,
        )
        session.add(row)
        session.flush()
        return load_study(session, row.id)


def check_design(definition: StudyDefinition, manifest: Manifest, *, seed: int = 0) -> Pools:
    """Plan one session per arm, so that what cannot be planned is said now and not to a participant."""
    pools = partition_photos(definition, manifest, seed=seed)
    for arm in pools.arms:
        plan_trials(definition, pools, arm=arm, seed=seed)
    return pools


def load_study(session: Session, study_id: int) -> Study:
    """Load what a worker keeps."""
    row = session.scalars(
        select(StudyRow)
        .where(StudyRow.id == study_id)
        .options(joinedload(StudyRow.stimulus_set).options(undefer(StimulusSet.manifest)))
    ).one()
    definition = from_canonical(row.definition)
    manifest = parse_manifest(row.stimulus_set.manifest)
    return Study(
        id=row.id,
        slug=row.slug,
        version=row.version,
        definition=definition,
        definition_sha256=row.definition_sha256,
        manifest=manifest,
        pools=partition_photos(definition, manifest, seed=row.seed),
        seed=row.seed,
        folder=row.stimulus_set.folder,
        served={s.stimulus_id: s.served_name for s in row.stimulus_set.stimuli},
        is_simulated=row.simulation is not None,
    )


def find_row(session: Session, name: str) -> StudyRow:
    """Find a study by `slug` (its newest version) or `slug@version`."""
    row = session.scalars(_named(name).options(joinedload(StudyRow.stimulus_set))).first()
    if row is None:
        there = session.scalars(select(StudyRow.slug).distinct().order_by(StudyRow.slug).limit(10)).all()
        raise StudyError(f"no study is called {name}; " + (f"there are: {', '.join(there)}" if there else "create one"))
    return row


def find_study(database: Database, name: str) -> Study:
    """Find and load a study by `slug` or `slug@version`."""
    with database.reading_session() as session:
        return load_study(session, find_row(session, name).id)


def _named(name: str) -> Select[StudyRow]:
    slug, _, version = name.partition("@")
    query = select(StudyRow).where(StudyRow.slug == slug).order_by(StudyRow.version.desc())
    if version:
        query = query.where(StudyRow.version == (int(version) if version.isdecimal() and len(version) < 9 else -1))
    return query


def replace_draft(database: Database, slug: str) -> bool:
    """Delete a study's newest version if it is a draft that nobody tried; say whether versions are left."""
    with database.session() as session:
        newest = session.scalars(_named(slug)).first()
        if newest is not None and newest.state == "draft":
            tried = session.scalar(select(func.count()).where(SessionRow.study_id == newest.id))
            if not tried:
                session.delete(newest)
                session.flush()
        return session.scalars(_named(slug)).first() is not None


def find_shown(session: Session, slug: str) -> StudyRow:
    """Find the version that people at the study's address meet: the newest that is no draft."""
    query = _named(slug).where(StudyRow.state != "draft")
    row = session.scalars(query.options(joinedload(StudyRow.stimulus_set))).first()
    if row is None:
        raise StudyError(f"no study is called {slug}, or it is a draft")
    return row


def list_studies(session: Session) -> list[tuple[StudyRow, int, int]]:
    """List studies, newest first, with the number of sessions started and complete, the pilot's apart."""
    complete = func.count().filter(SessionRow.status == "complete")
    counts = (
        select(SessionRow.study_id, func.count().label("n"), complete.label("n_complete"))
        .where(~SessionRow.is_pilot)
        .group_by(SessionRow.study_id)
        .subquery()
    )
    rows = session.execute(
        select(StudyRow, func.coalesce(counts.c.n, 0), func.coalesce(counts.c.n_complete, 0))
        .outerjoin(counts, counts.c.study_id == StudyRow.id)
        .order_by(StudyRow.id.desc())
    )
    return [(row, n, n_complete) for row, n, n_complete in rows]
