"""The team of a territory: inviting, accepting, changing and taking back roles."""

import pytest
from sqlalchemy import select

from marketplace.extensions import db
from marketplace.models import AuditEntry, TerritoryInvitation, TerritoryRole, TerritoryRoleKind, User
from marketplace.services import rights, team
from marketplace.services.errors import FieldError, NotAllowed, NotFound, TokenExpired, TooManyAttempts
from tests.support.builders import LIFFRE_CORMIER, RENNES_METROPOLE
from tests.support.threads import at_once

HEAD, MODERATOR = TerritoryRoleKind.HEAD, TerritoryRoleKind.MODERATOR
LEA = "lea@epci.example"


@pytest.fixture
def head(market):
    return market.head(name="Ève Roux")


def token_of(outbox, to=LEA):
    return outbox.link(outbox.last(to=to)).rpartition("/")[2]


def role_of(user, siren=RENNES_METROPOLE):
    db.session.rollback()
    held = db.session.get(TerritoryRole, (user.id, siren))
    return held.role if held else None


def actions():
    return list(db.session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)))


# ---- inviting ----


def test_the_head_invites_and_the_invited_person_accepts(market, head, outbox):
    team.invite(RENNES_METROPOLE, " Lea@EPCI.example ", MODERATOR, by=head)
    lea = market.user(LEA)
    team.accept(token_of(outbox), by=lea)
    assert role_of(lea) is MODERATOR
    assert actions() == ["team.invited", "territory.role_given"]
    assert "rejoint l’équipe" in outbox.last(to=head.email).subject
    assert "votre rôle est « modération »" in outbox.last(to=LEA).subject


def test_an_invitation_is_for_its_own_address(market, head, outbox):
    team.invite(RENNES_METROPOLE, LEA, MODERATOR, by=head)
    other = market.user()
    with pytest.raises(NotAllowed):
        team.accept(token_of(outbox), by=other)
    assert role_of(other) is None


def test_an_address_that_is_not_confirmed_accepts_nothing(market, head, outbox):
    team.invite(RENNES_METROPOLE, LEA, MODERATOR, by=head)
    with pytest.raises(NotAllowed):
        team.accept(token_of(outbox), by=market.user(LEA, confirmed=False))


def test_a_link_serves_once(market, head, outbox):
    team.invite(RENNES_METROPOLE, LEA, MODERATOR, by=head)
    lea, token = market.user(LEA), token_of(outbox)
    team.accept(token, by=lea)
    with pytest.raises(TokenExpired):
        team.accept(token, by=lea)


def test_a_link_sent_twice_at_once_gives_one_role(app, market, head, outbox):
    team.invite(RENNES_METROPOLE, LEA, MODERATOR, by=head)
    key, token = market.user(LEA).id, token_of(outbox)
    told = at_once(app, *[lambda: team.accept(token, by=db.session.get(User, key)).role] * 2)
    refused = [each for each in told if isinstance(each, Exception)]
    assert len(refused) == 1
    assert isinstance(refused[0], TokenExpired | NotFound)


def test_a_link_is_good_for_seven_days(market, head, outbox, clock):
    team.invite(RENNES_METROPOLE, LEA, MODERATOR, by=head)
    lea, token = market.user(LEA), token_of(outbox)
    clock.move(days=7)
    assert team.read_invitation(token).email == LEA
    clock.move(seconds=1)
    with pytest.raises(TokenExpired):
        team.accept(token, by=lea)
    assert [each.is_open for each in team.show(RENNES_METROPOLE, by=head).invitations] == [False]


def test_the_last_invitation_of_an_address_counts(market, head, outbox, clock):
    team.invite(RENNES_METROPOLE, LEA, MODERATOR, by=head)
    first = token_of(outbox)
    clock.move(minutes=5)
    team.invite(RENNES_METROPOLE, LEA, HEAD, by=head)
    with pytest.raises(TokenExpired):
        team.read_invitation(first)
    assert team.read_invitation(token_of(outbox)).role is HEAD
    assert len(list(db.session.scalars(select(TerritoryInvitation)))) == 1


def test_an_invitation_taken_back_no_longer_serves(head, outbox):
    row = team.invite(RENNES_METROPOLE, LEA, MODERATOR, by=head)
    team.withdraw(RENNES_METROPOLE, row.id, by=head)
    with pytest.raises(TokenExpired):
        team.read_invitation(token_of(outbox))
    assert actions()[-1] == "team.invitation_withdrawn"


def test_an_invitation_of_another_territory_is_not_found(market, head):
    row = team.invite(RENNES_METROPOLE, LEA, MODERATOR, by=head)
    with pytest.raises(NotFound):
        team.withdraw(LIFFRE_CORMIER, row.id, by=market.head(LIFFRE_CORMIER))


def test_a_member_is_not_invited_again(market, head):
    member = market.moderator()
    with pytest.raises(FieldError, match="email"):
        team.invite(RENNES_METROPOLE, member.email, HEAD, by=head)


def test_invitations_are_counted(head):
    with pytest.raises(TooManyAttempts):
        for number in range(team.INVITATIONS_AN_HOUR + 1):
            team.invite(RENNES_METROPOLE, f"a{number}@epci.example", MODERATOR, by=head)


@pytest.mark.parametrize("token", ["", "x", "é", "a" * 3000])
def test_a_forged_link_is_refused(app, token):
    with pytest.raises(TokenExpired):
        team.read_invitation(token)


# ---- changing ----


def test_the_head_changes_a_role_and_the_person_is_told(market, head, outbox):
    member = market.moderator()
    team.change_role(RENNES_METROPOLE, member.id, HEAD, by=head)
    line = db.session.scalars(select(AuditEntry)).one()
    assert role_of(member) is HEAD
    assert (line.before, line.after) == ({"role": "moderator"}, {"role": "head"})
    assert "« responsable »" in outbox.last(to=member.email).subject


def test_a_role_that_stays_is_not_told_again(market, head, outbox):
    member = market.moderator()
    team.change_role(RENNES_METROPOLE, member.id, MODERATOR, by=head)
    assert (actions(), outbox.to(member.email)) == ([], [])


def test_the_head_removes_a_member_who_is_told(market, head, outbox):
    member = market.moderator()
    team.remove(RENNES_METROPOLE, member.id, by=head)
    assert role_of(member) is None
    assert actions() == ["territory.role_taken"]
    assert "vous ne faites plus partie" in outbox.last(to=member.email).subject


def test_the_last_head_neither_leaves_nor_steps_down(market, head):
    market.moderator()
    with pytest.raises(FieldError, match="role"):
        team.remove(RENNES_METROPOLE, head.id, by=head)
    with pytest.raises(FieldError, match="role"):
        team.change_role(RENNES_METROPOLE, head.id, MODERATOR, by=head)
    assert role_of(head) is HEAD


def test_a_head_leaves_once_there_is_another(market, head):
    market.head()
    team.remove(RENNES_METROPOLE, head.id, by=head)
    assert role_of(head) is None


def test_two_heads_do_not_leave_at_once(app, market, head):
    keys = [head.id, market.head().id]

    def leaving(key):
        return lambda: team.remove(RENNES_METROPOLE, key, by=db.session.get(User, key))

    told = at_once(app, *map(leaving, keys))
    assert sorted(type(each).__name__ for each in told) == ["FieldError", "NoneType"]


def test_the_administrator_removes_even_the_last_head(market, head):
    team.remove(RENNES_METROPOLE, head.id, by=market.admin())
    assert role_of(head) is None


def test_a_moderator_leaves_and_removes_nobody_else(market, head):
    member, other = market.moderator(), market.moderator()
    with pytest.raises(NotAllowed):
        team.remove(RENNES_METROPOLE, other.id, by=member)
    team.remove(RENNES_METROPOLE, member.id, by=member)
    assert role_of(member) is None


def test_whoever_is_not_of_the_team_is_not_found_there(market, head):
    with pytest.raises(NotFound):
        team.change_role(RENNES_METROPOLE, market.user().id, HEAD, by=head)
    with pytest.raises(NotFound):
        team.remove(RENNES_METROPOLE, market.moderator(LIFFRE_CORMIER).id, by=head)


ACTS = [
    lambda by, member: team.invite(RENNES_METROPOLE, LEA, HEAD, by=by),
    lambda by, member: team.change_role(RENNES_METROPOLE, member.id, HEAD, by=by),
    lambda by, member: team.remove(RENNES_METROPOLE, member.id, by=by),
    lambda by, member: team.withdraw(RENNES_METROPOLE, 1, by=by),
]


@pytest.mark.parametrize("act", ACTS)
def test_nobody_but_the_head_and_the_administrator_touches_the_team(market, head, act):
    member = market.moderator()
    for stranger in (market.user(), market.head(LIFFRE_CORMIER)):
        with pytest.raises(NotFound):
            act(stranger, member)
    for sleeping in (market.moderator(), market.head(second_factor=False)):
        with pytest.raises((NotAllowed, NotFound)):
            act(sleeping, member)
    assert (role_of(member), actions()) == (MODERATOR, [])


def test_a_moderator_sees_the_team_and_not_the_invitations(market, head):
    team.invite(RENNES_METROPOLE, LEA, MODERATOR, by=head)
    member = market.moderator()
    seen = team.show(RENNES_METROPOLE, by=member)
    assert [held.user_id for held in seen.roles] == [head.id, member.id]
    assert (seen.can_change, list(seen.invitations)) == (False, [])


@pytest.mark.parametrize("siren", [RENNES_METROPOLE, "000000000", ""])
def test_a_stranger_sees_no_team(market, siren):
    with pytest.raises(NotFound):
        team.show(siren, by=market.head(LIFFRE_CORMIER))


def test_the_operator_appoints_and_dismisses(market, outbox):
    person = market.user(second_factor=True)
    team.appoint(RENNES_METROPOLE, person.email, HEAD)
    assert rights.heads(person, RENNES_METROPOLE)
    team.dismiss(RENNES_METROPOLE, person.email)
    assert role_of(person) is None
    assert actions() == ["territory.role_given", "territory.role_taken"]
    assert len(outbox.to(person.email)) == 2
