"""A territory's own settings, its logo, its opening, and the structures that it trusts."""

from dataclasses import replace

import pytest
from sqlalchemy import select

from marketplace.extensions import db
from marketplace.models import (
    AuditEntry,
    DecisionAction,
    DecisionGround,
    ListingKind,
    ListingState,
    ModerationDecision,
    ModerationMode,
    Territory,
    TerritoryInvitation,
)
from marketplace.services import flyers, listings, territories
from marketplace.services.errors import FieldError, NotAllowed, NotFound
from marketplace.services.flyers import FlyerText
from marketplace.services.territories import Partner, Settings
from tests.support import pictures
from tests.support.builders import LIFFRE_CORMIER, RENNES_METROPOLE

SETTINGS = Settings(
    moderation_mode=ModerationMode.AFTER,
    trusted_after=3,
    default_radius_km=15,
    welcome_text="Bienvenue !",
    charter="Soyez aimables.",
    contact="numerique@epci.example",
    partners=(Partner("Chambre de métiers", "https://cma.example/aide?x=1#y"),),
)


@pytest.fixture
def head(market):
    market.open_territory(mode=ModerationMode.BEFORE)
    return market.head()


def territory():
    db.session.rollback()
    return db.session.get(Territory, RENNES_METROPOLE)


def audit_lines():
    return list(db.session.scalars(select(AuditEntry).order_by(AuditEntry.id)))


# ---- settings ----


def test_the_head_changes_what_the_territory_says_and_decides(market, head, outbox):
    other = market.head()
    territories.change_settings(RENNES_METROPOLE, SETTINGS, by=head)
    assert (territory().trusted_after, territory().charter) == (3, "Soyez aimables.")
    assert territories.partners_of(territory()) == list(SETTINGS.partners)
    (line,) = audit_lines()
    assert line.action == "territory.settings_changed"
    assert (line.before["default_radius_km"], line.after["default_radius_km"]) == (20, 15)
    assert "la charte" in outbox.last(to=other.email).text
    assert outbox.to(head.email) == []


def test_only_what_changed_is_told(market, head, outbox):
    territories.change_settings(RENNES_METROPOLE, SETTINGS, by=head)
    territories.change_settings(RENNES_METROPOLE, replace(SETTINGS, charter="Autre."), by=head)
    assert audit_lines()[-1].after == {"charter": "Autre."}


def test_the_same_settings_again_leave_no_trace(head):
    for _ in range(2):
        territories.change_settings(RENNES_METROPOLE, SETTINGS, by=head)
    assert len(audit_lines()) == 1


@pytest.mark.parametrize(
    ("label", "url"),
    [
        ("CMA", "http://cma.example"),
        ("CMA", "javascript:alert(1)"),
        ("CMA", "https://"),
        ("CMA", "https://localhost"),
        ("CMA", "https://user:secret@cma.example"),
        ("CMA", "https://cma.example:8443/"),
        ("CMA", "https://cma.example/\\evil"),
        ("CMA", "https://cma.example/é"),
        ("CMA", "https://[::1/"),
        ("CMA", "https://cma.example/" + "x" * 300),
        ("", "https://cma.example"),
        ("x" * 81, "https://cma.example"),
    ],
)
def test_a_link_that_no_page_should_show_is_refused(head, label, url):
    with pytest.raises(FieldError, match="partners"):
        territories.change_settings(
            RENNES_METROPOLE, replace(SETTINGS, partners=(Partner(label, url),)), by=head
        )
    assert (territory().partners, audit_lines()) == ([], [])


def test_there_are_eight_partners_at_most(head):
    nine = SETTINGS.partners * 9
    with pytest.raises(FieldError, match="8 liens"):
        territories.change_settings(RENNES_METROPOLE, replace(SETTINGS, partners=nine), by=head)


ACTS = [
    lambda by: territories.change_settings(RENNES_METROPOLE, SETTINGS, by=by),
    lambda by: territories.set_logo(RENNES_METROPOLE, pictures.png(), by=by),
    lambda by: territories.remove_logo(RENNES_METROPOLE, by=by),
    lambda by: territories.for_head(RENNES_METROPOLE, by=by),
]


@pytest.mark.parametrize("act", ACTS)
def test_nobody_but_the_head_and_the_administrator_sets_a_territory(market, head, act):
    for stranger in (market.user(), market.head(LIFFRE_CORMIER), market.head(second_factor=False)):
        with pytest.raises(NotFound):
            act(stranger)
    with pytest.raises(NotAllowed):
        act(market.moderator())
    assert audit_lines() == []
    act(market.admin())


# ---- the logo ----


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (pictures.png(), "image/png"),
        (pictures.jpeg(), "image/jpeg"),
        (pictures.webp(), "image/webp"),
    ],
)
def test_a_picture_is_kept_as_what_it_is(head, content, kind):
    territories.set_logo(RENNES_METROPOLE, content, by=head)
    kept = territories.logo(RENNES_METROPOLE)
    assert (kept.content, kept.media_type) == (content, kind)
    assert len(territory().logo_mark) == 16


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"GIF89a",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        pictures.png()[:-1],
        pictures.png() + b"<script>",
        pictures.jpeg()[:-2],
        pictures.webp() + b"x",
        b"RIFF\x00\x00\x00\x00WEBP",
        pictures.png() + b"\x00" * territories.LOGO_MAX_BYTES,
    ],
)
def test_what_is_no_whole_picture_or_too_big_is_refused(head, content):
    with pytest.raises(FieldError, match="logo"):
        territories.set_logo(RENNES_METROPOLE, content, by=head)
    with pytest.raises(NotFound):
        territories.logo(RENNES_METROPOLE)


def test_a_new_picture_replaces_the_old_and_can_be_taken_off(head):
    territories.set_logo(RENNES_METROPOLE, pictures.png(), by=head)
    first = territory().logo_mark
    territories.set_logo(RENNES_METROPOLE, pictures.jpeg(), by=head)
    assert territory().logo_mark not in ("", first)
    territories.remove_logo(RENNES_METROPOLE, by=head)
    assert territory().logo_mark == ""
    assert [line.after["logo_mark"] for line in audit_lines()][-1] == ""


# ---- opening ----


def test_the_administrator_opens_a_territory_and_invites_its_head(market, outbox):
    territories.open_with_head(
        RENNES_METROPOLE, mode=ModerationMode.AFTER, head="lea@epci.example", by=market.admin()
    )
    invitation = db.session.scalars(select(TerritoryInvitation)).one()
    assert territory().is_open
    assert (invitation.email, invitation.role) == ("lea@epci.example", "head")
    assert [line.action for line in audit_lines()] == ["territory.opened", "team.invited"]
    assert outbox.last(to="lea@epci.example").template == "team_invitation"


def test_a_territory_is_opened_with_its_invitation_or_not_at_all(market):
    member = market.moderator()
    with pytest.raises(FieldError, match="email"):
        territories.open_with_head(
            RENNES_METROPOLE, mode=ModerationMode.AFTER, head=member.email, by=market.admin()
        )
    assert (territory().is_open, audit_lines()) == (False, [])


def test_a_territory_is_opened_once_and_by_the_administrator_only(market, head):
    opening = {"mode": ModerationMode.AFTER, "head": "lea@epci.example"}
    with pytest.raises(FieldError, match="déjà ouvert"):
        territories.open_with_head(RENNES_METROPOLE, by=market.admin(), **opening)
    for stranger in (market.user(), head, market.head(LIFFRE_CORMIER)):
        with pytest.raises(NotAllowed):
            territories.open_with_head(LIFFRE_CORMIER, by=stranger, **opening)


# ---- trusted structures ----


@pytest.fixture
def firm(market, head):
    territory().trusted_after = 2
    db.session.commit()
    return market.organisation()


def decided(market, firm, action, *, listing=None, siren=RENNES_METROPOLE):
    listing = listing or market.need(organisation=firm)
    adverse = action is not DecisionAction.APPROVE
    reasons = {"ground": DecisionGround.UNCLEAR, "facts": "Le texte."} if adverse else {}
    db.session.add(
        ModerationDecision(
            listing_id=listing.id, territory_siren=siren, action=action, snapshot={}, **reasons
        )
    )
    db.session.commit()
    return listing


def published(market, firm, **sheet):
    """Publish a new need of the structure; return the state it got."""
    wanted = {
        "skill_id": market.skill("boutique-en-ligne").id,
        "level": 2,
        "title": "Vendre nos confitures",
        "description": "Nous voulons vendre nos confitures sur internet sans y passer nos nuits.",
        "places": 3,
        "radius_km": 20,
        "urgency": 1,
    }
    written = listings.ListingSheet(**{**wanted, **sheet})
    return listings.publish(ListingKind.NEED, written, organisation_id=firm.id, by=market.speaker(firm)).state


def test_a_structure_publishes_at_once_after_enough_approvals(market, firm):
    decided(market, firm, DecisionAction.APPROVE)
    assert published(market, firm) is ListingState.PENDING
    decided(market, firm, DecisionAction.APPROVE)
    assert published(market, firm, title="Autre besoin", description="Un tout autre texte, sur nos devis et "
                     "nos relances de clients en retard.") is ListingState.PUBLISHED  # fmt: skip


def test_the_same_listing_approved_twice_counts_once(market, firm):
    listing = decided(market, firm, DecisionAction.APPROVE)
    decided(market, firm, DecisionAction.APPROVE, listing=listing)
    assert published(market, firm) is ListingState.PENDING


def test_a_flagged_text_waits_whoever_writes_it(market, firm):
    for _ in range(2):
        decided(market, firm, DecisionAction.APPROVE)
    assert published(market, firm, title="Appelez le 06 12 34 56 78") is ListingState.PENDING


@pytest.mark.parametrize("against", [DecisionAction.REJECT, DecisionAction.REMOVE])
def test_a_rejection_or_a_removal_starts_the_count_again(market, firm, against):
    for action in (DecisionAction.APPROVE, DecisionAction.APPROVE, against, DecisionAction.APPROVE):
        decided(market, firm, action)
    assert published(market, firm) is ListingState.PENDING


def test_approvals_of_other_structures_and_other_territories_do_not_count(market, firm):
    for _ in range(2):
        decided(market, market.organisation(), DecisionAction.APPROVE)
        decided(market, firm, DecisionAction.APPROVE, siren=LIFFRE_CORMIER)
    assert published(market, firm) is ListingState.PENDING


def test_nobody_is_trusted_where_the_territory_says_never(market, firm):
    territory().trusted_after = 0
    db.session.commit()
    for _ in range(2):
        decided(market, firm, DecisionAction.APPROVE)
    assert published(market, firm) is ListingState.PENDING


def test_nobody_is_trusted_where_the_territory_is_closed(market, firm):
    for _ in range(2):
        decided(market, firm, DecisionAction.APPROVE)
    territories.close_territory(RENNES_METROPOLE)
    assert published(market, firm) is ListingState.PENDING


# ---- the sheet ----


@pytest.mark.parametrize("text", FlyerText)
def test_a_sheet_leads_to_the_territory_and_its_visits_are_counted_apart(head, text):
    address = flyers.address(territory(), text)
    assert address.startswith(f"http://localhost/territoires/{RENNES_METROPOLE}?")
    assert f"campagne=affiche-{text}" in address
    assert flyers.code(territory(), text).startswith(b"<?xml")
    assert b"style=" not in flyers.code(territory(), text)
