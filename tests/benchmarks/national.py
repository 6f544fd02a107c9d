"""A national market to measure on: listings in the real communes, with the real skills and sectors.

The same arguments make the same market.
"""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketplace.matching import Needs, Offers, Policy, SectorTree, SkillGraph

SEED = 20_260_101
SEEDS = Path(__file__).parents[2] / "seeds"
RADII_KM = (5, 10, 20, 30, 60)
SKILLS_PER_LISTING, SKILLS_SHARES = (1, 2, 3), (0.7, 0.2, 0.1)
SKILL_EXPONENT, SECTOR_EXPONENT = 0.9, 0.9
# Places: at the helper's, at the learner's, both, and the same with a remote exchange.
PLACES, PLACES_SHARES = (1, 2, 3, 5, 6, 7), (0.25, 0.25, 0.35, 0.05, 0.05, 0.05)
CAPACITIES, CAPACITIES_SHARES = (1, 2, 3), (0.6, 0.3, 0.1)
HALF_DAYS = 14


@dataclass(frozen=True, slots=True)
class Market:
    needs: Needs
    offers: Offers
    policy: Policy


def market(n_needs: int, n_offers: int, *, firms: int = 0) -> Market:
    """Return a market of this size. `firms`: each has one need and one offer, at one place, if given."""
    random = np.random.default_rng((SEED, n_needs, n_offers, firms))
    policy = reference_policy()
    size = max(n_needs, n_offers)
    commune, sector = _communes(random, size), _sectors(random, size, policy)
    needs = _listings(random, policy, commune[:n_needs], sector[:n_needs], first_id=1)
    if not firms:
        commune, sector = _communes(random, size), _sectors(random, size, policy)
    offers = _listings(random, policy, commune[:n_offers], sector[:n_offers], first_id=n_needs + 1)
    owners = np.arange(n_offers) if firms else np.arange(n_needs, n_needs + n_offers)
    return Market(
        needs=Needs(
            **needs,
            organisation=np.arange(n_needs),
            waiting_days=random.uniform(0, 90, n_needs),
            urgency=random.integers(1, 4, n_needs),
        ),
        offers=Offers(
            **offers,
            organisation=owners,
            capacity=random.choice(CAPACITIES, n_offers, p=CAPACITIES_SHARES),
        ),
        policy=policy,
    )


@cache
def reference_policy() -> Policy:
    """Return the default policy over the skills and sectors of the site."""
    return Policy(skills=_skill_graph(), sectors=SectorTree.from_parents(_naf_parents()))


def rows_of(name: str) -> list[dict[str, str]]:
    with (SEEDS / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter=";"))


def _skill_graph() -> SkillGraph:
    rows = rows_of("skills.csv")
    number = {row["slug"]: index for index, row in enumerate(rows)}
    domains = {name: index for index, name in enumerate(dict.fromkeys(row["domain"] for row in rows))}
    related = [
        (number[row["slug"]], number[other]) for row in rows for other in row["related"].split("|") if other
    ]
    return SkillGraph.from_lists([domains[row["domain"]] for row in rows], related)


def _naf_parents() -> list[int]:
    rows = rows_of("naf.csv")
    number = {row["code"]: index for index, row in enumerate(rows)}
    return [number.get(row["parent"], -1) for row in rows]


@cache
def _places() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rows = [row for row in rows_of("communes.csv") if row["lat"]]
    population = np.array([float(row["population"] or 0) for row in rows])
    point = np.array([(float(row["lat"]), float(row["lon"])) for row in rows])
    return point, population / population.sum()


def _communes(random: np.random.Generator, n: int) -> NDArray[np.float64]:
    point, share = _places()
    return point[random.choice(len(point), n, p=share)]


def _sectors(random: np.random.Generator, n: int, policy: Policy) -> NDArray[np.int64]:
    leaves = np.flatnonzero(policy.sectors.path[:, -1] >= 0)
    return random.permutation(leaves)[random.choice(len(leaves), n, p=_zipf(len(leaves), SECTOR_EXPONENT))]


def _listings(
    random: np.random.Generator,
    policy: Policy,
    point: NDArray[np.float64],
    sector: NDArray[np.int64],
    *,
    first_id: int,
) -> dict[str, Any]:
    n = len(point)
    return {
        "id": np.arange(first_id, first_id + n),
        "skills": _skills(random, n, len(policy.skills)),
        "level": random.integers(1, 5, n),
        "lat": point[:, 0],
        "lon": point[:, 1],
        "radius_km": random.choice(np.array(RADII_KM, np.float64), n),
        "places": random.choice(PLACES, n, p=PLACES_SHARES),
        "availability": np.where(random.random(n) < 0.3, 0, random.integers(1, 1 << HALF_DAYS, n)),
        "sector": sector,
        "avoid_competitors": random.random(n) < 0.2,
        "competitor_radius_km": np.full(n, 10.0),
    }


def _skills(random: np.random.Generator, n: int, size: int) -> NDArray[np.int64]:
    """Return the main skill and up to two more, each once, −1 for none."""
    skills = random.choice(size, (n, max(SKILLS_PER_LISTING)), p=_zipf(size, SKILL_EXPONENT))
    known = random.choice(SKILLS_PER_LISTING, n, p=SKILLS_SHARES)
    skills[np.arange(max(SKILLS_PER_LISTING)) >= known[:, None]] = -1
    for column in range(1, skills.shape[1]):
        repeats = (skills[:, :column] == skills[:, column : column + 1]).any(axis=1)
        skills[repeats, column] = -1
    return skills


def _zipf(n: int, exponent: float) -> NDArray[np.float64]:
    share = np.arange(1, n + 1, dtype=np.float64) ** -exponent
    return share / share.sum()
