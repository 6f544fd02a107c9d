"""Who may say what of a provider, who decides on it, and who answers."""

from functools import partial

import pytest
from sqlalchemy import select

from marketplace.extensions import db
from marketplace.models import (
    AuditEntry,
    MatchState,
    ProviderReview,
    ReviewBasis,
    ReviewGround,
    ReviewState,
    User,
)
from marketplace.services import provider_reviews
from marketplace.services.errors import (
    AlreadyDecided,
    FieldError,
    NotAllowed,
    NotFound,
    TokenExpired,
    TooManyAttempts,
)
from tests.support.builders import LIFFRE_CORMIER, siret
from tests.support.threads import at_once

TEXT = "Deux matinées claires, et nous vendons nos confitures en ligne depuis."


@pytest.fixture
def firm(market):
    return market.organisation(name="Confitures du Puits")


@pytest.fixture
def provider(market):
    return market.provider("Passerelle", email="bonjour@passerelle.example")


def submit(provider, firm, *, by, **fields) -> ProviderReview:
    told = {"rating": 4, "text": TEXT, "in_good_faith": True, **fields}
    return provider_reviews.submit(provider.id, firm.id, by=by, **told)


def decide(review, *, by, **fields) -> ProviderReview:
    told = {"accept": True, "version": provider_reviews.version_of(review), **fields}
    return provider_reviews.decide(review.id, by=by, **told)


REFUSAL = {"accept": False, "ground": ReviewGround.DISRESPECTFUL, "facts": "« Des bons à rien. »"}


class TestWriting:
    def test_a_review_waits_for_a_moderator(self, market, provider, firm):
        review = submit(provider, firm, by=market.speaker(firm))

        assert (review.state, review.basis) == (ReviewState.PENDING, ReviewBasis.SERVICE)
        assert provider_reviews.published(provider.id, page=1).total == 0

    def test_an_exchange_that_the_site_knows_of_is_said(self, market, firm):
        theirs = market.organisation(siret=siret(70_000))
        known = market.provider("Connu", siret=siret(70_000), siren=siret(70_000)[:9])
        market.match(
            need=market.need(organisation=firm), offer=market.offer(organisation=theirs),
            state=MatchState.COMPLETED,
        )  # fmt: skip

        assert submit(known, firm, by=market.speaker(firm)).basis is ReviewBasis.EXCHANGE

    def test_one_review_a_structure_the_second_replaces_the_first(self, market, provider, firm):
        first = decide(submit(provider, firm, by=market.speaker(firm)), by=market.moderator())

        second = submit(provider, firm, by=market.employee(firm), rating=2)

        assert (second.id, second.rating, second.state) == (first.id, 2, ReviewState.PENDING)
        assert second.decided_at is None

    def test_two_people_of_one_structure_at_once_make_one(self, app, market, provider, firm):
        people = [market.speaker(firm).id, market.employee(firm).id]
        told = {"rating": 4, "text": TEXT, "in_good_faith": True}
        provider_id, firm_id = provider.id, firm.id

        def write(user_id: int) -> ProviderReview:
            user = db.session.get_one(User, user_id)
            return provider_reviews.submit(provider_id, firm_id, by=user, **told)

        at_once(app, *(partial(write, user_id) for user_id in people))
        assert len(db.session.scalars(select(ProviderReview)).all()) == 1

    def test_nobody_writes_for_a_structure_of_others(self, market, provider, firm):
        with pytest.raises(NotFound):
            submit(provider, firm, by=market.user())

    def test_nobody_writes_without_a_confirmed_address_or_for_a_suspended_structure(self, market, provider):
        newcomer = market.user(confirmed=False)
        with pytest.raises(NotAllowed):
            submit(provider, market.organisation(manager=newcomer), by=newcomer)

    def test_a_provider_does_not_review_itself_nor_its_other_establishments(self, market):
        itself = market.organisation(siret=siret(70_000))
        known = market.provider("Connu", siren=siret(70_000)[:9])

        with pytest.raises(NotAllowed):
            submit(known, itself, by=market.speaker(itself))
        assert provider_reviews.writers(known.id, by=market.speaker(itself)) == []

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"rating": 0}, "rating"),
            ({"rating": 6}, "rating"),
            ({"text": "Bien."}, "text"),
            ({"text": "x" * 1501}, "text"),
            ({"in_good_faith": False}, "in_good_faith"),
        ],
    )
    def test_what_cannot_be_taken_names_its_field(self, market, provider, firm, fields, field):
        with pytest.raises(FieldError) as refusal:
            submit(provider, firm, by=market.speaker(firm), **fields)
        assert refusal.value.field == field

    def test_a_provider_that_left_the_lists_is_not_found(self, market, firm, clock):
        gone = market.provider(retired_at=clock.now)

        with pytest.raises(NotFound):
            submit(gone, firm, by=market.speaker(firm))

    def test_nobody_floods_the_moderators(self, market, provider, firm, monkeypatch):
        monkeypatch.setattr(provider_reviews, "REVIEWS_PER_DAY", 1)
        submit(provider, firm, by=market.speaker(firm))

        with pytest.raises(TooManyAttempts):
            submit(provider, firm, by=market.speaker(firm))


class TestDeciding:
    def test_a_published_review_tells_its_author_and_the_provider(self, market, provider, firm, outbox):
        moderator = market.moderator()

        decide(submit(provider, firm, by=market.speaker(firm)), by=moderator)

        assert "est en ligne" in outbox.last(to=market.speaker(firm).email).subject
        assert "/prestataires/avis/" in outbox.last(to="bonjour@passerelle.example").text
        line = db.session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
        assert (line.action, line.actor_id) == ("provider_review.published", moderator.id)

    def test_a_refused_review_tells_its_author_the_rule_and_the_facts(self, market, provider, firm, outbox):
        decide(submit(provider, firm, by=market.speaker(firm)), by=market.moderator(), **REFUSAL)

        text = outbox.last(to=market.speaker(firm).email).text
        assert "Le ton est irrespectueux" in text
        assert "Des bons à rien" in text
        assert "six mois pour contester" in text
        assert outbox.to("bonjour@passerelle.example") == []

    def test_one_that_is_online_can_be_taken_off(self, market, provider):
        review = market.review(provider, state=ReviewState.PUBLISHED)

        decide(review, by=market.moderator(), **REFUSAL)

        assert provider_reviews.published(provider.id, page=1).total == 0

    @pytest.mark.parametrize(("missing", "value"), [("ground", None), ("facts", " ")])
    def test_a_refusal_needs_its_reasons(self, market, provider, missing, value):
        review = market.review(provider)

        with pytest.raises(FieldError) as refusal:
            decide(review, by=market.moderator(), **{**REFUSAL, missing: value})
        assert refusal.value.field == missing

    def test_elsewhere_it_does_not_exist(self, market, provider):
        review = market.review(provider)
        stranger = market.moderator(LIFFRE_CORMIER)

        for act in (
            lambda: decide(review, by=stranger),
            lambda: provider_reviews.desk(review.id, by=stranger),
        ):
            with pytest.raises(NotFound):
                act()
        assert provider_reviews.queue(by=stranger, page=1).total == 0

    def test_nobody_decides_on_a_review_of_their_own_structure(self, market, provider, firm):
        moderator = market.moderator()
        market.employee(firm, user=moderator)
        review = market.review(provider, organisation=firm)

        with pytest.raises(NotAllowed):
            decide(review, by=moderator)
        assert provider_reviews.queue(by=moderator, page=1).total == 0
        assert provider_reviews.desk(review.id, by=moderator).is_own

    def test_who_is_no_moderator_has_no_queue(self, market):
        with pytest.raises(NotAllowed):
            provider_reviews.queue(by=market.user(), page=1)

    def test_a_text_that_changed_meanwhile_is_read_again(self, market, provider, firm):
        review = submit(provider, firm, by=market.speaker(firm))
        version = provider_reviews.version_of(review)
        submit(provider, firm, by=market.speaker(firm), rating=1)

        with pytest.raises(FieldError) as refusal:
            decide(review, by=market.moderator(), version=version)
        assert refusal.value.field == "version"

    @pytest.mark.parametrize("state", [ReviewState.PUBLISHED, ReviewState.REFUSED])
    def test_what_is_decided_is_decided(self, market, provider, state):
        reasons = {"ground": ReviewGround.ILLEGAL, "facts": "x"} if state is ReviewState.REFUSED else {}
        review = market.review(provider, state=state, **reasons)

        with pytest.raises(AlreadyDecided):
            decide(review, by=market.moderator())


class TestReplying:
    @pytest.fixture
    def online(self, market, provider):
        return market.review(provider, state=ReviewState.PUBLISHED)

    def test_a_reply_waits_and_can_be_changed_by_the_same_link(self, market, online):
        token = provider_reviews.reply_token(online)

        provider_reviews.reply(token, "Merci.")
        review = provider_reviews.reply(token, "Merci beaucoup.")

        assert (review.reply, review.reply_state) == ("Merci beaucoup.", ReviewState.PENDING)
        assert provider_reviews.queue(by=market.moderator(), page=1).total == 1

    def test_once_online_the_link_is_over(self, market, online):
        token = provider_reviews.reply_token(online)
        review = provider_reviews.reply(token, "Merci.")
        version = provider_reviews.version_of(review)

        provider_reviews.decide_reply(review.id, accept=True, by=market.moderator(), version=version)

        with pytest.raises(TokenExpired):
            provider_reviews.reply(token, "Encore.")

    def test_a_refused_reply_tells_the_provider_why_and_may_be_written_anew(self, market, online, outbox):
        token = provider_reviews.reply_token(online)
        review = provider_reviews.reply(token, "Menteurs.")
        version = provider_reviews.version_of(review)

        provider_reviews.decide_reply(
            review.id, accept=False, by=market.moderator(), version=version, facts="« Menteurs »"
        )

        assert "« Menteurs »" in outbox.last(to="bonjour@passerelle.example").text
        assert provider_reviews.reply(token, "Pardon.").reply_state is ReviewState.PENDING

    def test_a_reply_is_refused_with_facts_only_and_by_its_moderators_only(self, market, online):
        review = provider_reviews.reply(provider_reviews.reply_token(online), "Merci.")
        version = provider_reviews.version_of(review)

        with pytest.raises(FieldError):
            provider_reviews.decide_reply(review.id, accept=False, by=market.moderator(), version=version)
        with pytest.raises(NotFound):
            provider_reviews.decide_reply(
                review.id, accept=True, by=market.moderator(LIFFRE_CORMIER), version=version
            )

    def test_a_link_is_for_one_text_and_for_half_a_year(self, market, provider, firm, clock):
        review = decide(submit(provider, firm, by=market.speaker(firm)), by=market.moderator())
        token = provider_reviews.reply_token(review)
        assert provider_reviews.read_reply(token).id == review.id

        clock.move(days=181)
        with pytest.raises(TokenExpired):
            provider_reviews.read_reply(token)

        submit(provider, firm, by=market.speaker(firm), rating=1)
        with pytest.raises(TokenExpired):
            provider_reviews.read_reply(provider_reviews.reply_token(review))

    def test_only_an_administrator_enters_a_reply(self, market, online):
        with pytest.raises(NotAllowed):
            provider_reviews.reply_for(online.id, "Merci.", by=market.moderator())

        assert provider_reviews.reply_for(online.id, "Merci.", by=market.admin()).reply == "Merci."

    @pytest.mark.parametrize("text", ["", "  ", "x" * 1501])
    def test_a_reply_has_a_length(self, online, text):
        with pytest.raises(FieldError):
            provider_reviews.reply(provider_reviews.reply_token(online), text)
