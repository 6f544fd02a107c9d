"""The matcher: a library of its own on numpy and scipy. Arrays in, arrays out; no clock, no randomness.

Needs and offers are the two sides of a bipartite graph. find_candidates() draws its edges, score_edges()
weighs them, assign() finds a maximum-weight b-matching, pack_circles() packs exchange circles, plan_round()
does all of it, explain() tells why. docs/matching.md gives the model and its sources.
"""

from marketplace.matching.alternatives import Alternatives, alternatives
from marketplace.matching.arrays import Edges, Needs, Offers
from marketplace.matching.assignment import assign, verify
from marketplace.matching.baselines import first_come, greedy
from marketplace.matching.board import Board
from marketplace.matching.candidates import find_candidates
from marketplace.matching.circles import Packing, pack_circles, pack_circles_within
from marketplace.matching.distance import geodesic_km, great_circle_km
from marketplace.matching.explanation import Explanation, Part, explain, explain_pairs
from marketplace.matching.losses import Prices, losses, prices
from marketplace.matching.planning import Plan, plan_round
from marketplace.matching.policy import Policy
from marketplace.matching.ranking import best_first, feasible
from marketplace.matching.scoring import CRITERIA, Components, score_edges
from marketplace.matching.sectors import SectorTree
from marketplace.matching.skills import SkillGraph

__all__ = [
    "CRITERIA",
    "Alternatives",
    "Board",
    "Components",
    "Edges",
    "Explanation",
    "Needs",
    "Offers",
    "Packing",
    "Part",
    "Plan",
    "Policy",
    "Prices",
    "SectorTree",
    "SkillGraph",
    "alternatives",
    "assign",
    "best_first",
    "explain",
    "explain_pairs",
    "feasible",
    "find_candidates",
    "first_come",
    "geodesic_km",
    "great_circle_km",
    "greedy",
    "losses",
    "pack_circles",
    "pack_circles_within",
    "plan_round",
    "prices",
    "score_edges",
    "verify",
]
