"""Where an instance of Truehue keeps its things, and its settings.

An instance is a folder: the database, the secret key, the pictures as browsers get them, the reports. It is named by
the environment variable TRUEHUE_INSTANCE and is ./instance otherwise.
"""

import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from study.errors import Refusal

KEY_BYTES = 32
PROLIFIC_FILE = "prolific_token"


class ConfigError(Refusal, ValueError):
    """A setting that cannot be used; the message is one line."""


@dataclass(frozen=True)
class Settings:
    """What the environment decides, read once per process."""

    instance: Path
    database_url: str
    given_key: str = field(default="", repr=False)
    """The secret key, if the environment sets it."""
    accel_prefix: str = ""
    """If set, pictures are answered with X-Accel-Redirect under this internal location, so nginx sends the bytes."""
    is_demo: bool = False
    classroom: str = ""
    """The study that a class takes (`make class`): the address without a path leads there."""
    contact: str = ""
    is_https: bool = False
    """Cookies of the console are marked Secure, and browsers are told to come by https only (HSTS)."""
    n_proxies: int = 0
    """Reverse proxies before the server, whose X-Forwarded-* headers are believed."""
    hosts: tuple[str, ...] = ()
    """Names under which the server may be asked; empty: any."""
    limits_storage: str = field(default="memory://", repr=False)
    """Where tries are counted: memory:// of each worker, or redis://… shared by all hosts."""
    starts_per_minute: int = 60
    """Sessions that one network address may begin in a minute; 0: any number."""
    is_logging_json: bool = False
    prolific_url: str = "https://api.prolific.com"
    given_prolific_token: str = field(default="", repr=False)
    redis_url: str = ""
    """Where the queue of jobs is, if several hosts share it; else a file in the instance."""

    @property
    def secret_key(self) -> bytes:
        """The key that signs everything."""
        return self.keys[0]

    @property
    def keys(self) -> tuple[bytes, ...]:
        """The key that signs, and after it the one before, whose signatures are still accepted."""
        return self.all_keys[:2]

    @property
    def lasting_key(self) -> bytes:
        """The instance's first key, which no rotation replaces: people's keyed names must stay the same."""
        return self.all_keys[-1]

    @cached_property
    def all_keys(self) -> tuple[bytes, ...]:
        """All keys, newest first; made when they are first needed, for their owner only."""
        if self.given_key:
            return tuple(key.encode() for key in self.given_key.split(","))
        self.prepare()
        return _instance_keys(self.instance)

    def prepare(self) -> None:
        """Create the instance folder; commands that need none leave none behind."""
        try:
            self.instance.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"TRUEHUE_INSTANCE: {self.instance} cannot be created ({error.strerror}); "
                "name a folder that you may write"
            ) from None

    @property
    def prolific_token(self) -> str:
        """The token for Prolific's API: from the environment, or a file of its own that nobody else may read."""
        if self.given_prolific_token:
            return self.given_prolific_token
        path = self.instance / PROLIFIC_FILE
        try:
            is_open, token = bool(path.stat().st_mode & 0o077), path.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return ""
        except (OSError, ValueError) as error:
            raise ConfigError(f"{path} cannot be read: {type(error).__name__}") from None
        if is_open:
            raise ConfigError(f"{path} can be read by others; run: chmod 600 {path}")
        return token

    def keep_prolific_token(self, token: str) -> None:
        """Write the token into its file; an empty one deletes the file."""
        path = self.instance / PROLIFIC_FILE
        self.prepare()
        if not token:
            path.unlink(missing_ok=True)
            return
        if not re.fullmatch(r"[!-~]{8,300}", token):
            raise ConfigError("Prolific's token: expected 8 to 300 printable characters without spaces")
        fresh = self.instance / f".{PROLIFIC_FILE}.{secrets.token_hex(4)}"
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(token)
        fresh.replace(path)

    @property
    def stimuli(self) -> Path:
        """Imported stimulus sets."""
        return self.instance / "stimuli"

    @property
    def uploads(self) -> Path:
        """What researchers sent and no job has taken yet."""
        return self.instance / "uploads"

    @property
    def bundles(self) -> Path:
        """Bundles for publication, for a day."""
        return self.instance / "bundles"

    @property
    def reports(self) -> Path:
        """Reports built from the console, one folder each."""
        return self.instance / "reports"


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings."""
    env = os.environ if environment is None else environment
    instance = Path(env.get("TRUEHUE_INSTANCE") or "instance").resolve()
    given_key = env.get("TRUEHUE_SECRET_KEY", "")
    if given_key and (shortest := min(map(len, given_key.split(",")))) < KEY_BYTES:
        raise ConfigError(f"TRUEHUE_SECRET_KEY: expected at least {KEY_BYTES} characters, got {shortest}")
    return Settings(
        instance=instance,
        given_key=given_key,
        database_url=_database_url(env.get("DATABASE_URL", ""), instance),
        accel_prefix=env.get("TRUEHUE_ACCEL_PREFIX", "").rstrip("/"),
        is_demo=_is_on(env, "TRUEHUE_DEMO"),
        classroom=env.get("TRUEHUE_CLASS", ""),
        contact=env.get("TRUEHUE_CONTACT", ""),
        is_https=_is_on(env, "TRUEHUE_HTTPS"),
        n_proxies=_count(env, "TRUEHUE_PROXIES", 0),
        hosts=tuple(name.strip() for name in env.get("TRUEHUE_HOSTS", "").split(",") if name.strip()),
        limits_storage=env.get("TRUEHUE_LIMITS") or "memory://",
        starts_per_minute=_count(env, "TRUEHUE_STARTS_PER_MINUTE", 60),
        is_logging_json=_is_on(env, "TRUEHUE_JSON_LOG"),
        redis_url=env.get("TRUEHUE_REDIS", ""),
        prolific_url=_prolific_url(env.get("TRUEHUE_PROLIFIC_URL", "")),
        given_prolific_token=env.get("TRUEHUE_PROLIFIC_TOKEN", "").strip(),
    )


def _prolific_url(given: str) -> str:
    """The token goes to this address: https, or this very machine (a fake for trying)."""
    if given and not given.startswith(("https://", "http://127.0.0.1:", "http://localhost:")):
        raise ConfigError(f"TRUEHUE_PROLIFIC_URL: expected https://…, got {given!r}")
    return (given or "https://api.prolific.com").rstrip("/")


def _count(env: Mapping[str, str], name: str, default: int) -> int:
    value = env.get(name) or str(default)
    if not value.isdecimal() or len(value) > 6:
        raise ConfigError(f"{name}: expected a whole number, 0 or more, got {value!r}")
    return int(value)


def _is_on(env: Mapping[str, str], name: str) -> bool:
    value = env.get(name, "")
    if value not in {"", "0", "1"}:
        raise ConfigError(f"{name}: expected 0 or 1, got {value!r}")
    return value == "1"


def _instance_keys(instance: Path) -> tuple[bytes, ...]:
    path = instance / "secret_key"
    if not path.exists():
        fresh = _write_keys(instance, [secrets.token_hex(KEY_BYTES)])
        # Written beside and linked into place, so that two processes that start at once agree on one key.
        try:
            os.link(fresh, path)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    keys = tuple(path.read_bytes().split())
    shortest = min(map(len, keys), default=0)
    if shortest < KEY_BYTES:
        raise ConfigError(
            f"{path}: expected at least {KEY_BYTES} characters, got {shortest}; delete it to make a new one"
        )
    return keys


def rotate_key(settings: Settings) -> None:
    """Put a new secret key before the present one; the present one's signatures stay valid until the next rotation."""
    if settings.given_key:
        raise ConfigError(
            "the secret key is set by TRUEHUE_SECRET_KEY; write NEW,OLD,…,FIRST there and restart the server"
        )
    old, first = settings.secret_key.decode(), settings.lasting_key.decode()
    keys = [secrets.token_hex(KEY_BYTES), old, *([first] if first != old else [])]
    _write_keys(settings.instance, keys).rename(settings.instance / "secret_key")


def _write_keys(instance: Path, keys: list[str]) -> Path:
    fresh = instance / f".secret_key.{secrets.token_hex(4)}"
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write("\n".join(keys).encode())
        file.flush()
        os.fsync(file.fileno())
    return fresh


def _database_url(given: str, instance: Path) -> str:
    """SQLite in the instance folder unless DATABASE_URL says otherwise; PostgreSQL is spoken to through psycopg."""
    if not given:
        return f"sqlite:///{instance / 'truehue.sqlite3'}"
    for prefix in ("postgres://", "postgresql://"):
        if given.startswith(prefix):
            return "postgresql+psycopg://" + given.removeprefix(prefix)
    if not given.startswith(("sqlite:///", "postgresql+psycopg://")):
        scheme = given.split(":", 1)[0]
        raise ConfigError(f"DATABASE_URL: expected sqlite:///… or postgresql://…, got {scheme}:")
    return given
