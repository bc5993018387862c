"""How often one address may begin sessions or try to sign in.

Answers are not throttled here: a session takes one answer for each trial that it was handed, and nginx limits the rest
(deploy/nginx.conf). Counts live in each worker's memory, or in Redis where several hosts must count together.
"""

import hashlib

from limits import RateLimitItem, parse
from limits.errors import StorageError
from limits.storage import MemoryStorage, storage_from_string
from limits.strategies import MovingWindowRateLimiter

from study.config import ConfigError, Settings
from study.words import mark

SIGN_INS_BY_ADDRESS = parse("20 per 10 minutes")
WITHDRAWALS_BY_ADDRESS = parse("20 per 10 minutes")
SIGN_INS_BY_ACCOUNT = parse("10 per 10 minutes")


class TooOftenError(Exception):
    """Too many tries; `retry_after_s` says when to come back."""

    status = 429

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(mark("too many tries in a short time; please wait a little and try again"))
        self.retry_after_s = retry_after_s


class Throttle:
    """Counts tries by name and origin; the origin is kept as a hash only."""

    def __init__(self, settings: Settings) -> None:
        self._key = settings.secret_key
        self._memory = MovingWindowRateLimiter(MemoryStorage())
        self._shared: MovingWindowRateLimiter | None = None
        if settings.limits_storage != "memory://":
            try:
                storage = storage_from_string(settings.limits_storage, wrap_exceptions=True)
                self._shared = MovingWindowRateLimiter(storage)
            except Exception as error:
                raise ConfigError(
                    f"TRUEHUE_LIMITS: {settings.limits_storage.split('@')[-1]} cannot be used ({error}); "
                    "expected redis://HOST:PORT/N and the package redis, or memory://"
                ) from None
        self.starts = parse(f"{settings.starts_per_minute} per minute") if settings.starts_per_minute else None

    def check(self, limit: RateLimitItem | None, what: str, who: str) -> None:
        """Count one try of `who` and refuse it if it is one too many."""
        if limit is None:
            return
        name = hashlib.blake2b(who.encode(), key=self._key[:64], digest_size=12).hexdigest()
        for limiter in (self._shared, self._memory):
            if limiter is None:
                continue
            try:
                is_allowed = limiter.hit(limit, what, name)
            except StorageError:  # a throttle that is away must not close the study: count here meanwhile
                continue
            if not is_allowed:
                raise TooOftenError(limit.get_expiry())
            return
