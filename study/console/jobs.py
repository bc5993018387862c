"""Jobs in the background: a list that keeps itself current."""

from flask import Response, make_response, render_template

from study.console.doors import blueprint, signed_in
from study.jobs import list_jobs
from study.web import truehue

REFRESH_S = "3"


@blueprint.get("/jobs")
@signed_in
def jobs() -> Response:
    """List the newest jobs."""
    listed = list_jobs(truehue().desk.database)
    response = make_response(render_template("console/jobs.html", jobs=listed))
    if any(job.status in {"queued", "running"} for job in listed):
        response.headers["Refresh"] = REFRESH_S
    return response
