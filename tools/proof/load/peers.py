"""psiTurk and oTree, each in a virtual environment of its own, serving the same answers from PostgreSQL."""

import contextlib
import http.client
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tools.proof.postgresql import PostgreSQL
from tools.proof.server import HOST, START_TIMEOUT_S, port_of, reserve_port, tree_cpu_s

VERSIONS = {"psiturk": "psiturk==3.3.1", "otree": "otree==6.0.15"}
PSITURK_CONFIG = """
[Database Parameters]
database_url = {url}
table_name = answers
[Server Parameters]
host = {host}
port = {port}
threads = 2
logfile = server.log
loglevel = 3
secret_key = a-key-for-this-run
do_scheduler = false
enable_dashboard = false
[Task Parameters]
contact_email_on_error = lab@example.org
"""
OTREE_SETTINGS = """
SESSION_CONFIGS = [dict(name="live", app_sequence=["live"], num_demo_participants=1)]
SESSION_CONFIG_DEFAULTS = dict(real_world_currency_per_point=1.0, participation_fee=0.0, doc="")
PARTICIPANT_FIELDS, SESSION_FIELDS = [], []
LANGUAGE_CODE, REAL_WORLD_CURRENCY_CODE, USE_POINTS = "en", "USD", True
ADMIN_USERNAME, ADMIN_PASSWORD, SECRET_KEY = "admin", "admin", "a-key-for-this-run"
"""
OTREE_APP = """
from otree.api import *


class C(BaseConstants):
    NAME_IN_URL = "live"
    PLAYERS_PER_GROUP = None
    NUM_ROUNDS = 1


class Subsession(BaseSubsession):
    pass


class Group(BaseGroup):
    pass


class Player(BasePlayer):
    pass


class Trial(ExtraModel):
    player = models.Link(Player)
    idempotency_key = models.StringField()
    response = models.StringField()
    rt_ms = models.FloatField()


class Live(Page):
    @staticmethod
    def live_method(player, data):
        Trial.create(
            player=player, idempotency_key=data["idempotency_key"], response=data["response"], rt_ms=data["rt_ms"]
        )
        return {player.id_in_group: dict(ok=True)}


page_sequence = [Live]
"""


@dataclass(frozen=True)
class Peer:
    """A running peer."""

    port: int
    about: str
    cpu_s: Callable[[], float]


def install(kind: str, folder: Path) -> Path:
    """Make the environment (uv), unless it is there; give its bin folder."""
    place = folder / kind
    if not (place / ".installed").exists():
        uv = str(Path(sys.executable).with_name("uv"))
        for command in (
            [uv, "venv", "-q", "--clear", "-p", sys.executable, str(place)],
            # psiTurk's old gunicorn imports pkg_resources, its old pyOpenSSL names that later cryptography lacks.
            [
                uv,
                "pip",
                "install",
                "-q",
                "-p",
                str(place / "bin" / "python"),
                VERSIONS[kind],
                "psycopg2-binary",
                "setuptools<81",
                "cryptography<38",
            ],
        ):
            subprocess.run(command, check=True)  # noqa: S603 - our own words, no shell
        (place / ".installed").touch()
    return place / "bin"


@contextlib.contextmanager
def running(
    kind: str, environments: Path, folder: Path, database: PostgreSQL | None, n: int, n_rounds: int = 1
) -> Iterator[Peer]:
    """Serve `n` participants in each round, from SQLite if there is no `database`."""
    place = (folder / f"{kind}-{'sqlite' if database is None else 'postgresql'}").absolute()
    place.mkdir(parents=True)
    programs = install(kind, environments).absolute()
    url = f"sqlite:///{place / 'answers.sqlite3'}"
    if database is not None:
        url = database.create(kind).replace("+psycopg", "")
    environment = os.environ | {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "DATABASE_URL": url,
        "OTREE_PRODUCTION": "1",
    }
    with reserve_port() as holder:
        port = port_of(holder)
    about = ""
    if kind == "psiturk":  # by the short scheme alone does it know PostgreSQL, whose TEXT takes no length
        told = url.replace("postgresql://", "postgres://")
        (place / "config.txt").write_text(PSITURK_CONFIG.format(url=told, host=HOST, port=port))
        example = next(programs.parent.glob("lib/*/site-packages/psiturk/example"))
        shutil.copytree(example / "templates", place / "templates")
        shutil.copytree(example / "static", place / "static")
        environment["DATABASE_URL"] = told
        # Else both of its workers make the tables at once, and one of them fails.
        _quietly([str(programs / "python"), "-c", "from psiturk.db import init_db; init_db()"], place, environment)
        command = [str(programs / "python"), "-m", "psiturk.experiment_server"]
    else:
        (place / "settings.py").write_text(OTREE_SETTINGS)
        for name in ("_static", "_templates", "live"):
            (place / name).mkdir()
        (place / "live" / "__init__.py").write_text(OTREE_APP)
        (place / "live" / "Live.html").write_text("{{ block content }}x{{ endblock }}")
        # A session a round: a message looks up everybody of its session, and rounds must not make that more.
        for words in (["resetdb", "--noinput"], *[["create_session", "live", str(n)]] * n_rounds):
            _quietly([str(programs / "otree"), *words], place, environment)
        about = ",".join(_codes(url))
        command = [str(programs / "otree"), "prodserver1of2", str(port)]
    log = (place / "log").open("wb")
    process = subprocess.Popen(  # noqa: S603 - our own program, no shell
        command, cwd=place, env=environment, stdout=log, stderr=log, start_new_session=True
    )
    try:
        _wait(process, port, place / "log")
        pids = [process.pid] if database is None else [process.pid, database.pid]
        yield Peer(port, about, lambda: sum(map(tree_cpu_s, pids)))
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        log.close()


def _quietly(command: list[str], place: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, check=False)  # noqa: S603
    if done.returncode:
        raise RuntimeError(f"{command}: {done.stderr.decode()[-1000:]}")


def _codes(url: str) -> list[str]:
    import psycopg

    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute("SELECT code FROM otree_participant ORDER BY id")]


def _wait(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection(HOST, port, timeout=5)
            connection.request("GET", "/")
            connection.getresponse()
            connection.close()
            return
        time.sleep(0.1)
    raise RuntimeError(f"{process.args!r} did not start: {log.read_text(errors='replace')[-2000:]}")
