"""A scheduler of dask.distributed with two worker processes, on this machine."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

# One worker of xdist starts the cluster for them all.
on_the_cluster = pytest.mark.xdist_group("cluster")


@contextmanager
def two_workers() -> Iterator[str]:
    """Yield the address of the scheduler; skip the test where dask.distributed is not installed."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", scheduler_port=0
    ) as cluster:
        yield cluster.scheduler_address
