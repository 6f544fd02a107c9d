"""What the national administrator looks up: people by their address, territories that are not open yet."""

from collections.abc import Sequence

from marketplace.models import Territory, User
from marketplace.services import accounts, directory, rights


def person(email: str, *, by: User) -> User | None:
    """Return who has an account under this address. Raises NotAllowed but for the administrator."""
    rights.require_administrator(by)
    return accounts.by_email(email)


def territories_to_open(text: str, *, by: User) -> Sequence[Territory]:
    """Return the territories so named, or with communes so named, that are not open. Raises NotAllowed."""
    rights.require_administrator(by)
    return [territory for territory in directory.find_territories(text) if not territory.is_open]
