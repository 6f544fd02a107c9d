"""Temporary stand-in so that the rest can run; replaced by the library."""
# ruff: noqa
from __future__ import annotations
from dataclasses import dataclass, field
from time import perf_counter
import numpy as np
from scipy.optimize import linear_sum_assignment

VERSION = "stand-in"
W = {"skill": .45, "level": .1, "distance": .25, "sector": .05, "availability": .05, "waiting": .1}

@dataclass(frozen=True)
class Needs:
    id: object; organisation: object; skills: object; level: object; lat: object; lon: object; radius_km: object
    places: object; availability: object; sector: object; avoid_competitors: object; competitor_radius_km: object
    waiting_days: object; urgency: object

@dataclass(frozen=True)
class Offers:
    id: object; organisation: object; skills: object; level: object; lat: object; lon: object; radius_km: object
    places: object; availability: object; sector: object; avoid_competitors: object; competitor_radius_km: object
    capacity: object

@dataclass(frozen=True)
class SkillGraph:
    matrix: object
    @classmethod
    def from_lists(cls, domain, related):
        d = np.asarray(domain); m = np.where(d[:, None] == d[None, :], .5, 0.)
        for a, b in related: m[a, b] = m[b, a] = .7
        np.fill_diagonal(m, 1); return cls(m)

@dataclass(frozen=True)
class SectorTree:
    paths: object
    @classmethod
    def from_parents(cls, parents):
        paths = []
        for i in range(len(parents)):
            p = [i]
            while parents[p[-1]] >= 0: p.append(parents[p[-1]])
            paths.append(tuple(reversed(p)))
        return cls(paths)

@dataclass(frozen=True)
class Policy:
    weights: object; skills: object; sectors: object
    @classmethod
    def from_mapping(cls, overrides, *, skills, sectors): return cls(dict(W), skills, sectors)
    def to_mapping(self): return {"version": VERSION, "weights": self.weights}

@dataclass(frozen=True)
class Edges:
    need: object; offer: object; distance_km: object; weight: object

@dataclass(frozen=True)
class Part:
    criterion: str; value: float; weight: float; share: float

@dataclass(frozen=True)
class Explanation:
    score: float; distance_km: float; remote: bool; parts: tuple; need_skill: int; offer_skill: int; excluded_by: tuple

@dataclass(frozen=True)
class Plan:
    edges: Edges; circles: list; matched: object; figures: dict

def geodesic_km(lat, lon, lat2, lon2):
    a, b, c, d = map(np.radians, (lat, lon, lat2, lon2))
    h = np.sin((c - a) / 2) ** 2 + np.cos(a) * np.cos(c) * np.sin((d - b) / 2) ** 2
    return 2 * 6371.0088 * np.arcsin(np.sqrt(h))
great_circle_km = geodesic_km

def explain(needs, i, offers, j, policy):
    best = (0., -1, -1)
    for a, s in enumerate(needs.skills[i]):
        for b, t in enumerate(offers.skills[j]):
            if s >= 0 and t >= 0:
                v = policy.skills.matrix[s, t] * (1 if a == 0 else .9) * (1 if b == 0 else .9)
                if v > best[0]: best = (v, int(s), int(t))
    km = float(geodesic_km(needs.lat[i], needs.lon[i], offers.lat[j], offers.lon[j]))
    broken = []
    if needs.organisation[i] == offers.organisation[j]: broken.append("organisation")
    if best[0] < .4: broken.append("skill")
    gap = int(offers.level[j] - needs.level[i])
    if gap < -1: broken.append("level")
    common = int(needs.places[i]) & int(offers.places[j])
    if not common: broken.append("places")
    r = min(needs.radius_km[i], offers.radius_km[j])
    near = km <= r and common & 3
    if common and not near and not common & 4: broken.append("radius")
    p, q = policy.sectors.paths[needs.sector[i]], policy.sectors.paths[offers.sector[j]]
    shared = sum(x == y for x, y in zip(p, q))
    cr = max(needs.competitor_radius_km[i] if needs.avoid_competitors[i] else -1, offers.competitor_radius_km[j] if offers.avoid_competitors[j] else -1)
    if shared >= 4 and km <= cr: broken.append("competitor")
    remote = not near
    v = {"skill": best[0], "level": 1. if gap >= 0 else .5, "distance": .3 if remote else 1 - km / (r or 1) * .9, "sector": shared / 5,
         "availability": 1. if not needs.availability[i] or not offers.availability[j] else (.0 if not int(needs.availability[i]) & int(offers.availability[j]) else 1.),
         "waiting": min(float(needs.waiting_days[i]) / 90, 1)}
    score = sum(W[k] * v[k] for k in W)
    parts = tuple(Part(k, v[k], W[k], W[k] * v[k] / score) for k in W)
    return Explanation(score, km, bool(remote), parts, best[1], best[2], tuple(broken))

def find_candidates(needs, offers, policy, *, top_k=30, excluded=None):
    out = []; no = set(zip(*(x.tolist() for x in excluded))) if excluded else set()
    for i in range(len(needs.id)):
        mine = []
        for j in range(len(offers.id)):
            if policy.skills.matrix[needs.skills[i, 0], offers.skills[j, 0]] == 0 and max(needs.skills[i, 1], offers.skills[j, 1]) < 0: continue
            if (i, j) in no or offers.capacity[j] < 1: continue
            e = explain(needs, i, offers, j, policy)
            if not e.excluded_by: mine.append((-e.score, j, e))
        out += [(i, j, e.distance_km, e.score) for _, j, e in sorted(mine, key=lambda t: t[:2])[:top_k]]
    n, o, d, w = (np.array(c) for c in zip(*out)) if out else (np.empty(0, int), np.empty(0, int), np.empty(0), np.empty(0))
    return Edges(n, o, d, w)

def plan_round(needs, offers, policy, *, excluded=None, objective="weight", top_k=30, on_step=None):
    t = perf_counter(); e = find_candidates(needs, offers, policy, excluded=excluded, top_k=top_k)
    slots = [j for j, c in enumerate(offers.capacity) for _ in range(c)]
    m = np.zeros((len(needs.id), len(slots))); idx = {(a, b): k for k, (a, b) in enumerate(zip(e.need, e.offer))}
    for s, j in enumerate(slots):
        for (a, b), k in idx.items():
            if b == j: m[a, s] = e.weight[k]
    r, c = linear_sum_assignment(-m)
    matched = [idx[a, slots[s]] for a, s in zip(r, c) if m[a, s] > 0]
    by_pair = {}
    for k in matched: by_pair[(offers.organisation[e.offer[k]], needs.organisation[e.need[k]])] = k
    circles = []; seen = set()
    for (a, b), k in by_pair.items():
        if (b, a) in by_pair and not {a, b} & seen: circles.append((k, by_pair[b, a])); seen |= {a, b}
    w = float(e.weight[matched].sum()) if matched else 0.
    return Plan(e, circles, np.array(matched, int), dict(needs=len(needs.id), offers=len(offers.id), edges=len(e.need), matched=len(matched), circles=len(circles), total_weight=w, greedy_weight=w, greedy_matched=len(matched), first_come_weight=w, first_come_matched=len(matched), seconds={"match": perf_counter() - t}))
