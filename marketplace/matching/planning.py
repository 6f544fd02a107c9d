"""A whole round."""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from marketplace.matching.arrays import Edges, Needs, Offers
from marketplace.matching.assignment import assign
from marketplace.matching.baselines import first_come, greedy
from marketplace.matching.candidates import find_candidates
from marketplace.matching.circles import pack_circles
from marketplace.matching.policy import Policy
from marketplace.matching.validation import IntArray


@dataclass(frozen=True, slots=True)
class Plan:
    edges: Edges
    circles: list[tuple[int, ...]]
    matched: IntArray
    figures: dict[str, Any]


def plan_round(
    needs: Needs, offers: Offers, policy: Policy, *, excluded: tuple[ArrayLike, ArrayLike] | None = None,
    objective: str = "weight", top_k: int = 30, on_step: Callable[[str, float], None] | None = None,
) -> Plan:
    start = perf_counter()
    edges = find_candidates(needs, offers, policy, excluded=excluded, top_k=top_k)
    index = {pair: e for e, pair in enumerate(zip(edges.need.tolist(), edges.offer.tolist(), strict=True))}
    found = assign(edges.need, edges.offer, edges.weight, len(needs), offers.capacity, objective=objective)
    matched = np.array([index[i, j] for i, j in enumerate(found.tolist()) if j >= 0], np.int64)
    pair = {
        (int(offers.organisation[edges.offer[e]]), int(needs.organisation[edges.need[e]])): e for e in matched.tolist()
    }
    firms = sorted({f for p in pair for f in p})
    row = {f: r for r, f in enumerate(firms)}
    cycles = pack_circles([row[a] for a, _ in pair], [row[b] for _, b in pair], [1.0] * len(pair), len(firms))
    circles = [
        tuple(pair[firms[c[k]], firms[c[(k + 1) % len(c)]]] for k in range(len(c))) for c in cycles
    ]
    simple = {"greedy": greedy(edges, len(needs), offers.capacity), "first_come": first_come(edges, len(needs), offers.capacity)}
    figures: dict[str, Any] = {
        "needs": len(needs), "offers": len(offers), "edges": len(edges), "matched": len(matched), "circles": len(circles),
        "total_weight": float(edges.weight[matched].sum()),
    }
    for name, taken in simple.items():
        rows = [index[i, j] for i, j in enumerate(taken.tolist()) if j >= 0]
        figures |= {f"{name}_weight": float(edges.weight[rows].sum()), f"{name}_matched": len(rows)}
    return Plan(edges, circles, matched, figures | {"seconds": {"match": perf_counter() - start}})
