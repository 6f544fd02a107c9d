"""Candidates found by several machines, through dask.distributed (Rocklin 2015), where it is installed."""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from marketplace.matching.arrays import Edges, Needs, Offers
from marketplace.matching.candidates import by_need, find_candidates, require_reference
from marketplace.matching.policy import Policy
from marketplace.matching.sectors import SectorTree
from marketplace.matching.shards import Cutter, Shard
from marketplace.matching.skills import SkillGraph
from marketplace.matching.validation import IntArray, count

if TYPE_CHECKING:
    from distributed import Client, Future

# Needs of a shard: some seconds of work, so that sending it costs little and a lost worker too.
SHARD = 16_384
# Shards sent ahead for each worker: it never waits, and the scheduler never holds the whole market.
SENT_AHEAD = 2
# Times that a shard is tried again elsewhere when its worker is lost.
RETRIES = 3
WAIT_SECONDS = 10
# A policy as it travels.
Rules = tuple[Mapping[str, Any], SkillGraph, SectorTree]


class SchedulerUnreachable(ConnectionError):
    """No scheduler of dask.distributed answers at this address, it has no worker, or it is not installed."""


def find_candidates_on(
    scheduler: str,
    needs: Needs,
    offers: Offers,
    policy: Policy,
    *,
    top_k: int = 30,
    excluded: tuple[ArrayLike, ArrayLike] | None = None,
    on_progress: Callable[[float], None] | None = None,
    shard: int = SHARD,
) -> Edges:
    """Do as find_candidates(), on the workers of a scheduler of dask.distributed.

    Parameters
    ----------
    scheduler : str
        Its address, such as "tcp://10.0.0.1:8786". Its workers need this package, at this version.
    needs, offers, policy, top_k, excluded, on_progress
        See find_candidates(), which gives the same edges.
    shard : int
        Needs that one task treats.

    Returns
    -------
    Edges

    Raises
    ------
    SchedulerUnreachable
        When dask.distributed is not installed, nobody answers, or there is no worker.
    ValueError
        As find_candidates(), before anything is sent.

    Notes
    -----
    Each task is a Shard: the needs of an area and the offers that they may reach. This process holds the
    market once, and SENT_AHEAD shards for each worker; a worker holds its shard.
    """
    top_k, shard = count("top_k", top_k), count("shard", shard)
    if not shard:
        raise ValueError("shard must be at least 1")
    require_reference(needs, offers, policy)
    cut = Cutter(needs, offers, excluded=excluded)
    found: list[Edges] = []
    done = 0
    with _client(scheduler) as client:
        for part, edges in _answers(client, cut.shards(policy, shard), policy, top_k):
            found.append(part.in_market(edges))
            done += len(part.need)
            if on_progress:
                on_progress(done / len(needs))
    return by_need(found)


def _answers(
    client: "Client", parts: Iterator[Shard], policy: Policy, top_k: int
) -> Iterator[tuple[Shard, Edges]]:
    """Yield the shards with their edges in the order of their sending, whichever is ready first."""
    ahead = SENT_AHEAD * max(len(client.scheduler_info()["workers"]), 1)
    rules: Rules = (policy.to_mapping(), policy.skills, policy.sectors)
    waiting: list[tuple[Shard, Future[Edges]]] = []
    for part in parts:
        if len(waiting) == ahead:
            sent, future = waiting.pop(0)
            yield sent, future.result()
        listings = client.scatter((part.needs, part.offers, part.excluded), hash=False)
        waiting.append((part, client.submit(_found, listings, rules, top_k, pure=False, retries=RETRIES)))
    for sent, future in waiting:
        yield sent, future.result()


def _found(listings: tuple[Needs, Offers, tuple[IntArray, IntArray]], rules: Rules, top_k: int) -> Edges:
    """Find the candidates of a shard: what a worker does."""
    needs, offers, excluded = listings
    settings, skills, sectors = rules
    policy = Policy.from_mapping(settings, skills=skills, sectors=sectors)
    return find_candidates(needs, offers, policy, top_k=top_k, excluded=excluded)


def _client(scheduler: str) -> "Client":
    try:
        from distributed import Client  # noqa: PLC0415 (an optional extra)
    except ImportError as error:
        raise SchedulerUnreachable("dask.distributed is not installed: the extra is `distributed`") from error

    class Whole(Client):
        def start(self, **kwargs: Any) -> None:
            # One that failed would close itself when it is collected, perhaps while another starts and holds
            # the lock that closing waits for: for ever.
            try:
                super().start(**kwargs)
            except BaseException:
                self.close()
                self._loop_runner.stop()  # close() does not where the connection was never there
                raise

    try:
        client = Whole(scheduler, timeout=WAIT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise SchedulerUnreachable(f"no scheduler answers at {scheduler}") from error
    try:
        client.wait_for_workers(1, timeout=WAIT_SECONDS)
    except TimeoutError as error:
        client.close()
        raise SchedulerUnreachable(f"the scheduler at {scheduler} has no worker") from error
    return client
