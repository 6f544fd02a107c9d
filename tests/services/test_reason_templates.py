"""Templates of reasons: the nation's, and what each territory makes of them."""

import pytest
from sqlalchemy import select

from marketplace.extensions import db
from marketplace.models import AuditEntry, DecisionGround, ReasonTemplate
from marketplace.services import reason_templates
from marketplace.services.errors import FieldError, NotAllowed, NotFound
from marketplace.services.reason_templates import TemplateSheet
from tests.support.builders import LIFFRE_CORMIER, RENNES_METROPOLE

VAGUE = TemplateSheet(name="Trop vague", ground=DecisionGround.UNCLEAR, facts="Dites-en plus.")


@pytest.fixture
def moderator(market):
    market.open_territory()
    return market.moderator()


def names(siren):
    return {template.name for template in reason_templates.usable(siren)}


def national(code):
    return db.session.scalars(select(ReasonTemplate).where(ReasonTemplate.code == code)).one()


def test_a_set_comes_with_the_site_and_serves_everywhere(app):
    assert {each.ground for each in reason_templates.usable(None)} == set(DecisionGround)
    assert names(RENNES_METROPOLE) == names(None)


def test_a_territorys_own_serves_there_only(market, moderator):
    reason_templates.add(VAGUE, territory_siren=RENNES_METROPOLE, by=moderator)
    assert "Trop vague" in names(RENNES_METROPOLE)
    assert "Trop vague" not in names(LIFFRE_CORMIER) | names(None)


def test_a_change_to_the_nations_holds_in_the_territory_and_nowhere_else(market, moderator):
    before = national("prix")

    own = reason_templates.change(before.id, VAGUE, territory_siren=RENNES_METROPOLE, by=moderator)

    assert (own.replaces_id, own.code) == (before.id, None)
    assert "Trop vague" in names(RENNES_METROPOLE)
    assert "Prix ou tarif" not in names(RENNES_METROPOLE)
    assert "Prix ou tarif" in names(LIFFRE_CORMIER)
    assert national("prix").name == "Prix ou tarif"


def test_who_still_has_the_old_page_changes_the_territorys_own(market, moderator):
    key = national("prix").id
    first = reason_templates.change(key, VAGUE, territory_siren=RENNES_METROPOLE, by=moderator)
    again = reason_templates.archive(key, territory_siren=RENNES_METROPOLE, by=market.moderator())
    assert again.id == first.id


def test_one_put_away_is_not_offered_but_can_be_brought_back(market, moderator):
    key = national("lien").id

    reason_templates.archive(key, territory_siren=RENNES_METROPOLE, by=moderator)

    assert "Lien vers un site" not in names(RENNES_METROPOLE)
    assert "Lien vers un site" in names(LIFFRE_CORMIER)
    listed = reason_templates.listed(RENNES_METROPOLE, by=moderator)
    assert listed[-1].name == "Lien vers un site"
    reason_templates.archive(key, territory_siren=RENNES_METROPOLE, by=moderator, archived=False)
    assert "Lien vers un site" in names(RENNES_METROPOLE)


def test_the_administrator_adds_to_the_nations(market):
    reason_templates.add(VAGUE, territory_siren=None, by=market.admin())
    assert "Trop vague" in names(RENNES_METROPOLE) & names(LIFFRE_CORMIER)


def test_each_change_is_in_the_audit_log(market, moderator):
    added = reason_templates.add(VAGUE, territory_siren=RENNES_METROPOLE, by=moderator)
    reason_templates.archive(added.id, territory_siren=RENNES_METROPOLE, by=moderator)
    lines = db.session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
    assert [line.action for line in lines] == ["reason_template.added", "reason_template.archived"]
    assert {line.territory_siren for line in lines} == {RENNES_METROPOLE}


@pytest.mark.parametrize("scope", [LIFFRE_CORMIER, None, "000000000"])
def test_a_moderator_keeps_to_their_territory(market, moderator, scope):
    key = national("prix").id
    for act in (
        lambda: reason_templates.add(VAGUE, territory_siren=scope, by=moderator),
        lambda: reason_templates.change(key, VAGUE, territory_siren=scope, by=moderator),
        lambda: reason_templates.archive(key, territory_siren=scope, by=moderator),
        lambda: reason_templates.listed(scope, by=moderator),
        lambda: reason_templates.get(key, territory_siren=scope, by=moderator),
    ):
        with pytest.raises(NotFound):
            act()


def test_another_territorys_template_is_not_found(market, moderator):
    market.open_territory(LIFFRE_CORMIER)
    neighbour = market.moderator(LIFFRE_CORMIER)
    theirs = reason_templates.add(VAGUE, territory_siren=LIFFRE_CORMIER, by=neighbour)
    with pytest.raises(NotFound):
        reason_templates.change(theirs.id, VAGUE, territory_siren=RENNES_METROPOLE, by=moderator)


def test_who_moderates_nothing_has_no_templates(market):
    with pytest.raises(NotAllowed):
        reason_templates.territories(by=market.user())
    with pytest.raises(NotFound):
        reason_templates.listed(RENNES_METROPOLE, by=market.user())


def test_their_number_is_bounded(market, moderator, monkeypatch):
    monkeypatch.setattr(reason_templates, "TEMPLATES_MAX", 2)
    for _ in range(2):
        reason_templates.add(VAGUE, territory_siren=RENNES_METROPOLE, by=moderator)
    with pytest.raises(FieldError):
        reason_templates.add(VAGUE, territory_siren=RENNES_METROPOLE, by=moderator)
