"""« Mon parcours »: for one need, what exists put in order, each step to be ticked by its structure.

An exchange nearby comes first, then a free diagnosis or a training, then a labelled provider with aid: from
what costs a morning to what costs money.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select

from marketplace.extensions import db
from marketplace.models import Listing, ListingKind, Match, PathStep, PathTick, User
from marketplace.models.matches import LIVE
from marketplace.services import help_links, providers, ranking, rights
from marketplace.services.errors import NotFound
from marketplace.services.help_links import Help
from marketplace.services.listings import SHOWN
from marketplace.services.ranking import Ranked
from marketplace.services.work import unit_of_work

EXCHANGES_MAX = 3
PROVIDERS_MAX = 3


@dataclass(frozen=True, slots=True)
class Path:
    """`match`: the exchange under way, which makes looking for others needless; `ticks`: the steps done."""

    need: Listing
    match: Match | None
    exchanges: Sequence[Ranked]
    help: Help
    providers: Sequence[providers.Found]
    ticks: Mapping[PathStep, PathTick]

    @property
    def next_step(self) -> PathStep | None:
        """Return the first step that is not done."""
        return next((step for step in PathStep if step not in self.ticks), None)


def show(listing_id: int, *, by: User) -> Path:
    """Return the path of a need. Raises NotFound unless the person speaks for its structure."""
    need = _own(listing_id, by)
    match = db.session.scalar(select(Match).where(Match.need_id == need.id, Match.state.in_(LIVE)).limit(1))
    return Path(
        need=need,
        match=match,
        exchanges=[] if match else ranking.best_for(need, limit=EXCHANGES_MAX),
        help=help_links.for_listing(need),
        providers=providers.near_listing(need, PROVIDERS_MAX),
        ticks=_ticks(need.id),
    )


def tick(listing_id: int, step: PathStep, *, done: bool, by: User) -> None:
    """Note that a step is done, or that it is not after all; said twice, it is noted once.

    Raises NotFound, NotAllowed (rights.require_speaker).
    """
    need = _own(listing_id, by)
    rights.require_speaker(by, need.organisation_id)
    with unit_of_work() as work:
        work.lock(Listing, listing_id)
        ticked = work.session.get(PathTick, (listing_id, step))
        if done and ticked is None:
            work.add(PathTick(listing_id=listing_id, step=step, by_id=by.id))
        elif not done and ticked is not None:
            work.session.delete(ticked)


def _own(listing_id: int, by: User) -> Listing:
    need = db.session.scalar(select(Listing).where(Listing.id == listing_id).options(*SHOWN))
    if need is None or need.kind is not ListingKind.NEED or not rights.speaks_for(by, need.organisation_id):
        raise NotFound(f"need {listing_id}")
    return need


def _ticks(listing_id: int) -> dict[PathStep, PathTick]:
    found = db.session.scalars(select(PathTick).where(PathTick.listing_id == listing_id))
    return {tick.step: tick for tick in found}
