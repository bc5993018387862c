"""docs/openapi.yaml is what the application does, and what it forbids does nothing."""

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from schemathesis.checks import not_a_server_error
from schemathesis.openapi import from_dict
from sqlalchemy import func, select

from study.models import AnswerRow, SessionRow, TrialRow

pytestmark = pytest.mark.slow  # generated requests to every operation

SPEC = yaml.safe_load((Path(__file__).parents[2] / "docs" / "openapi.yaml").read_text(encoding="utf-8"))
DOCUMENTED = ("participant.", "health.")


def test_every_address_is_documented_and_every_documented_one_exists(app):
    """Paths, methods, and endpoint names as operationId."""
    there = {
        (re.sub(r"<(\w+)>", r"{\1}", rule.rule), method.lower(), rule.endpoint.split(".")[1])
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith(DOCUMENTED)
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    told = {
        (path, method, operation["operationId"])
        for path, item in SPEC["paths"].items()
        for method, operation in item.items()
        if method in {"get", "post", "put", "delete", "patch"}
    }
    assert told == there


def count(desk):
    with desk.database.reading() as connection:
        tables = (SessionRow.__table__, TrialRow.__table__, AnswerRow.__table__)
        return tuple(connection.execute(select(func.count()).select_from(table)).scalar_one() for table in tables)


def test_a_real_session_fits_the_schema(app, participant):
    """Every JSON reply of a whole session is what the document says."""
    schema = from_dict(SPEC)
    schema.app = app
    ask, respond = schema["/p/{token}/api/trial"]["POST"], schema["/p/{token}/api/response"]["POST"]
    participant.begin()
    place = {"token": participant.token}

    def call(operation, body):
        case = operation.Case(path_parameters=place, body=body, media_type="application/json")
        reply = case.call()
        case.validate_response(reply)
        return reply

    participant.turn = call(ask, {"page_id": "first-page"}).json()
    assert call(respond, participant.report(trial_id="0" * 32)).status_code == 409
    assert call(respond, participant.report(rt_ms=-1)).status_code == 422
    while participant.turn["trial"]:
        participant.turn = call(respond, participant.report()).json()
    assert participant.state.status == "questionnaire"


OPERATIONS = [(path, method) for path, item in SPEC["paths"].items() for method in item if method in {"get", "post"}]
SELDOM = {"400", "404", "405", "413", "308"}  # what routing and parsing may say to anything


def send_many(app, path, method, *, token=None):
    """Send generated requests, with a real session's token or an invented one."""
    schema = from_dict(SPEC)
    schema.app = app

    @hypothesis_settings(
        max_examples=8, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    @given(case=schema[path][method.upper()].as_strategy())
    def send(case):
        if token:
            case.path_parameters["token"] = token
        reply = case.call()
        case.validate_response(reply, checks=[not_a_server_error])
        assert str(reply.status_code) in {*SPEC["paths"][path][method]["responses"]} | SELDOM

    send()


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_nothing_that_the_document_allows_breaks_the_server(app, desk, participant, path, method):
    """No 5xx and no undocumented status; without a session's token no row appears or changes."""
    participant.begin()
    app.config["TESTING"] = False  # as in production: an exception is a 500, which the check finds
    before = count(desk), participant.state
    send_many(app, path, method)
    assert (count(desk), participant.state) == before
    if "{token}" in path and not path.endswith("withdraw"):
        send_many(app, path, method, token=participant.token)
        assert count(desk)[0] == before[0][0]
        assert {row.void_reason for row in participant.rows} <= {"reloaded"}  # which the holder may cause
