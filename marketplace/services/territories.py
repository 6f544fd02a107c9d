"""Territories that take part."""

from marketplace.extensions import db
from marketplace.models import ModerationMode, Territory, User
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


def _lock(work: Work, siren: str) -> Territory:
    get(siren)
    return work.lock(Territory, siren)
