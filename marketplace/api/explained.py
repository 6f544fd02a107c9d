"""Scores, exclusions and situations in numbers and in the French words of the pages."""

import math
from dataclasses import replace
from typing import Any

from flask import current_app
from markupsafe import Markup

from marketplace.api.schemas import BrokenRule, ChangeName, ChangeOut, PairOut, PartOut, SituationOut
from marketplace.api.shown import PLACES, to_the_km
from marketplace.models import Listing, Place, Skill
from marketplace.services.explanations import Why
from marketplace.services.listings import places_left
from marketplace.services.market import Exclusion, Part, Reasons

# As many as the pages show: more would tell a distance to the metre.
DIGITS = 2


def pair(need: Listing, offer: Listing, why: Reasons | Exclusion) -> PairOut:
    if isinstance(why, Exclusion):
        return PairOut(
            need=need.id,
            offer=offer.id,
            fits=False,
            score=None,
            distance_km=to_the_km(why.distance_km),
            remote=None,
            parts=[],
            excluded_by=[_broken(why, rule) for rule in why.rules],
        )
    return PairOut(
        need=need.id,
        offer=offer.id,
        fits=True,
        score=round(why.score, DIGITS),
        distance_km=to_the_km(why.distance_km),
        remote=why.remote,
        parts=[_part(why, part) for part in why.parts],
        excluded_by=[],
    )


def situation(why: Why) -> SituationOut:
    """Return what a need finds now. One that is in relation already looks for nobody else."""
    now, words = why.now, _words("api/situation.html")
    name = now.obstacle if places_left(why.need) > 0 else "matched"
    return SituationOut(
        need=why.need.id,
        situation=name,
        text=_plain(words.obstacle(name, why)),
        fitting=now.fitting,
        full=now.full,
        nearest_out_of_reach_km=None if math.isnan(now.nearest_km) else round(now.nearest_km),
        changes=_changes(why, words),
    )


def _changes(why: Why, words: Any) -> list[ChangeOut]:
    now = why.now
    return [
        *(_change("radius", step.value, step.offers, words.radius(why, step)) for step in now.radius),
        *([_change("remote", None, now.remote, words.remote(now.remote))] if now.remote else []),
        *(_change("place", PLACES[Place(step.value)], step.offers, words.place(step)) for step in now.places),
        *(_change("level", step.value, step.offers, words.level(step)) for step in now.level),
        *(_with_skill(why.skills[step.value], step, words) for step in now.skills),
        *(
            [_change("competitors", None, now.competitors, words.competitors(now.competitors))]
            if now.competitors
            else []
        ),
    ]


def _with_skill(skill: Skill, step: Any, words: Any) -> ChangeOut:
    return _change("skill", skill.slug, step.offers, words.skill(skill.label, step))


def _change(change: ChangeName, value: str | int | None, offers: int, text: Markup) -> ChangeOut:
    return ChangeOut(change=change, value=value, offers=offers, text=_plain(text))


def _part(why: Reasons, part: Part) -> PartOut:
    words = _words("components/match.html")
    return PartOut(
        criterion=part.criterion,
        label=words.CRITERIA[part.criterion],
        value=round(part.value, DIGITS),
        weight=round(part.weight, DIGITS),
        share=round(part.share, DIGITS),
        text=_plain(words.said(why, part)),
    )


def _broken(why: Exclusion, rule: str) -> BrokenRule:
    words = _words("components/match.html")
    return BrokenRule(rule=rule, text=_plain(words.exclusion(replace(why, rules=(rule,)))))


def _words(template: str) -> Any:
    """Return the macros that say it on the pages."""
    return current_app.jinja_env.get_template(template).module


def _plain(html: Markup) -> str:
    return html.unescape().replace("\u00a0", " ").strip()
