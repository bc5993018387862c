"""Jobs in the background: a list that keeps itself current."""

from flask import render_template

from study.console.doors import blueprint, signed_in
from study.jobs import list_jobs
from study.web import truehue


@blueprint.get("/jobs")
@signed_in
def jobs() -> str:
    """List the newest jobs."""
    return render_template("console/jobs.html", jobs=list_jobs(truehue().desk.database))


@blueprint.get("/jobs/list")
@signed_in
def job_list() -> str:
    """Answer with the list alone, for the page that keeps itself current while one is under way."""
    return render_template("console/job_list.html", jobs=list_jobs(truehue().desk.database))
