"""Asking pages elsewhere whether they are still there, politely: few at once, and one at a time of a host."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

HOSTS_AT_ONCE = 4
REDIRECTS_MAX = 5
# Servers that do not know HEAD, or answer it with anything.
_ASK_AGAIN_FROM = 400


@dataclass(frozen=True, slots=True)
class LinkConfig:
    """`timeout`: seconds for each answer; `agent`: who asks, and where to complain."""

    timeout: float
    agent: str


def from_config(config: Mapping[str, object]) -> LinkConfig:
    return LinkConfig(
        timeout=float(str(config["LINK_TIMEOUT_SECONDS"])),
        agent=f"besoin-savoir-faire-links (+{config['PUBLIC_URL']})",
    )


def statuses(urls: Sequence[str], config: LinkConfig) -> dict[str, int | None]:
    """Return the HTTP status at the end of each address, None where nothing answered."""
    by_host: dict[str, list[str]] = defaultdict(list)
    for url in urls:
        by_host[urlsplit(url).netloc].append(url)
    found: dict[str, int | None] = {}
    with (
        httpx.Client(
            timeout=config.timeout,
            follow_redirects=True,
            max_redirects=REDIRECTS_MAX,
            headers={"User-Agent": config.agent},
        ) as client,
        ThreadPoolExecutor(HOSTS_AT_ONCE) as pool,
    ):
        for told in pool.map(lambda host: _of_host(client, by_host[host]), by_host):
            found |= told
    return found


def _of_host(client: httpx.Client, urls: Sequence[str]) -> dict[str, int | None]:
    return {url: _status(client, url) for url in urls}


def _status(client: httpx.Client, url: str) -> int | None:
    try:
        status = client.head(url).status_code
        if status < _ASK_AGAIN_FROM:
            return status
        with client.stream("GET", url) as answer:  # the page itself is not read
            return answer.status_code
    except (httpx.HTTPError, httpx.InvalidURL):
        return None
