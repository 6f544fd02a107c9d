"""Territories that take part, and who moderates them."""

from marketplace.extensions import db
from marketplace.models import ModerationMode, Territory, TerritoryRole, TerritoryRoleKind, User
from marketplace.services import accounts
from marketplace.services.errors import NotFound
from marketplace.services.work import Work, unit_of_work


def get(siren: str) -> Territory:
    """Return the territory. Raises NotFound."""
    territory = db.session.get(Territory, siren)
    if territory is None:
        raise NotFound(f"no territory has the SIREN {siren}")
    return territory


def open_territory(siren: str, *, mode: ModerationMode, by: User | None = None) -> Territory:
    """Let the territory's own moderators decide there. Raises NotFound."""
    with unit_of_work() as work:
        territory = _lock(work, siren)
        territory.is_open, territory.moderation_mode = True, mode
        work.audit("territory.opened", territory, by=by, territory=siren, after={"moderation_mode": mode})
    return territory


def close_territory(siren: str, *, by: User | None = None) -> Territory:
    """Give moderation back to the national administrators. Raises NotFound."""
    with unit_of_work() as work:
        territory = _lock(work, siren)
        territory.is_open = False
        work.audit("territory.closed", territory, by=by, territory=siren)
    return territory


def add_moderator(
    siren: str, email: str, *, role: TerritoryRoleKind = TerritoryRoleKind.MODERATOR, by: User | None = None
) -> TerritoryRole:
    """Give a person the role in the territory, or change it. Raises NotFound for either."""
    with unit_of_work() as work:
        territory, user = _lock(work, siren), _person(email)
        held = work.session.get(TerritoryRole, (user.id, siren))
        if held is None:
            held = work.add(TerritoryRole(user_id=user.id, territory_siren=territory.siren, role=role))
        held.role = role
        work.audit("territory.role_given", held, by=by, territory=siren, after={"role": role})
    return held


def remove_moderator(siren: str, email: str, *, by: User | None = None) -> None:
    """Take the person's role in the territory back. Raises NotFound when they have none."""
    with unit_of_work() as work:
        held = work.session.get(TerritoryRole, (_person(email).id, siren))
        if held is None:
            raise NotFound(f"{email} has no role in {siren}")
        work.audit("territory.role_taken", held, by=by, territory=siren, before={"role": held.role})
        work.session.delete(held)


def _lock(work: Work, siren: str) -> Territory:
    get(siren)
    return work.lock(Territory, siren)


def _person(email: str) -> User:
    user = accounts.by_email(email)
    if user is None:
        raise NotFound(f"nobody has signed up with {email}")
    return user
