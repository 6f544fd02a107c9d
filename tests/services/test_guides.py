"""Guides and testimonials: proposed by anybody, decided where they belong, found by trade and place."""

from dataclasses import replace

import pytest
from sqlalchemy import select

from marketplace.models import AuditEntry, Guide, GuideKind, GuideState
from marketplace.services import demo_guides, guides
from marketplace.services.errors import AlreadyDecided, FieldError, NotAllowed, NotFound, TooManyAttempts
from marketplace.services.guides import GuideFilters, GuideSheet
from tests.support.builders import LIFFRE_CORMIER, RENNES_METROPOLE

SHEET = GuideSheet(
    kind=GuideKind.TESTIMONIAL,
    title="Notre boutique en ligne, un an après",
    text="Nous avons commencé avec dix produits, et nous en sommes contents.",
    publisher="Fédération des fournils",
    section="C",
    territory_siren=RENNES_METROPOLE,
)


@pytest.fixture
def baker(market):
    return market.user()


@pytest.fixture
def moderator(market):
    return market.moderator(RENNES_METROPOLE)


@pytest.fixture
def online(moderator, market):
    """Publish a guide with these changes, by whoever may."""
    admin = market.admin()
    return lambda **changes: guides.propose(replace(SHEET, **changes), by=admin)


def titles(**filters):
    return sorted(guide.title for guide in guides.search(GuideFilters(**filters)).items)


def test_what_anybody_proposes_waits_and_what_the_moderator_adds_shows_at_once(baker, moderator):
    waiting, shown = guides.propose(SHEET, by=baker), guides.propose(SHEET, by=moderator)

    assert (waiting.state, shown.state) == (GuideState.PENDING, GuideState.PUBLISHED)
    assert [guide.id for guide in guides.search(GuideFilters()).items] == [shown.id]
    assert [guide.id for guide in guides.queue(by=moderator).items] == [waiting.id]


def test_a_moderator_adds_at_once_in_their_territory_only(moderator):
    assert guides.propose(replace(SHEET, territory_siren=LIFFRE_CORMIER), by=moderator).state == "pending"
    assert guides.propose(replace(SHEET, territory_siren=None), by=moderator).state == "pending"


def test_what_is_published_shows_and_its_author_is_told(baker, moderator, outbox):
    guide = guides.propose(SHEET, by=baker)
    guides.decide(guide.id, publish=True, by=moderator)

    assert titles() == [SHEET.title]
    assert "est en ligne" in outbox.last(to=baker.email).subject


def test_what_is_refused_does_not_show_and_its_author_reads_why(baker, moderator, outbox):
    guide = guides.propose(SHEET, by=baker)
    guides.decide(guide.id, publish=False, reason="C’est une publicité.", by=moderator)

    assert titles() == []
    assert "C’est une publicité." in outbox.last(to=baker.email).text


def test_a_refusal_gives_its_reason(baker, moderator):
    guide = guides.propose(SHEET, by=baker)
    with pytest.raises(FieldError, match="reason"):
        guides.decide(guide.id, publish=False, by=moderator)


def test_nobody_decides_elsewhere_than_at_home(baker, market):
    guide = guides.propose(SHEET, by=baker)
    for person in (baker, market.user(), market.moderator(LIFFRE_CORMIER)):
        for act in (
            lambda person=person: guides.decide(guide.id, publish=True, by=person),
            lambda person=person: guides.withdraw(guide.id, by=person),
        ):
            with pytest.raises(NotFound):
                act()
    assert guides.queue(by=market.moderator(LIFFRE_CORMIER)).total == 0
    with pytest.raises(NotAllowed):
        guides.queue(by=baker)


def test_what_is_for_the_whole_country_waits_for_the_national_administrator(baker, moderator, market):
    guide = guides.propose(replace(SHEET, territory_siren=None), by=baker)

    assert guides.queue(by=moderator).total == 0
    assert [each.id for each in guides.queue(by=market.admin()).items] == [guide.id]
    with pytest.raises(NotFound):
        guides.decide(guide.id, publish=True, by=moderator)


def test_a_guide_is_decided_once(baker, moderator):
    guide = guides.propose(SHEET, by=baker)
    guides.decide(guide.id, publish=True, by=moderator)
    with pytest.raises(AlreadyDecided):
        guides.decide(guide.id, publish=False, reason="Trop tard.", by=moderator)


def test_a_published_guide_can_be_taken_off_once(online, moderator):
    guide = online()
    guides.withdraw(guide.id, by=moderator)

    assert titles() == []
    with pytest.raises(AlreadyDecided):
        guides.withdraw(guide.id, by=moderator)


def test_every_act_is_one_line_of_the_log(baker, moderator, db_session):
    guide = guides.propose(SHEET, by=baker)
    guides.decide(guide.id, publish=True, by=moderator)
    guides.withdraw(guide.id, by=moderator)

    lines = db_session.execute(
        select(AuditEntry.action, AuditEntry.territory_siren).order_by(AuditEntry.id)
    ).all()
    assert [line.action for line in lines] == ["guide.proposed", "guide.published", "guide.withdrawn"]
    assert {line.territory_siren for line in lines} == {RENNES_METROPOLE}


def test_a_filter_keeps_what_is_narrower_and_what_is_for_all(online, market):
    online(title="Pour les fermes", section="A")
    online(title="Pour les fournils", section="C")
    online(title="Pour toutes", section=None, territory_siren=None)
    online(title="À Liffré", section=None, territory_siren=LIFFRE_CORMIER)
    online(title="Un tableur", skill_id=market.skill("tableur").id)

    assert titles(section="C") == ["Pour les fournils", "Pour toutes", "Un tableur", "À Liffré"]
    assert titles(territory_siren=LIFFRE_CORMIER) == ["Pour toutes", "À Liffré"]
    assert "Un tableur" not in titles(skill_id=market.skill("sauvegarde").id)
    assert titles(kind=GuideKind.GUIDE) == []


def test_a_need_is_beside_what_speaks_of_its_subject_then_of_its_trade(online, market):
    tableur = market.skill("tableur").id
    online(title="De la ferme", section="A")
    online(title="Du fournil")
    online(title="Du tableur", section="A", skill_id=tableur)
    online(title="Du tableur à Liffré", skill_id=tableur, territory_siren=LIFFRE_CORMIER)

    found = guides.near(skill_id=tableur, section="C", territory_siren=RENNES_METROPOLE)
    assert [guide.title for guide in found] == ["Du tableur", "Du fournil"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"kind": GuideKind.GUIDE}, "url"),
        ({"url": "javascript:alert(1)"}, "url"),
        ({"section": "10.71C"}, "section"),
        ({"section": "?"}, "section"),
        ({"territory_siren": "000000000"}, "territory"),
    ],
)
def test_what_cannot_be_is_refused_at_its_field(baker, db_session, changes, field):
    with pytest.raises(FieldError) as refused:
        guides.propose(replace(SHEET, **changes), by=baker)

    assert refused.value.field == field
    assert db_session.scalar(select(Guide.id)) is None


def test_an_address_that_is_not_confirmed_proposes_nothing(market):
    with pytest.raises(NotAllowed):
        guides.propose(SHEET, by=market.user(confirmed=False))


def test_nobody_floods_the_moderators(baker, monkeypatch):
    monkeypatch.setattr(guides, "PROPOSED_MAX", 2)
    for _ in range(2):
        guides.propose(SHEET, by=baker)
    with pytest.raises(TooManyAttempts):
        guides.propose(SHEET, by=baker)


def test_the_demonstration_has_guides_of_several_trades(market):
    demo_guides.play(RENNES_METROPOLE, administrator=market.admin())

    found = guides.search(GuideFilters()).items
    assert {guide.kind for guide in found} == set(GuideKind)
    assert len({guide.section for guide in found}) >= 4
    assert all(".example/" in guide.url for guide in found if guide.url)
