"""« Mon parcours »: an exchange, a diagnosis or a training, then a provider with aid; each to be ticked."""

import pytest
from sqlalchemy import func, select

from marketplace.models import ListingState, MatchState, PathStep, PathTick
from marketplace.services import paths
from marketplace.services.errors import NotAllowed, NotFound
from tests.support import reference_data
from tests.support.builders import PARIS


@pytest.fixture
def firm(market):
    return market.organisation()


@pytest.fixture
def need(market, firm):
    return market.need(organisation=firm)


@pytest.fixture
def owner(market, need):
    return market.speaker(need)


def ticked(db_session):
    return db_session.scalar(select(func.count()).select_from(PathTick))


def test_the_exchanges_nearby_come_best_first_and_the_far_ones_not_at_all(market, need, owner):
    near = market.offer()
    market.offer(organisation=market.organisation(commune=PARIS))

    assert [found.listing.id for found in paths.show(need.id, by=owner).exchanges] == [near.id]


def test_an_exchange_under_way_takes_the_place_of_those_to_choose_from(market, need, owner):
    market.offer()
    match = market.match(need=need, state=MatchState.AGREED)

    path = paths.show(need.id, by=owner)
    assert (path.match.id, path.exchanges) == (match.id, [])


def test_a_match_that_is_over_opens_the_choice_again(market, need, owner):
    offer = market.offer()
    market.match(need=need, offer=market.offer(), state=MatchState.DECLINED)

    path = paths.show(need.id, by=owner)
    assert path.match is None
    assert offer.id in [found.listing.id for found in path.exchanges]


def test_trainings_and_aid_are_those_of_the_need(need, owner):
    reference_data.load_again("links.csv")

    help = paths.show(need.id, by=owner).help
    assert help.of("public_training")[0].link.key == "mon-compte-formation"
    assert "atelier-rgpd" not in [filled.link.key for filled in help.of("public_training")]
    assert "bpifrance" not in [filled.link.key for filled in help.of("aid")]  # for SMEs; this firm is small


def test_a_step_is_ticked_with_its_date_and_unticked(need, owner, db_session, clock):
    paths.tick(need.id, PathStep.EXCHANGE, done=True, by=owner)

    path = paths.show(need.id, by=owner)
    assert path.ticks[PathStep.EXCHANGE].done_at == clock.now
    assert path.next_step is PathStep.LEARN
    paths.tick(need.id, PathStep.EXCHANGE, done=False, by=owner)
    assert paths.show(need.id, by=owner).next_step is PathStep.EXCHANGE
    assert ticked(db_session) == 0


def test_a_step_ticked_twice_keeps_its_first_date(need, owner, db_session, clock):
    paths.tick(need.id, PathStep.LEARN, done=True, by=owner)
    first = clock.now
    clock.move(days=3)
    paths.tick(need.id, PathStep.LEARN, done=True, by=owner)

    assert paths.show(need.id, by=owner).ticks[PathStep.LEARN].done_at == first
    paths.tick(need.id, PathStep.PROVIDER, done=False, by=owner)
    assert ticked(db_session) == 1


def test_once_all_is_done_nothing_comes_next(need, owner):
    for step in PathStep:
        paths.tick(need.id, step, done=True, by=owner)

    assert paths.show(need.id, by=owner).next_step is None


def test_the_steps_of_one_need_are_not_those_of_another(market, firm, need, owner):
    other = market.need(organisation=firm)
    paths.tick(need.id, PathStep.LEARN, done=True, by=owner)

    assert paths.show(other.id, by=owner).ticks == {}


def test_a_path_is_for_those_who_speak_for_the_structure(market, need, db_session):
    for person in (market.user(), market.speaker(market.offer()), market.moderator(), market.admin()):
        with pytest.raises(NotFound):
            paths.show(need.id, by=person)
        with pytest.raises(NotFound):
            paths.tick(need.id, PathStep.LEARN, done=True, by=person)
    assert ticked(db_session) == 0


def test_colleagues_share_one_path(market, firm, need, owner):
    colleague = market.employee(firm)
    paths.tick(need.id, PathStep.LEARN, done=True, by=colleague)

    assert PathStep.LEARN in paths.show(need.id, by=owner).ticks


def test_what_one_offers_has_no_path(market):
    offer = market.offer()
    with pytest.raises(NotFound):
        paths.show(offer.id, by=market.speaker(offer))


def test_a_suspended_structure_reads_its_path_and_ticks_nothing(market, clock):
    need = market.need(organisation=market.organisation(suspended_at=clock.now))
    owner = market.speaker(need)

    assert paths.show(need.id, by=owner).exchanges == []
    with pytest.raises(NotAllowed):
        paths.tick(need.id, PathStep.LEARN, done=True, by=owner)


def test_a_need_that_is_not_online_has_its_path_without_exchanges(market):
    need = market.need(state=ListingState.PAUSED)
    market.offer()

    assert paths.show(need.id, by=market.speaker(need)).exchanges == []
