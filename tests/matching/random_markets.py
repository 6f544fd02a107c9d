"""Random small markets with all that a listing may say, and policies to judge them by."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from marketplace.matching import Explanation, Needs, Offers, Policy, SectorTree, SkillGraph, explain

# Two domains of three skills, two pairs of related skills.
SKILLS = SkillGraph.from_lists([0, 0, 0, 1, 1, 1], [(0, 1), (2, 3)])
# Two sections; in the first, down to three subclasses of two classes.
SECTORS = SectorTree.from_parents([-1, 0, 1, 2, 3, 3, 2, 6, -1])
IDS = 1_000


@dataclass(frozen=True, slots=True)
class Market:
    needs: Needs
    offers: Offers
    policy: Policy
    banned: tuple[np.ndarray, np.ndarray]

    def shuffled(self, random: np.random.Generator) -> "Market":
        """Return the same market with its rows in another order."""
        needs, offers = random.permutation(len(self.needs)), random.permutation(len(self.offers))
        banned = np.argsort(needs)[self.banned[0]], np.argsort(offers)[self.banned[1]]
        return Market(self.needs.take(needs), self.offers.take(offers), self.policy, banned)

    def ids(self, need: np.ndarray, offer: np.ndarray) -> list[tuple[int, int]]:
        return list(zip(self.needs.id[need].tolist(), self.offers.id[offer].tolist(), strict=True))

    def feasible(self) -> dict[tuple[int, int], Explanation]:
        """Return what explain() says of all pairs that may be proposed."""
        banned = set(zip(*(rows.tolist() for rows in self.banned), strict=True))
        told = {
            (i, j): explain(self.needs, i, self.offers, j, self.policy)
            for i in range(len(self.needs))
            for j in range(len(self.offers))
            if (i, j) not in banned and self.offers.capacity[j] > 0
        }
        return {pair: one for pair, one in told.items() if not one.excluded_by}


@st.composite
def markets(draw: st.DrawFn, *, most: int = 12, **columns: Any) -> Market:
    """Draw a market of at most `most` needs and offers; `columns`: what all its listings share."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    n_needs, n_offers = draw(st.integers(0, most)), draw(st.integers(0, most))
    # Few places: many pairs share a point, many are near a limit.
    places = _points(random, draw(st.integers(1, 4)))
    needs = {**_listings(random, n_needs, places), "waiting_days": random.uniform(0, 120, n_needs)}
    offers = {**_listings(random, n_offers, places), "capacity": random.integers(0, 4, n_offers)}
    needs["urgency"] = random.integers(1, 4, n_needs)
    pairs = draw(st.integers(0, 3)) if n_needs and n_offers else 0
    return Market(
        needs=Needs(**{name: _shared(columns, name, column) for name, column in needs.items()}),
        offers=Offers(**{name: _shared(columns, name, column) for name, column in offers.items()}),
        policy=draw(policies()),
        banned=(random.integers(0, max(n_needs, 1), pairs), random.integers(0, max(n_offers, 1), pairs)),
    )


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    return Policy(
        skills=SKILLS,
        sectors=SECTORS,
        related_skill=draw(st.sampled_from([0.5, 0.7, 0.9])),
        same_domain=draw(st.sampled_from([0.0, 0.4, 0.6])),
        extra_skill_factor=draw(st.sampled_from([0.5, 0.9, 1.0])),
        skill_floor=draw(st.sampled_from([0.3, 0.5, 0.63, 1.0])),
        level_gap=draw(st.integers(0, 3)),
        half_distance_km=draw(st.sampled_from([2.0, 15.0, 100.0])),
        remote_value=draw(st.sampled_from([0.1, 0.5, 0.9])),
        circle_bonus=draw(st.sampled_from([0.0, 0.1, 0.5])),
        circle_max_length=draw(st.integers(2, 4)),
        circle_max_loss=draw(st.sampled_from([0.0, 0.02, 0.2])),
    )


def _shared(columns: dict[str, Any], name: str, column: np.ndarray) -> np.ndarray:
    return np.full_like(column, columns[name]) if name in columns else column


def _points(random: np.random.Generator, n: int) -> np.ndarray:
    """Return points within some kilometres, a few astride the antimeridian, and one that is no point."""
    centre = [(48.1, -1.7), (-16.8, 180.0), (89.9, 0.0)][random.integers(0, 8) % 3 if n > 2 else 0]
    lat = np.clip(centre[0] + random.uniform(-0.3, 0.3, n), -90, 90)
    lon = (centre[1] + random.uniform(-0.4, 0.4, n) + 180) % 360 - 180
    return np.vstack((np.column_stack((lat, lon)), [[np.nan, np.nan]]))


def _listings(random: np.random.Generator, n: int, points: np.ndarray) -> dict[str, np.ndarray]:
    point = points[random.integers(0, len(points), n)]
    skills = random.integers(0, len(SKILLS), (n, 3))
    skills[:, 1:][random.random((n, 2)) < 0.5] = -1
    return {
        "id": random.permutation(IDS)[:n],
        "organisation": random.integers(0, max(n // 2, 2), n),
        "skills": skills,
        "level": random.integers(1, 5, n),
        "lat": point[:, 0],
        "lon": point[:, 1],
        "radius_km": random.choice([0.0, 5.0, 20.0, 60.0], n),
        "places": random.integers(1, 8, n),
        "availability": random.choice([0, 0b11, 0b110, 0b1111], n),
        "sector": random.integers(0, len(SECTORS), n),
        "avoid_competitors": random.random(n) < 0.3,
        "competitor_radius_km": random.choice([0.0, 10.0], n),
    }
