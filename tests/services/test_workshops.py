"""The life of a collective workshop."""

from dataclasses import replace
from datetime import timedelta

import pytest

from marketplace.models import (
    AuditEntry,
    InvalidTransition,
    InvitationAnswer,
    Listing,
    ListingState,
    Match,
    MatchState,
    Organisation,
    User,
    Workshop,
    WorkshopInvitation,
    WorkshopState,
)
from marketplace.services import workshop_proposals, workshops
from marketplace.services.errors import CapacityReached, FieldError, NotAllowed, NotFound, TokenExpired
from marketplace.services.workshops import WorkshopSheet
from tests.support.builders import LIFFRE_CORMIER, RENNES, RENNES_METROPOLE
from tests.support.threads import at_once

YES, NO = InvitationAnswer.ACCEPTED, InvitationAnswer.DECLINED


@pytest.fixture
def moderator(market):
    return market.moderator()


@pytest.fixture
def needs(market):
    with market.in_one_transaction():
        return [market.need(organisation=market.organisation(commune=RENNES)) for _ in range(5)]


@pytest.fixture
def sheet(clock):
    return WorkshopSheet(
        place="Salle des fêtes", starts_at=clock.now + timedelta(days=20), capacity=3, host="Une voisine"
    )


@pytest.fixture
def plan(needs, sheet, moderator):
    def act(**changes) -> Workshop:
        (proposal,) = workshop_proposals.find(RENNES_METROPOLE, by=moderator)
        return workshops.plan(
            RENNES_METROPOLE,
            proposal.skill.slug,
            proposal.centre.insee,
            replace(sheet, **changes),
            mark=proposal.mark,
            by=moderator,
        )

    return act


@pytest.fixture
def invited(market, needs, db_session):
    """Return the invitation of the n-th need and who answers it."""

    def of(number: int) -> tuple[WorkshopInvitation, object]:
        invitation = db_session.query(WorkshopInvitation).filter_by(need_id=needs[number].id).one()
        return invitation, market.speaker(needs[number])

    return of


def token_in(mail) -> str:
    return next(word for word in mail.text.split() if word.startswith("http")).rpartition("/")[2]


class TestInviting:
    def test_each_structure_gets_a_mail_with_its_own_link(self, plan, needs, market, outbox):
        plan()

        mails = [outbox.last(to=market.speaker(need).email) for need in needs]
        assert {mail.template for mail in mails} == {"workshop_invitation"}
        assert len({token_in(mail) for mail in mails}) == len(needs)
        assert all("Salle des fêtes, Rennes" in mail.text for mail in mails)

    def test_no_mail_tells_who_else_is_invited(self, plan, needs, market, outbox):
        plan()

        for need in needs:
            mail = outbox.last(to=market.speaker(need).email)
            for other in needs:
                if other is not need:
                    assert market.speaker(other).email not in mail.text
                    assert other.title not in mail.text

    def test_invited_needs_leave_the_proposals(self, plan, moderator):
        plan()

        assert workshop_proposals.find(RENNES_METROPOLE, by=moderator) == []

    def test_a_second_moderator_cannot_invite_them_again(self, plan, sheet, moderator):
        (proposal,) = workshop_proposals.find(RENNES_METROPOLE, by=moderator)
        plan()

        with pytest.raises(NotFound):
            workshops.plan(
                RENNES_METROPOLE,
                proposal.skill.slug,
                proposal.centre.insee,
                sheet,
                mark=proposal.mark,
                by=moderator,
            )

    def test_needs_that_changed_meanwhile_are_read_again(self, market, sheet, needs, moderator, db_session):
        (proposal,) = workshop_proposals.find(RENNES_METROPOLE, by=moderator)
        market.need()

        with pytest.raises(FieldError, match="mark"):
            workshops.plan(
                RENNES_METROPOLE,
                proposal.skill.slug,
                proposal.centre.insee,
                sheet,
                mark=proposal.mark,
                by=moderator,
            )
        assert db_session.query(Workshop).count() == 0

    @pytest.mark.parametrize("days", [-1, 0, 400])
    def test_the_date_is_to_come_and_not_too_far(self, plan, clock, days):
        with pytest.raises(FieldError, match="starts_at"):
            plan(starts_at=clock.now + timedelta(days=days))

    def test_it_is_written_down(self, plan, moderator, db_session):
        workshop = plan()

        line = db_session.query(AuditEntry).filter_by(action="workshop.planned").one()
        assert (line.actor_id, line.subject_id) == (moderator.id, str(workshop.id))
        assert line.territory_siren == RENNES_METROPOLE


class TestAnswering:
    def test_by_the_link_without_logging_in(self, plan, needs, market, outbox, invited):
        plan()
        mail = outbox.last(to=market.speaker(needs[0]).email)

        workshops.answer_by_mail(token_in(mail), YES)

        assert invited(0)[0].answer is YES
        assert outbox.last(to=market.speaker(needs[0]).email).template == "workshop_answered"

    def test_from_ones_own_space(self, plan, invited):
        plan()
        invitation, person = invited(0)

        assert [one.id for one in workshops.of_person(person)] == [invitation.id]
        assert workshops.answer(invitation.id, NO, by=person).answer is NO

    def test_one_may_change_ones_mind(self, plan, invited):
        plan()
        invitation, person = invited(0)
        workshops.answer(invitation.id, YES, by=person)

        assert workshops.answer(invitation.id, NO, by=person).answer is NO

    def test_the_same_answer_twice_writes_once(self, plan, invited, outbox):
        plan()
        invitation, person = invited(0)
        workshops.answer(invitation.id, YES, by=person)
        before = len(outbox.all())

        workshops.answer(invitation.id, YES, by=person)
        assert len(outbox.all()) == before

    def test_no_more_than_the_places(self, plan, invited):
        plan(capacity=1)
        (first, one), (second, other) = invited(0), invited(1)
        workshops.answer(first.id, YES, by=one)

        with pytest.raises(CapacityReached):
            workshops.answer(second.id, YES, by=other)
        workshops.answer(first.id, NO, by=one)
        assert workshops.answer(second.id, YES, by=other).answer is YES

    def test_not_once_it_began(self, plan, invited, clock):
        plan()
        invitation, person = invited(0)
        clock.move(days=21)

        with pytest.raises(InvalidTransition):
            workshops.answer(invitation.id, YES, by=person)

    def test_nobody_answers_for_another_structure(self, plan, invited, moderator):
        plan()
        invitation, _ = invited(0)
        _, stranger = invited(1)

        for person in (stranger, moderator):
            with pytest.raises(NotFound):
                workshops.answer(invitation.id, YES, by=person)

    def test_a_suspended_structure_does_not_answer(self, plan, invited, outbox, clock, db_session):
        plan()
        invitation, person = invited(0)
        token = token_in(outbox.last(to=person.email))
        db_session.get(Organisation, invitation.organisation_id).suspended_at = clock.now
        db_session.commit()

        with pytest.raises(NotAllowed):
            workshops.answer(invitation.id, YES, by=person)
        with pytest.raises(TokenExpired):
            workshops.answer_by_mail(token, YES)

    def test_a_forged_link_is_refused(self, plan):
        plan()

        with pytest.raises(TokenExpired):
            workshops.answer_by_mail("forged", YES)


class TestCancelling:
    def test_all_are_told_but_who_declined(self, plan, invited, needs, market, moderator, outbox):
        workshop = plan()
        invitation, person = invited(0)
        workshops.answer(invitation.id, NO, by=person)

        workshops.cancel(RENNES_METROPOLE, workshop.id, reason="Salle fermée", by=moderator)

        last = [outbox.last(to=market.speaker(need).email) for need in needs]
        assert [mail.template for mail in last] == ["workshop_answered"] + ["workshop_cancelled"] * 4
        assert "Salle fermée" in last[1].text

    def test_its_needs_may_be_in_another_proposal(self, plan, moderator):
        workshop = plan()
        workshops.cancel(RENNES_METROPOLE, workshop.id, reason="Salle fermée", by=moderator)

        assert len(workshop_proposals.find(RENNES_METROPOLE, by=moderator)) == 1

    def test_not_twice(self, plan, moderator):
        workshop = plan()
        workshops.cancel(RENNES_METROPOLE, workshop.id, reason="Salle fermée", by=moderator)

        with pytest.raises(InvalidTransition):
            workshops.cancel(RENNES_METROPOLE, workshop.id, reason="Encore", by=moderator)


class TestHolding:
    @pytest.fixture
    def held(self, plan, invited, clock, moderator):
        workshop = plan()
        clock.move(days=21)
        came = [invited(number)[0].id for number in (0, 1)]
        return workshops.hold(RENNES_METROPOLE, workshop.id, present=4, attended=came, by=moderator)

    def test_who_came_is_asked_whether_it_was_enough(self, held, needs, market, outbox):
        last = [outbox.last(to=market.speaker(need).email).template for need in needs]
        assert last == ["workshop_follow_up"] * 2 + ["workshop_invitation"] * 3
        assert (held.state, held.present) == (WorkshopState.HELD, 4)

    def test_not_before_it_began(self, plan, moderator):
        workshop = plan()

        with pytest.raises(FieldError, match="present"):
            workshops.hold(RENNES_METROPOLE, workshop.id, present=2, attended=[], by=moderator)

    def test_no_more_structures_than_people(self, plan, invited, clock, moderator):
        workshop = plan()
        clock.move(days=21)

        with pytest.raises(FieldError, match="present"):
            workshops.hold(
                RENNES_METROPOLE, workshop.id, present=0, attended=[invited(0)[0].id], by=moderator
            )

    def test_a_need_that_is_met_leaves_the_lists(self, held, needs, market, outbox, db_session):
        token = token_in(outbox.last(to=market.speaker(needs[0]).email))

        workshops.follow_up(token, fulfilled=True)

        assert db_session.get(Listing, needs[0].id).state is ListingState.FULFILLED
        with pytest.raises(TokenExpired):
            workshops.follow_up(token, fulfilled=False)

    def test_a_proposal_under_way_for_it_is_cancelled(self, held, needs, market, outbox, db_session):
        match = market.match(need=needs[0])
        token = token_in(outbox.last(to=market.speaker(needs[0]).email))

        workshops.follow_up(token, fulfilled=True)

        assert db_session.get(Match, match.id).state is MatchState.CANCELLED
        assert db_session.get(Listing, match.offer_id).live_matches == 0

    def test_a_need_that_is_not_met_stays(self, held, needs, market, outbox, db_session):
        token = token_in(outbox.last(to=market.speaker(needs[1]).email))

        assert workshops.follow_up(token, fulfilled=False).fulfilled is False
        assert db_session.get(Listing, needs[1].id).state is ListingState.PUBLISHED

    def test_one_withdrawn_meanwhile_stays_withdrawn(self, held, needs, market, outbox, db_session):
        token = token_in(outbox.last(to=market.speaker(needs[0]).email))
        db_session.get(Listing, needs[0].id).state = ListingState.WITHDRAWN
        db_session.commit()

        assert workshops.follow_up(token, fulfilled=True).fulfilled is True
        assert db_session.get(Listing, needs[0].id).state is ListingState.WITHDRAWN

    def test_who_came_is_in_no_other_proposal_until_they_answer(
        self, held, market, needs, moderator, outbox, clock
    ):
        """Three did not come; with two new needs they are five, the two who came would make seven."""
        with market.in_one_transaction():
            new = [market.need() for _ in range(2)]

        (proposal,) = workshop_proposals.find(RENNES_METROPOLE, by=moderator)
        assert {one.need.id for one in proposal.travellers} == {one.id for one in [*needs[2:], *new]}

        token = token_in(outbox.last(to=market.speaker(needs[0]).email))
        workshops.follow_up(token, fulfilled=False)
        (proposal,) = workshop_proposals.find(RENNES_METROPOLE, by=moderator)
        assert len(proposal.travellers) == 6

    def test_a_workshop_that_nobody_closed_does_not_keep_its_needs_for_ever(self, plan, moderator, clock):
        plan()
        clock.move(days=20 + workshop_proposals.FREE_AGAIN_AFTER.days + 1)

        (proposal,) = workshop_proposals.find(RENNES_METROPOLE, by=moderator)
        assert len(proposal.travellers) == 5


class TestRights:
    @pytest.mark.parametrize("act", ["plan", "cancel", "hold", "show", "of_territory"])
    def test_only_moderators_of_the_territory(self, market, plan, sheet, act):
        workshop = plan()
        acts = {
            "plan": lambda by: workshops.plan(
                RENNES_METROPOLE, "boutique-en-ligne", RENNES, sheet, mark="", by=by
            ),
            "cancel": lambda by: workshops.cancel(RENNES_METROPOLE, workshop.id, reason="x", by=by),
            "hold": lambda by: workshops.hold(RENNES_METROPOLE, workshop.id, present=1, attended=[], by=by),
            "show": lambda by: workshops.show(RENNES_METROPOLE, workshop.id, by=by),
            "of_territory": lambda by: workshops.of_territory(RENNES_METROPOLE, by=by, page=1),
        }
        for person in (market.moderator(LIFFRE_CORMIER), market.user()):
            with pytest.raises(NotFound):
                acts[act](person)

    def test_a_moderator_elsewhere_does_not_reach_it_by_their_own_territory(self, market, plan):
        workshop, elsewhere = plan(), market.moderator(LIFFRE_CORMIER)

        with pytest.raises(NotFound):
            workshops.show(LIFFRE_CORMIER, workshop.id, by=elsewhere)
        with pytest.raises(NotFound):
            workshops.cancel(LIFFRE_CORMIER, workshop.id, reason="x", by=elsewhere)


def test_the_page_counts_the_answers(plan, invited, moderator):
    workshop = plan()
    for number, said in ((0, YES), (1, NO)):
        invitation, person = invited(number)
        workshops.answer(invitation.id, said, by=person)

    answers = workshops.answers_of(workshops.show(RENNES_METROPOLE, workshop.id, by=moderator))
    assert (answers.accepted, answers.declined, answers.silent) == (1, 1, 3)


class TestAtOnce:
    def test_the_last_place_goes_to_one(self, app, plan, invited, db_session):
        workshop_id = plan(capacity=2).id
        asked = [(invitation.id, person.id) for invitation, person in map(invited, range(5))]

        def accepting(invitation_id, person_id):
            return lambda: workshops.answer(invitation_id, YES, by=db_session.get(User, person_id)).answer

        outcomes = at_once(app, *(accepting(*one) for one in asked))

        assert sum(outcome is YES for outcome in outcomes) == 2
        assert sum(isinstance(outcome, CapacityReached) for outcome in outcomes) == 3
        taken = db_session.query(WorkshopInvitation).filter_by(workshop_id=workshop_id, answer=YES)
        assert taken.count() == 2

    def test_two_moderators_invite_once(self, app, needs, sheet, market, moderator, db_session):
        (proposal,) = workshop_proposals.find(RENNES_METROPOLE, by=moderator)
        told = (RENNES_METROPOLE, proposal.skill.slug, proposal.centre.insee, sheet)
        mark, people = proposal.mark, [moderator.id, market.moderator().id]

        def inviting(person_id):
            return lambda: workshops.plan(*told, mark=mark, by=db_session.get(User, person_id)).id

        outcomes = at_once(app, *map(inviting, people))

        assert sum(isinstance(outcome, NotFound) for outcome in outcomes) == 1
        assert db_session.query(Workshop).count() == 1
        assert db_session.query(WorkshopInvitation).count() == len(needs)
