"""The least that an answer can cost: Flask, one INSERT into SQLite with the same durability. No session, no plan.

gunicorn 'tools.proof.load.bare:create_app()'
"""

import os
import sqlite3
import threading

from flask import Flask, Response, jsonify, request


def create_app() -> Flask:
    """Make the application; the file is named by BARE_DATABASE."""
    app = Flask(__name__)
    local = threading.local()
    path = os.environ["BARE_DATABASE"]

    def connection() -> sqlite3.Connection:
        if not hasattr(local, "connection"):
            local.connection = sqlite3.connect(path, timeout=30, isolation_level=None)
            local.connection.execute("PRAGMA journal_mode = WAL")
            local.connection.execute("PRAGMA synchronous = FULL")
            local.connection.execute(
                "CREATE TABLE IF NOT EXISTS answer "
                "(id INTEGER PRIMARY KEY, person TEXT, idempotency_key TEXT, response TEXT, rt_ms REAL)"
            )
        return local.connection  # type: ignore[no-any-return]

    @app.get("/healthz")
    def healthz() -> str:
        connection()
        return "ok"

    @app.post("/answer")
    def answer() -> Response:
        data = request.get_json()
        connection().execute(
            "INSERT INTO answer (person, idempotency_key, response, rt_ms) VALUES (?, ?, ?, ?)",
            (data["page_id"], data["idempotency_key"], data["response"], data["rt_ms"]),
        )
        return jsonify(ok=True)

    return app
