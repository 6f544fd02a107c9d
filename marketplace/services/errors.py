"""What a service refuses, as types. web.errors turns them into pages, commands into one line and exit 1."""

from datetime import datetime

from marketplace.models import DecisionAction, InvalidTransition


class ServiceError(Exception):
    """A refusal that the caller can tell a person about."""


class NotFound(ServiceError):
    """There is no such thing, or not for this person: the two must look the same from outside."""


class NotAllowed(ServiceError):
    """The person sees the thing but may not do this to it."""


class CapacityReached(ServiceError):
    """The offer has no free place left, or is no longer open."""


class AlreadyMatched(ServiceError):
    """The need already has a live match, or is no longer open."""


class PairRefused(ServiceError):
    """This pair is live, done, or was declined once: it is not proposed again."""


class PairExcluded(ServiceError):
    """A hard rule of the matcher excludes the pair. `rules`: names as matching.explain gives them."""

    def __init__(self, rules: tuple[str, ...]) -> None:
        super().__init__(", ".join(rules))
        self.rules = rules


class AlreadyDecided(ServiceError):
    """Somebody else decided first. `state`: what they left; who, what and when, where that is known."""

    def __init__(
        self, state: str, *, by: str = "", action: DecisionAction | None = None, at: datetime | None = None
    ) -> None:
        super().__init__(state)
        self.state, self.by, self.action, self.at = state, by, action, at


class TokenExpired(ServiceError):
    """A mailed link that is too old or already used."""


class TooManyAttempts(ServiceError):
    """The counter of attempts is full. `retry_after`: seconds to wait."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"retry after {retry_after} s")
        self.retry_after = retry_after


class OutsideSilent(ServiceError):
    """A service of the outside does not answer: one goes on without it, and may be told."""


class FieldError(ServiceError):
    """One field cannot be accepted for a reason only the service sees. `message`: French, for the person."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field, self.message = field, message


__all__ = [
    "AlreadyDecided",
    "AlreadyMatched",
    "CapacityReached",
    "FieldError",
    "InvalidTransition",
    "NotAllowed",
    "NotFound",
    "OutsideSilent",
    "PairExcluded",
    "PairRefused",
    "ServiceError",
    "TokenExpired",
    "TooManyAttempts",
]
