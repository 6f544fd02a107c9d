"""Candidates found in shards, on workers of dask.distributed, are those that one machine finds."""

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketplace.matching import find_candidates
from marketplace.matching.candidates import by_need
from marketplace.matching.distributed import SchedulerUnreachable, find_candidates_on
from marketplace.matching.reach import in_reach
from marketplace.matching.shards import Cutter
from tests.benchmarks.national import market as national_market
from tests.matching.random_markets import markets
from tests.matching.small import needs, offers, policy
from tests.support.clusters import on_the_cluster

examples = settings(max_examples=60, deadline=None)


def equal(one, other):
    for column in ("need", "offer", "distance_km", "weight"):
        np.testing.assert_array_equal(getattr(one, column), getattr(other, column))


@examples
@given(market=markets(), size=st.integers(1, 5), top_k=st.integers(1, 4))
def test_the_shards_of_a_market_together_give_what_the_whole_gives(market, size, top_k):
    found = []
    for part in Cutter(market.needs, market.offers, excluded=market.banned).shards(market.policy, size):
        edges = find_candidates(part.needs, part.offers, market.policy, top_k=top_k, excluded=part.excluded)
        found.append(part.in_market(edges))

    whole = find_candidates(market.needs, market.offers, market.policy, top_k=top_k, excluded=market.banned)
    equal(by_need(found), whole)


@examples
@given(market=markets())
def test_no_offer_that_fits_is_out_of_reach(market):
    reached = set(in_reach(market.needs, market.offers, market.policy).tolist())

    assert {offer for _, offer in market.feasible()} <= reached


@on_the_cluster
def test_two_workers_find_what_one_machine_finds(scheduler):
    market = national_market(3_000, 3_000)
    told = []

    found = find_candidates_on(
        scheduler, market.needs, market.offers, market.policy, shard=700, on_progress=told.append
    )

    equal(found, find_candidates(market.needs, market.offers, market.policy))
    assert told == sorted(told)
    assert told[-1] == 1


def test_a_shard_goes_with_the_offers_around_it():
    market = national_market(3_000, 3_000)

    parts = list(Cutter(market.needs, market.offers).shards(market.policy, 300))

    assert sum(len(part.need) for part in parts) == 3_000
    assert np.mean([len(part.offer) for part in parts]) < 1_500


@on_the_cluster
def test_pairs_that_are_refused_are_refused_by_every_worker(scheduler):
    asking, offering = needs(4), offers(4)
    banned = np.indices((4, 4)).reshape(2, -1)

    assert len(find_candidates_on(scheduler, asking, offering, policy(), shard=2))
    assert not len(
        find_candidates_on(scheduler, asking, offering, policy(), shard=2, excluded=(banned[0], banned[1]))
    )


@on_the_cluster
def test_an_empty_market_has_no_candidates(scheduler):
    assert not len(find_candidates_on(scheduler, needs(0), offers(0), policy()))


def loops() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "IO loop"]


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nowhere", ""])
def test_a_scheduler_that_does_not_answer_is_told(monkeypatch, address):
    pytest.importorskip("distributed")
    monkeypatch.setattr("marketplace.matching.distributed.WAIT_SECONDS", 0.3)

    before = loops()
    with pytest.raises(SchedulerUnreachable, match="no scheduler answers") as told:
        find_candidates_on(address, needs(1), offers(1), policy())
    # What is left would be closed whenever it is collected: while another starts, for ever.
    assert loops() == before, told


def test_a_scheduler_without_worker_is_told(monkeypatch):
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr("marketplace.matching.distributed.WAIT_SECONDS", 0.3)
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address=":0", scheduler_port=0) as cluster,
        pytest.raises(SchedulerUnreachable, match="no worker"),
    ):
        find_candidates_on(cluster.scheduler_address, needs(1), offers(1), policy())


def test_a_bad_row_is_refused_before_anything_is_sent():
    with pytest.raises(ValueError, match="excluded"):
        find_candidates_on("tcp://127.0.0.1:1", needs(1), offers(1), policy(), excluded=([0], [5]))
    with pytest.raises(ValueError, match="shard"):
        find_candidates_on("tcp://127.0.0.1:1", needs(1), offers(1), policy(), shard=0)
