"""What a territory publishes, lacks and has in reserve, and who may read which number."""

from datetime import datetime, timedelta

import pytest

from marketplace.models import (
    Commune,
    DecisionAction,
    ListingState,
    MatchState,
    ModerationDecision,
    Territory,
)
from marketplace.services import dashboard
from marketplace.services.comparison import FEWEST_SIMILAR, Peers
from marketplace.services.dashboard import PARIS
from marketplace.services.errors import NotAllowed, NotFound
from marketplace.services.masking import FEWEST, Count, Hidden, told, told_column
from marketplace.services.waiting import Wait, quantile
from tests.support.builders import CESSON, LIFFRE, LIFFRE_CORMIER, RENNES, RENNES_METROPOLE
from tests.support.queries import counted

NOON = datetime(2026, 6, 15, 12, tzinfo=PARIS)


@pytest.fixture(autouse=True)
def midyear(clock):
    """In the middle of a month, so that a day more or less stays in it."""
    clock.set(NOON)


@pytest.fixture
def moderator(market):
    return market.moderator()


@pytest.fixture
def full(moderator):
    return lambda: dashboard.board(RENNES_METROPOLE, to=moderator)


def publicly():
    return dashboard.board(RENNES_METROPOLE, to=None)


def several(market, number, **fields):
    """Return needs of that many structures."""
    with market.in_one_transaction():
        return [market.need(organisation=market.organisation(), **fields) for _ in range(number)]


class TestMasking:
    def test_a_number_about_few_structures_is_not_told(self):
        assert told(Count(40, FEWEST - 1), in_full=False) is Hidden.FEW
        assert told(Count(40, FEWEST), in_full=False) == 40

    def test_none_is_told_because_it_is_about_nobody(self):
        assert told(Count(0, 0), in_full=False) == 0

    def test_moderators_read_every_number(self):
        assert told_column([Count(1, 1), Count(9, 9)], in_full=True) == [1, 9]

    def test_what_the_total_leaves_is_about_enough_structures(self):
        """Total 30: 30 − 21 would tell the 2 if the 7 were shown."""
        cells = told_column([Count(2, 2), Count(7, 6), Count(21, 9)], in_full=False)
        assert cells == [Hidden.FEW, Hidden.KEPT, 21]

    def test_nothing_more_is_masked_where_nothing_is_few(self):
        assert told_column([Count(0, 0), Count(7, 6)], in_full=False) == [0, 7]


class TestWaiting:
    def test_the_median_of_waits_that_all_ended(self):
        assert quantile([Wait(day, True) for day in (1, 2, 3, 4)], 0.5) == 2

    def test_who_still_waits_counts_for_the_time_they_waited(self):
        """Kaplan and Meier by hand: 1 − 3/4 · 1/2 = 0.625 at day 3; the wait of 2 days ran out between."""
        waits = [Wait(1, True), Wait(2, False), Wait(3, True), Wait(9, False)]
        assert quantile(waits, 0.5) == 3

    def test_a_share_that_is_not_reached_is_not_made_up(self):
        assert quantile([Wait(1, True), Wait(5, False), Wait(5, False)], 0.5) is None

    def test_nine_of_ten(self):
        assert quantile([Wait(day, True) for day in range(1, 11)], 0.9) == 9

    def test_nobody_waits(self):
        assert quantile([], 0.5) is None


class TestMonths:
    def test_twelve_months_end_with_this_one(self, app):
        starts = [(month.start.year, month.start.month) for month in publicly().months]
        assert starts[0] == (2025, 7)
        assert starts[-1] == (2026, 6)
        assert len(starts) == 12

    def test_a_listing_counts_in_the_month_of_legal_time_when_it_appeared(self, market, full):
        """1 May at 0:30 in Paris is still April in UTC."""
        market.need(published_at=datetime(2026, 5, 1, 0, 30, tzinfo=PARIS))

        months = {month.start.month: month.needs for month in full().months}
        assert (months[4], months[5]) == (0, 1)

    def test_what_is_older_is_left_out(self, market, full):
        market.need(published_at=NOON - timedelta(days=400))

        assert full().totals.published_needs == 0

    def test_matches_count_when_made_and_exchanges_when_done(self, market, full):
        made = NOON - timedelta(days=60)
        market.match(state=MatchState.COMPLETED, created_at=made, closed_at=NOON)
        market.match(state=MatchState.DECLINED, created_at=NOON, closed_at=NOON)

        board = full()
        assert (board.totals.matches, board.totals.exchanges, board.totals.unmet) == (2, 1, 1)
        assert [(m.matches, m.exchanges, m.unmet) for m in board.months if m.matches] == [
            (1, 0, 0),
            (1, 1, 1),
        ]

    def test_another_territory_does_not_count(self, market, full):
        elsewhere = market.organisation(commune=LIFFRE)
        market.match(need=market.need(organisation=elsewhere))

        assert full().totals.published_needs == 0
        assert full().totals.matches == 0


class TestPublicPart:
    def test_few_structures_are_masked_for_all_but_moderators(self, market, full):
        several(market, FEWEST - 1)

        assert publicly().totals.published_needs is Hidden.FEW
        assert publicly().totals.organisations is Hidden.FEW
        assert full().totals.published_needs == FEWEST - 1

    def test_one_structure_with_many_listings_is_masked_too(self, market):
        firm = market.organisation()
        with market.in_one_transaction():
            for _ in range(FEWEST + 1):
                market.need(organisation=firm)

        assert publicly().totals.published_needs is Hidden.FEW
        assert publicly().totals.needs is Hidden.FEW

    def test_enough_structures_are_told_to_all(self, market):
        several(market, FEWEST)

        assert publicly().totals.published_needs == FEWEST

    def test_a_match_is_about_the_structures_of_both_sides(self, market):
        helper = market.offer(capacity=4)
        for need in several(market, 4):
            market.match(need=need, offer=helper)

        assert publicly().totals.matches == 4

    def test_no_column_gives_a_masked_number_away(self, market):
        """Months of 2, 6 and 9 structures, and the total: the 2 must not follow from the rest."""
        for days, number in ((0, 9), (31, 6), (62, 2)):
            several(market, number, published_at=NOON - timedelta(days=days))

        board = publicly()
        assert [month.needs for month in board.months[-3:]] == [Hidden.FEW, Hidden.KEPT, 9]
        assert board.totals.published_needs == 17

    def test_waits_of_few_structures_are_masked(self, market, full):
        market.match()

        assert publicly().waits is Hidden.FEW
        assert full().waits.median == 0

    def test_a_rate_that_would_give_a_masked_number_away_is_masked(self, market, full):
        market.need()

        hidden = {rate.name: rate.own for rate in publicly().compared}
        assert hidden["needs"] is Hidden.FEW
        assert hidden["reached"] is Hidden.FEW
        assert {rate.name: rate.own for rate in full().compared}["needs"] > 0

    def test_how_long_moderators_take_is_for_them_alone(self, market, full):
        several(market, FEWEST)

        assert publicly().decisions is None
        assert publicly().in_full is False
        assert full().in_full is True

    def test_a_moderator_may_look_with_the_eyes_of_all(self, market, moderator):
        market.need()

        board = dashboard.board(RENNES_METROPOLE, to=moderator, publicly=True)
        assert board.totals.published_needs is Hidden.FEW

    @pytest.mark.parametrize("who", ["elsewhere", "firm"])
    def test_nobody_else_reads_it_in_full(self, market, who):
        need = market.need()
        reader = market.moderator(LIFFRE_CORMIER) if who == "elsewhere" else market.speaker(need)

        assert dashboard.board(RENNES_METROPOLE, to=reader).in_full is False

    def test_the_administrator_reads_it_in_full(self, market):
        assert dashboard.board(RENNES_METROPOLE, to=market.admin()).in_full is True


class TestSkills:
    def test_more_needs_than_places_is_tension_the_widest_first(self, market, full):
        several(market, 3, skill="boutique-en-ligne")
        several(market, 1, skill="tableur")
        market.offer(skill="boutique-en-ligne", capacity=1)

        found = [(each.skill.slug, each.needs, each.places, each.gap) for each in full().tension]
        assert found == [("boutique-en-ligne", 3, 1, 2), ("tableur", 1, 0, 1)]

    def test_more_places_than_needs_is_reserve(self, market, full):
        market.offer(skill="tableur", capacity=5, total_limit=2)

        (spare,) = full().reserve
        assert (spare.offers, spare.places, spare.gap) == (1, 2, -2)
        assert full().tension == []

    def test_a_need_with_a_match_and_a_taken_place_do_not_count(self, market, full):
        market.match(offer=market.offer(capacity=1))

        assert full().tension == []
        assert full().reserve == []

    def test_a_masked_gap_is_not_sorted_by(self, market):
        several(market, 6, skill="tableur")
        several(market, 6, skill="boutique-en-ligne")
        several(market, 2, skill="mots-de-passe")

        board = publicly()
        assert board.tension[-1].gap is Hidden.FEW


class TestWaitsOfNeeds:
    def test_the_first_match_ends_the_wait(self, market, full):
        for days in (2, 4, 6):
            need = market.need(published_at=NOON - timedelta(days=10))
            market.match(need=need, created_at=NOON - timedelta(days=10 - days))

        assert full().waits.median == 4

    def test_needs_that_wait_still_are_not_left_out(self, market, full):
        for _ in range(3):
            market.need(published_at=NOON - timedelta(days=10))
        need = market.need(published_at=NOON - timedelta(days=10))
        market.match(need=need, created_at=NOON - timedelta(days=9))

        assert full().waits.median is None

    def test_no_need_no_wait(self, full):
        assert full().waits is None

    def test_the_time_to_a_decision_is_measured_from_when_it_was_sent(
        self, market, full, moderator, db_session
    ):
        need = market.need(submitted_at=NOON - timedelta(days=3))
        db_session.add(
            ModerationDecision(
                listing_id=need.id,
                territory_siren=RENNES_METROPOLE,
                moderator_id=moderator.id,
                action=DecisionAction.APPROVE,
                snapshot={},
                decided_at=NOON - timedelta(days=1),
            )
        )
        db_session.commit()

        assert full().decisions.median == 2


class TestCommunes:
    def test_each_commune_is_told_also_where_there_is_nobody(self, market, full):
        market.need(organisation=market.organisation(commune=CESSON))

        figures = {each.commune.insee: each for each in full().communes}
        assert (figures[CESSON].organisations, figures[CESSON].needs, figures[CESSON].offers) == (1, 1, 0)
        assert figures[RENNES].organisations == 0
        assert len(figures) == 43
        assert full().totals.reached == 1

    def test_suspended_structures_and_what_is_over_do_not_count(self, market, full):
        market.need(organisation=market.organisation(suspended_at=NOON))
        market.need(state=ListingState.EXPIRED)

        assert full().totals.needs == 0
        assert full().totals.organisations == 1


class TestComparison:
    def others(self, db_session, *, like, number):
        """Return other territories of the type, of about the same size."""
        query = db_session.query(Territory).filter(
            Territory.type == like.type,
            Territory.siren != like.siren,
            Territory.population.between(like.population * 0.6, like.population * 1.6),
        )
        return query.order_by(Territory.siren).limit(number).all()

    def publish_in(self, market, db_session, territories):
        with market.in_one_transaction():
            for territory in territories:
                commune = db_session.query(Commune).filter_by(territory_siren=territory.siren).first()
                market.need(organisation=market.organisation(commune=commune.insee))

    def test_with_enough_similar_territories_the_average_is_theirs(self, market, full, db_session):
        mine = db_session.get(Territory, RENNES_METROPOLE)
        others = self.others(db_session, like=mine, number=FEWEST_SIMILAR)
        self.publish_in(market, db_session, others)

        found = full().comparison
        assert (found.peers, found.count) == (Peers.SIMILAR, FEWEST_SIMILAR)
        expected = sum(10_000 / other.population for other in others) / len(others)
        assert found.average.needs == pytest.approx(expected)

    def test_with_fewer_the_average_is_the_nations(self, market, full, db_session):
        mine = db_session.get(Territory, RENNES_METROPOLE)
        self.publish_in(market, db_session, self.others(db_session, like=mine, number=FEWEST_SIMILAR - 1))
        self.publish_in(market, db_session, [db_session.get(Territory, LIFFRE_CORMIER)])

        found = full().comparison
        assert (found.peers, found.count) == (Peers.NATION, FEWEST_SIMILAR)

    def test_a_territory_is_not_compared_with_a_handful(self, market, full, db_session):
        market.need()
        self.publish_in(market, db_session, [db_session.get(Territory, LIFFRE_CORMIER)])

        found = full().comparison
        assert (found.peers, found.average) == (Peers.NONE, None)


def test_an_unknown_territory_has_no_dashboard(app):
    with pytest.raises(NotFound):
        dashboard.board("000000000", to=None)


def test_the_number_of_queries_does_not_grow_with_the_market(market, moderator):
    def queries() -> int:
        with counted() as count:
            dashboard.board(RENNES_METROPOLE, to=moderator)
        return int(count)

    market.match()
    few = queries()
    for skill in ("tableur", "mots-de-passe", "boutique-en-ligne"):
        for need in several(market, 3, skill=skill):
            market.match(need=need)
    market.need(organisation=market.organisation(commune=LIFFRE))
    assert queries() == few


def test_the_desk_leads_to_ones_own_territories(market, moderator):
    assert [one.siren for one in dashboard.moderated(moderator)] == [RENNES_METROPOLE]
    with pytest.raises(NotAllowed):
        dashboard.moderated(market.user())
