"""deploy/nginx.conf in front of two application processes over one PostgreSQL, as a study on several hosts runs."""

import contextlib
import os
import re
import signal
import ssl

import pytest
from sqlalchemy import func, select

from study.models import TrialRow
from tools.proof import instance, material, nginx, server
from tools.proof.person import Http, Person, expect, required_answers

TEXT = instance.define(n_practice=2, n_test=6, n_low_anchor=1, n_instructed=0)
VARYING = {"date", "content-length"}


class Https(Http):
    """The same over TLS; the certificate is of our own making."""

    def __init__(self, port, context):
        super().__init__(port)
        from http.client import HTTPSConnection

        self.connection = HTTPSConnection(server.HOST, port, timeout=120, context=context)


@pytest.fixture
def context():
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


@pytest.mark.nginx
@pytest.mark.postgresql
def test_a_host_dies_and_the_study_goes_on(postgresql_url, tmp_path, context):
    """No answer is lost or asked for twice; pictures come from nginx alone, all alike, and only by their address."""
    pictures = material.derive(tmp_path / "set", size_px=64)
    with contextlib.ExitStack() as stack:
        place = stack.enter_context(
            instance.fresh(TEXT, database_url=postgresql_url, stimuli=pictures, folder=tmp_path / "i")
        )
        environment = place.environment | {
            "TRUEHUE_ACCEL_PREFIX": "/pictures", "TRUEHUE_PROXIES": "1", "TRUEHUE_HTTPS": "1",
        }  # fmt: skip
        hosts = [stack.enter_context(server.serving(environment, n_workers=1)) for _ in range(2)]
        stimuli = place.settings.stimuli
        front = stack.enter_context(nginx.fronting([host.port for host in hosts], stimuli, is_tls=True))
        line = Https(front.port, context)
        stack.callback(line.connection.close)
        person = Person(line, place.study.slug).begin()
        page = line.send("GET", person.here)
        assert page.header("Strict-Transport-Security")
        assert page.header("Server") == "nginx"
        headers, lengths, n_answers = set(), set(), 0
        while person.turn["trial"]:
            for each in person.turn["trial"]["pictures"]:
                reply = person.fetch(each["url"])
                lengths.add(len(reply.body))
                told = tuple((name, value) for name, value in reply.headers if name.lower() not in VARYING)
                headers.add(told)
            person.answer("left")
            n_answers += 1
            if n_answers == 4:
                for pid in (hosts[0].process.pid, *hosts[0].workers):
                    os.kill(pid, signal.SIGKILL)
        assert len(lengths) == len(headers) == 1
        names = {name.lower() for name, _ in next(iter(headers))}
        assert not names & {"etag", "last-modified", "x-accel-redirect", "accept-ranges", "expires"}
        assert dict(next(iter(headers)))["Cache-Control"] == "no-store"
        expect(person.fill_in(**required_answers(place.study.definition)), 303)
        assert b"Thank you" in line.send("GET", person.here).body
        with place.desk.database.reading() as connection:
            assert connection.scalar(select(func.count()).select_from(TrialRow)) == n_answers == 9

        served = next(path for path in stimuli.rglob("*") if path.is_file())
        for path in (f"/pictures/{served.relative_to(stimuli)}", "/pictures/", "/pictures../secret_key"):
            assert line.send("GET", path).status == 404
        log = (front.folder / "access.log").read_text()
        assert " POST 200 " in log
        assert person.token not in log
        assert not re.search(r"127\.0\.0\.1|/p/", log)
