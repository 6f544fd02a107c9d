"""Parts of a market whose candidates can be found apart: by other settings, or on another machine."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from marketplace.matching.arrays import Edges, Needs, Offers
from marketplace.matching.candidates import banned_pairs
from marketplace.matching.policy import Policy
from marketplace.matching.reach import in_reach
from marketplace.matching.validation import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Shard:
    """Some needs, the offers that they may reach, and the pairs refused, as rows of the shard.

    A need's candidates depend on the feasible offers alone, and equal scores are ordered by a circle of ids,
    of which a part keeps the order: shards together give what the whole gives. `need`, `offer`: the rows of
    the listings in the whole market.
    """

    need: IntArray
    offer: IntArray
    needs: Needs
    offers: Offers
    excluded: tuple[IntArray, IntArray]

    def in_market(self, edges: Edges) -> Edges:
        """Return edges of the shard as edges of the market."""
        return Edges(self.need[edges.need], self.offer[edges.offer], edges.distance_km, edges.weight)


class Cutter:
    """Cuts shards out of a market. `excluded`: as find_candidates() has it; ValueError for a bad row."""

    def __init__(
        self, needs: Needs, offers: Offers, *, excluded: tuple[ArrayLike, ArrayLike] | None = None
    ) -> None:
        self.needs, self.offers = needs, offers
        banned, width = banned_pairs(excluded, len(needs), len(offers)), max(len(offers), 1)
        self.banned = banned // width, banned % width

    def shard(self, need: IntArray, policy: Policy) -> Shard:
        """Return the shard of these needs, given by their rows in order; O(offers + excluded)."""
        needs = self.needs.take(need)
        offer = in_reach(needs, self.offers, policy)
        here = np.isin(self.banned[0], need) & np.isin(self.banned[1], offer)
        return Shard(
            need=need,
            offer=offer,
            needs=needs,
            offers=self.offers.take(offer),
            excluded=(
                np.searchsorted(need, self.banned[0][here]),
                np.searchsorted(offer, self.banned[1][here]),
            ),
        )

    def shards(self, policy: Policy, size: int) -> Iterator[Shard]:
        """Cut the whole in shards of `size` needs at most, each an area; what has no point goes apart."""
        placed = np.isfinite(self.needs.lat)
        for rows in (np.flatnonzero(placed), np.flatnonzero(~placed)):
            for area in _areas(self.needs.point, rows, size):
                yield self.shard(np.sort(area), policy)


def _areas(point: FloatArray, rows: IntArray, size: int) -> Iterator[IntArray]:
    """Halve these points across their longest side until `size` are left in each part (Bentley 1975)."""
    if len(rows) <= size:
        yield from [rows] if len(rows) else []
        return
    axis = np.argmax(np.ptp(np.nan_to_num(point[rows]), axis=0))
    order = np.argsort(point[rows, axis], kind="stable")
    for half in np.array_split(rows[order], 2):
        yield from _areas(point, half, size)
