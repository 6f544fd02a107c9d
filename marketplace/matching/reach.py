"""All pairs in reach of each other: for few needs, and where numba is not installed."""

from collections.abc import Sequence

import numpy as np
from scipy.spatial import cKDTree

from marketplace.matching.arrays import ON_SITE, REMOTE, Edges, Needs, Offers
from marketplace.matching.policy import Policy
from marketplace.matching.scoring import feasible_edges
from marketplace.matching.ties import Wheel
from marketplace.matching.validation import BoolArray, IntArray

# Needs treated at a time: bounds the memory, about 100 MB in a dense city.
BLOCK = 512
# The search by straight lines keeps a margin for rounding; the rule on the distance decides.
MARGIN_KM = 1e-3


class Reach:
    """Offers by the skills they come near to: for meeting a k-d tree of each (Bentley 1975), else a list."""

    workers = 1

    def __init__(self, needs: Needs, offers: Offers, policy: Policy, *, banned: IntArray, top_k: int) -> None:
        self.needs, self.offers, self.policy = needs, offers, policy
        self.banned, self.top_k = banned, top_k
        self.wheel = Wheel(needs, offers)
        rows: IntArray = np.arange(len(needs))
        self.blocks: Sequence[IntArray] = [rows[i : i + BLOCK] for i in range(0, len(needs), BLOCK)]
        # A further skill only lowers a similarity: nothing at or above the floor is missed.
        self.near = policy.similarity() >= policy.skill_floor
        self.placed = np.isfinite(offers.lat) & (offers.places & ON_SITE > 0) & (offers.capacity > 0)
        self.remote = (offers.places & REMOTE > 0) & (offers.capacity > 0)
        self.buckets: dict[int, tuple[IntArray, cKDTree | None, IntArray]] = {}

    def best(self, rows: IntArray) -> Edges:
        """Return the best edges of these needs, by need, best first. O(pairs in reach)."""
        need, offer = self._pairs(rows)
        edges = feasible_edges(self.needs, need, self.offers, offer, self.policy)
        turn = self.wheel.turn(edges.need, edges.offer)
        edges = edges.take(np.lexsort((turn, -edges.weight, edges.need)))
        first = np.searchsorted(edges.need, edges.need)
        return edges.take(np.flatnonzero(np.arange(len(edges)) - first < self.top_k))

    def _pairs(self, rows: IntArray) -> tuple[IntArray, IntArray]:
        """Return the pairs of these needs that may be feasible, each once."""
        skills, width = self.needs.skills[rows], max(len(self.offers), 1)
        keys = [np.empty(0, np.int64)]
        for skill in np.unique(skills[skills >= 0]):
            asking = rows[(skills == skill).any(axis=1)]
            keys += [i * width + j for i, j in self._of_skill(int(skill), asking)]
        unique = np.unique(np.concatenate(keys))
        unique = unique[~np.isin(unique, self.banned)]
        return unique // width, unique % width

    def _of_skill(self, skill: int, asking: IntArray) -> list[tuple[IntArray, IntArray]]:
        placed, tree, remote = self._bucket(skill)
        needs, found = self.needs, []
        on_site = asking[np.isfinite(needs.lat[asking]) & (needs.places[asking] & ON_SITE > 0)]
        if tree is not None and len(on_site):
            near = tree.query_ball_point(needs.point[on_site], needs.radius_km[on_site] + MARGIN_KM)
            counts = np.fromiter((len(hits) for hits in near), np.int64, len(near))
            hits = np.fromiter((hit for group in near for hit in group), np.int64, int(counts.sum()))
            found.append((np.repeat(on_site, counts), placed[hits]))
        far = asking[needs.places[asking] & REMOTE > 0]
        found.append((np.repeat(far, len(remote)), np.tile(remote, len(far))))
        return found

    def _bucket(self, skill: int) -> tuple[IntArray, cKDTree | None, IntArray]:
        if skill not in self.buckets:
            skills = self.offers.skills
            offers_near = ((skills >= 0) & self.near[skill][skills]).any(axis=1)
            placed = np.flatnonzero(offers_near & self.placed)
            tree = cKDTree(self.offers.point[placed]) if len(placed) else None
            self.buckets[skill] = (placed, tree, np.flatnonzero(offers_near & self.remote))
        return self.buckets[skill]


def in_reach(needs: Needs, offers: Offers, policy: Policy) -> IntArray:
    """Return the rows of the offers with a free place that some of the needs may reach, and some beyond.

    By skill, and by the box around the needs, as wide as they go; those that teach remotely are everywhere.
    O(n).
    """
    wanted = np.unique(needs.skills[needs.skills >= 0])
    near: BoolArray = np.any((policy.similarity() >= policy.skill_floor)[wanted], axis=0)
    fits = ((offers.skills >= 0) & near[offers.skills]).any(axis=1) & (offers.capacity > 0)
    remote = offers.places & REMOTE > 0
    placed = np.isfinite(needs.lat)
    if not placed.any():
        return np.flatnonzero(fits & remote)
    margin = needs.radius_km[placed].max() + MARGIN_KM
    low, high = needs.point[placed].min(axis=0) - margin, needs.point[placed].max(axis=0) + margin
    inside = ((offers.point >= low) & (offers.point <= high)).all(axis=1)  # NaN is nowhere
    return np.flatnonzero(fits & (remote | inside))
