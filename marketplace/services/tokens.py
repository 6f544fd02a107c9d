"""Signed links sent by mail: for one purpose, one subject, and a time."""

from flask import current_app
from itsdangerous import BadSignature, TimestampSigner, URLSafeTimedSerializer

from marketplace import clock
from marketplace.models import ModerationDecision
from marketplace.services.errors import TokenExpired

HOUR = 3600
DAY = 24 * HOUR
# How long a decision can be contested: six months at least (regulation (EU) 2022/2065, art. 20(1)), and no
# six months are longer than this.
APPEAL_DAYS = 184
_APPEAL = "appeal"


def sign(purpose: str, *parts: str | int) -> str:
    """Return a token for a link. `parts`: what it is about, and what must not have changed since."""
    return _serializer(purpose).dumps([str(part) for part in parts])


def read(purpose: str, token: str, *, max_age: int) -> list[str]:
    """Return the parts. Raises TokenExpired when older than `max_age` seconds, forged or cut."""
    try:
        return list(_serializer(purpose).loads(token, max_age=max_age))
    except BadSignature as error:  # SignatureExpired is one
        raise TokenExpired(purpose) from error


def appeal_token(decision: ModerationDecision) -> str:
    """Return the token of the link by which a decision is contested; it dates from now."""
    return sign(_APPEAL, decision.id)


def read_appeal(token: str) -> int:
    """Return the id of the decision that the link contests. Raises TokenExpired."""
    (decision_id,) = read(_APPEAL, token, max_age=APPEAL_DAYS * DAY)
    return int(decision_id)


class _Signer(TimestampSigner):
    def get_timestamp(self) -> int:
        return int(clock.now().timestamp())


def _serializer(purpose: str) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(current_app.config["SECRET_KEY"], salt=purpose, signer=_Signer)
