"""The least that an answer can cost: Flask, one INSERT with the same durability. No session, no plan.

gunicorn 'tools.proof.load.bare:create_app()'
"""

import os
import threading
from typing import Any

from flask import Flask, Response, jsonify, request

TABLE = "answer (id {key}, person TEXT, idempotency_key TEXT, response TEXT, rt_ms DOUBLE PRECISION)"
INSERT = "INSERT INTO answer (person, idempotency_key, response, rt_ms) VALUES ({0}, {0}, {0}, {0})"


def create_app() -> Flask:
    """Make the application; BARE_DATABASE is a file of SQLite or the address of a PostgreSQL database."""
    app = Flask(__name__)
    local = threading.local()
    place = os.environ["BARE_DATABASE"]
    is_sqlite = not place.startswith("postgresql")
    insert = INSERT.format("?" if is_sqlite else "%s")

    def connect() -> Any:
        if is_sqlite:
            import sqlite3

            connection = sqlite3.connect(place, timeout=30, isolation_level=None)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            return connection
        import psycopg

        return psycopg.connect(place, autocommit=True)

    def connection() -> Any:
        if not hasattr(local, "connection"):
            local.connection = connect()
        return local.connection

    with connect() as first:
        key = "INTEGER PRIMARY KEY" if is_sqlite else "BIGSERIAL PRIMARY KEY"
        first.execute(f"CREATE TABLE IF NOT EXISTS {TABLE.format(key=key)}")

    @app.get("/healthz")
    def healthz() -> str:
        return "ok"

    @app.post("/answer")
    def answer() -> Response:
        data = request.get_json()
        connection().execute(insert, (data["page_id"], data["idempotency_key"], data["response"], data["rt_ms"]))
        return jsonify(ok=True)

    return app
