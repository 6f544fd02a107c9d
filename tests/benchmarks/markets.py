"""Markets of any size to measure the matcher on, of two unlike kinds; the same arguments make the same
market."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

SEED = 20_260_101
TOP_K = 30
COUNTRY_KM, TOWN_KM = 1000.0, 25.0
COMMUNES, CENTRES = 35_000, 250
CAPACITIES, CAPACITY_SHARES = (1, 2, 3), (0.6, 0.3, 0.1)
SKILLS, SKILLS_PER_DOMAIN = 60, 6
# Of two skills of a domain, by how far apart their rows are; the domain closes to a ring.
SIMILARITY = np.array([1.0, 0.7, 0.5, 0.0, 0.5, 0.7])
HALF_DISTANCE_KM = 15.0
RADII_KM = (5, 10, 20, 40, 60)
# Pairs looked at in one go: bounds the memory.
BLOCK = 2_000


@dataclass(frozen=True, slots=True)
class Market:
    """Shuffled edges between `n_needs` needs and the offers of `capacity`."""

    need: IntArray
    offer: IntArray
    weight: FloatArray
    n_needs: int
    capacity: IntArray


def clustered(n_needs: int, n_offers: int) -> Market:
    """Listings of 60 skills in communes around towns of very unequal size; the best 30 offers of each need.

    Score: half the skill (the same 1, its neighbours 0.7 and 0.5), 0.3 nearness, 0.1 sector, 0.1 level.
    One listing in ten can also do it remotely, which joins all places.
    """
    random = np.random.default_rng((SEED, n_needs, n_offers))
    communes = _communes(random)
    needs, offers = _listings(random, communes, n_needs), _listings(random, communes, n_offers)
    rows = [rows for skill in range(SKILLS) for rows in _edges_of_skill(needs, offers, skill)]
    return _shuffled(random, rows, n_needs, n_offers)


def spatial(n_needs: int, n_offers: int) -> Market:
    """Points thrown evenly on a square; each need sees its 30 nearest offers, and likes them at random."""
    random = np.random.default_rng((SEED, n_needs, n_offers))
    degree = min(TOP_K, n_offers)
    side = np.sqrt(n_needs)
    _, near = cKDTree(random.random((n_offers, 2)) * side).query(random.random((n_needs, 2)) * side, k=degree)
    need = np.repeat(np.arange(n_needs), degree)
    weight = 1.0 - random.random(n_needs * degree)  # in (0, 1]
    return _shuffled(random, [(need, near.reshape(-1).astype(np.int64), weight)], n_needs, n_offers)


@dataclass(frozen=True, slots=True)
class _Listings:
    point: FloatArray
    skill: IntArray
    radius: FloatArray
    sector: IntArray
    level: IntArray
    remote: NDArray[np.bool_]


def _communes(random: np.random.Generator) -> FloatArray:
    towns = random.random((CENTRES, 2)) * COUNTRY_KM
    town = random.choice(CENTRES, COMMUNES, p=_zipf(CENTRES, 0.8))
    return towns[town] + random.normal(0.0, TOWN_KM, (COMMUNES, 2))


def _listings(random: np.random.Generator, communes: FloatArray, n: int) -> _Listings:
    return _Listings(
        point=communes[random.integers(0, COMMUNES, n)],
        skill=random.choice(SKILLS, n, p=_zipf(SKILLS, 0.9)),
        radius=random.choice(np.array(RADII_KM, np.float64), n),
        sector=random.integers(0, 20, n),
        level=random.integers(1, 5, n),
        remote=random.random(n) < 0.1,
    )


def _zipf(n: int, exponent: float) -> FloatArray:
    share = np.arange(1, n + 1, dtype=np.float64) ** -exponent
    return share / share.sum()


def _edges_of_skill(
    needs: _Listings, offers: _Listings, skill: int
) -> Iterator[tuple[IntArray, IntArray, FloatArray]]:
    """Yield the edges of the needs of one skill, block by block."""
    mine = np.flatnonzero(needs.skill == skill)
    same_domain = offers.skill // SKILLS_PER_DOMAIN == skill // SKILLS_PER_DOMAIN
    theirs = np.flatnonzero(same_domain & (SIMILARITY[np.abs(offers.skill - skill) % SKILLS_PER_DOMAIN] > 0))
    if not len(theirs):
        return
    tree = cKDTree(offers.point[theirs])
    remote = theirs[offers.remote[theirs]]
    for start in range(0, len(mine), BLOCK):
        block = mine[start : start + BLOCK]
        around = tree.query_ball_point(needs.point[block], needs.radius[block])
        counts = np.array([len(hits) for hits in around], np.int64)
        hits = np.fromiter(chain.from_iterable(around), np.int64, int(counts.sum()))
        far = block[needs.remote[block]]
        near = _scored(needs, offers, np.repeat(block, counts), theirs[hits], near=True)
        online = _scored(needs, offers, np.repeat(far, len(remote)), np.tile(remote, len(far)), near=False)
        yield _best(*(np.concatenate(columns) for columns in zip(near, online, strict=True)))


def _scored(
    needs: _Listings, offers: _Listings, need: IntArray, offer: IntArray, *, near: bool
) -> tuple[IntArray, IntArray, FloatArray]:
    """Return the pairs that are near enough, or those that are not, with their scores."""
    km = np.hypot(*(needs.point[need] - offers.point[offer]).T)
    kept = np.flatnonzero((km <= np.minimum(needs.radius[need], offers.radius[offer])) == near)
    need, offer, km = need[kept], offer[kept], km[kept]
    remote = needs.remote[need] & offers.remote[offer]
    nearness = np.maximum(np.exp2(-km / HALF_DISTANCE_KM) if near else 0.0, np.where(remote, 0.5, 0.0))
    skill = SIMILARITY[np.abs(needs.skill[need] - offers.skill[offer])]
    sector = needs.sector[need] == offers.sector[offer]
    level = 1.0 - np.abs(needs.level[need] - offers.level[offer]) / 4
    return need, offer, 0.5 * skill + 0.3 * nearness + 0.1 * sector + 0.1 * level


def _best(need: IntArray, offer: IntArray, weight: FloatArray) -> tuple[IntArray, IntArray, FloatArray]:
    """Return the best TOP_K edges of each need."""
    order = np.argsort(need - weight / 2, kind="stable")  # weights are at most 1: needs stay apart
    need, offer, weight = need[order], offer[order], weight[order]
    rank = np.arange(len(need)) - np.searchsorted(need, need)
    return need[rank < TOP_K], offer[rank < TOP_K], weight[rank < TOP_K]


def _shuffled(
    random: np.random.Generator,
    rows: list[tuple[IntArray, IntArray, FloatArray]],
    n_needs: int,
    n_offers: int,
) -> Market:
    need, offer, weight = (np.concatenate(column) for column in zip(*rows, strict=True))
    order = random.permutation(len(need))
    capacity = random.choice(np.array(CAPACITIES), n_offers, p=CAPACITY_SHARES)
    return Market(need[order], offer[order], weight[order], n_needs, capacity)
