"""Recruitment: who comes, that one person has one session, and the way back.

The platforms' side is played by hand from their documentation: field names, hosts and signatures are theirs.
"""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from conftest import NOW
from flask import Flask
from flask.testing import FlaskClient
from recruits import CODES, PROLIFIC, agree, come, finish_session, form_of, recruit, rows
from sqlalchemy import update

from study import recruitment
from study.lifecycle import change
from study.models import CompletionRow, IdentityRow, SessionRow
from study.recruitment import RecruitmentError
from study.recruitment.people import find_token
from study.recruitment.platforms.base import Entry
from study.recruitment.registry import PLATFORMS, configure
from study.sessions import Desk
from study.studies import Study


def test_sona_gets_its_code_back(client: FlaskClient, desk: Desk, study: Study) -> None:
    url = "https://school.sona-systems.com/webstudy_credit.aspx?experiment_id=123&credit_token=9b638a&survey_code=XXX"
    recruit(desk, study, "sona", {"completion_url": url})
    here = agree(client, study, {"survey_code": "48151"})
    assert "credit_token" not in client.get(here).text
    last = finish_session(client, desk, study, here)
    address = last.split('href="https://school.sona')[1].split('"')[0].replace("&amp;", "&")
    assert parse_qs(urlsplit(f"https://school.sona{address}").query) == {
        "experiment_id": ["123"],
        "credit_token": ["9b638a"],
        "survey_code": ["48151"],
    }


def test_connect_goes_back(client: FlaskClient, desk: Desk, study: Study) -> None:
    recruit(
        desk, study, "connect", {"completion_url": "https://connect.cloudresearch.com/participant/project/AB/complete"}
    )
    here = agree(client, study, {"participantId": "P1", "assignmentId": "S1", "projectId": "AB"})
    last = finish_session(client, desk, study, here)
    assert 'href="https://connect.cloudresearch.com/participant/project/AB/complete"' in last


def test_a_completion_address_elsewhere_is_refused() -> None:
    person = recruitment.platforms.base.Person(Entry("sona", submission="1"), address="")
    for url in (
        "https://sona-systems.com.evil.example/x",
        "https://evilsona-systems.com/",
        "http://a.sona-systems.com/",
    ):
        with pytest.raises(RecruitmentError, match="below sona-systems"):
            PLATFORMS["sona"].finish(person, {"completion_url": url}, outcome="COMPLETED")


def test_an_invitation_lets_one_person_in(client: FlaskClient, desk: Desk, study: Study) -> None:
    recruit(desk, study, "invitation", {"shows_code": "1"})
    first, second = recruitment.invite(desk.database, study.slug, 2, now=NOW)
    here = agree(client, study, {"invitation": first})
    assert agree(client, study, {"invitation": first}) == here
    assert agree(client, study, {"invitation": second}) != here
    last = finish_session(client, desk, study, here)
    codes = {row.session_id: row.code for row in rows(desk, CompletionRow)}
    assert next(iter(codes.values())) in last
    door = come(client, study, {"invitation": "made-up"})
    refused = client.post(f"/s/{study.slug}/start", data=form_of(door.text))
    assert refused.status_code == 403
    assert come(client, study, {}).status_code == 403, "and nobody comes without one"
    assert rows(desk, IdentityRow) == []


def test_the_lab_returns_to_its_seat(client: FlaskClient, desk: Desk, study: Study) -> None:
    recruit(desk, study, "lab")
    seat = {"seat": "3", "experimenter": "ab"}
    here = agree(client, study, seat)
    last = finish_session(client, desk, study, here)
    assert f'href="http://localhost/s/{study.slug}/?seat=3&amp;experimenter=ab"' in last
    assert agree(client, study, seat) != here, "the next person"


def test_a_plain_link_gives_no_code_unless_asked(client: FlaskClient, desk: Desk, study: Study) -> None:
    last = finish_session(client, desk, study, agree(client, study, {}))
    assert "The way back" not in last
    assert "You can close this window now" in last


def test_those_inside_a_closed_study_come_back_in(client: FlaskClient, desk: Desk, study: Study) -> None:
    recruit(desk, study, "prolific", CODES)
    here = agree(client, study, PROLIFIC)
    change(desk.database, study.slug, "closed", actor="test", now=NOW)
    assert come(client, study, PROLIFIC).location == here
    newcomer = come(client, study, {**PROLIFIC, "PROLIFIC_PID": "another"})
    assert newcomer.status_code == 403
    assert "not taking participants" in newcomer.text


def test_no_finish_before_the_end(client: FlaskClient, desk: Desk, study: Study) -> None:
    """A session whose status somebody else turned back has no way back either."""
    recruit(desk, study, "prolific", CODES)
    here = agree(client, study, PROLIFIC)
    finish_session(client, desk, study, here)
    with desk.database.writing() as connection:
        connection.execute(update(SessionRow).values(status="questionnaire"))
    assert "C0MPL3T3" not in client.get(here).text


@pytest.mark.parametrize(
    ("platform", "given", "words"),
    [
        ("prolific", {}, "codes is missing"),
        ("prolific", {"codes": {"COMPLETED": "a b"}}, "letters and digits"),
        ("prolific", {"codes": "C"}, "expected codes"),
        ("prolific", {**CODES, "retention_days": "soon"}, "whole number"),
        ("prolific", {**CODES, "is_signed": "maybe"}, "true or false"),
        ("prolific", {**CODES, "keys_url": "http://x"}, "https://"),
        ("prolific", {**CODES, "keys_url": "https://169.254.169.254/latest"}, "at prolific.com"),
        ("prolific", {**CODES, "keys_url": "https://evilprolific.com/jwks"}, "at prolific.com"),
        ("prolific", {**CODES, "keys_url": "https://prolific.com@localhost/"}, "at prolific.com"),
        ("prolific", {**CODES, "keys_url": "https://["}, "at prolific.com"),
        ("mturk", {"colour": "1"}, "unknown setting colour"),
        ("sona", {}, "completion_url is missing"),
        ("elsewhere", {}, "expected one of direct"),
    ],
)
def test_wrong_settings_are_explained(
    desk: Desk, study: Study, platform: str, given: dict[str, Any], words: str
) -> None:
    with pytest.raises(RecruitmentError, match=words):
        configure(desk.database, study.slug, platform, given, now=NOW)


def test_the_command_says_what_to_paste(app: Flask, desk: Desk, study: Study) -> None:
    runner = app.test_cli_runner()
    set_up = [
        "recruit",
        study.slug,
        "--from",
        "prolific",
        "--set",
        "codes.COMPLETED=AB12",
        "--url",
        "https://lab.example",
    ]
    done = runner.invoke(args=set_up)
    assert done.exit_code == 0, done.output
    assert (
        f"https://lab.example/s/{study.slug}/?PROLIFIC_PID={{{{%PROLIFIC_PID%}}}}&STUDY_ID={{{{%STUDY_ID%}}}}"
        "&SESSION_ID={{%SESSION_ID%}}" in done.output
    )
    bad = runner.invoke(args=["recruit", study.slug, "--from", "prolific"])
    assert bad.exit_code == 2
    assert "codes is missing" in bad.output
    refused = runner.invoke(args=["invite", study.slug])
    assert refused.exit_code == 2
    assert "does not take invitations" in refused.output
    runner.invoke(args=["recruit", study.slug, "--from", "invitation"])
    links = runner.invoke(args=["invite", study.slug, "--n", "3", "--url", "https://lab.example"]).output.split()
    assert len(set(links)) == 3
    assert find_token(desk, study.slug, Entry("invitation", person=links[0].split("=")[1])) is None
