"""Signed links sent by mail: for one purpose, one subject, and a time."""

from flask import current_app
from itsdangerous import BadSignature, TimestampSigner, URLSafeTimedSerializer

from marketplace import clock
from marketplace.services.errors import TokenExpired

HOUR = 3600
DAY = 24 * HOUR


def sign(purpose: str, *parts: str | int) -> str:
    """Return a token for a link. `parts`: what it is about, and what must not have changed since."""
    return _serializer(purpose).dumps([str(part) for part in parts])


def read(purpose: str, token: str, *, max_age: int) -> list[str]:
    """Return the parts. Raises TokenExpired when older than `max_age` seconds, forged or cut."""
    try:
        return list(_serializer(purpose).loads(token, max_age=max_age))
    except BadSignature as error:  # SignatureExpired is one
        raise TokenExpired(purpose) from error


class _Signer(TimestampSigner):
    def get_timestamp(self) -> int:
        return int(clock.now().timestamp())


def _serializer(purpose: str) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(current_app.config["SECRET_KEY"], salt=purpose, signer=_Signer)
