"""The tables of seeds/demo: trades, texts and names that the demonstration market is composed from."""

import csv
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from marketplace.models import ListingKind, OrganisationKind
from marketplace.settings import ROOT

FOLDER = ROOT / "seeds" / "demo"
Row = dict[str, str]
Grouped = Mapping[tuple[str, ...], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Trade:
    """What a kind of firm is called, sells and says of itself. Skills of its `families` fit it."""

    slug: str
    naf: str
    kind: OrganisationKind
    families: frozenset[str]
    names: tuple[str, ...]
    label: str
    words: Mapping[str, str]
    contexts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DemoSkill:
    """How often a skill is asked and offered, and by which families of trades; by all when there are none."""

    slug: str
    weight: Mapping[ListingKind, int]
    families: frozenset[str]

    def fits(self, trade: Trade) -> bool:
        return not self.families or bool(self.families & trade.families)


@dataclass(frozen=True, slots=True)
class Tables:
    """`texts` by skill, kind and part (title, text); `sentences` by kind and part; `names` by kind."""

    trades: Mapping[str, Trade]
    trade_weights: tuple[int, ...]
    skills: tuple[DemoSkill, ...]
    texts: Grouped
    sentences: Grouped
    names: Grouped
    flagged: tuple[str, ...]
    cast_firms: tuple[Row, ...]
    cast_listings: tuple[Row, ...]


@lru_cache(maxsize=1)
def read_tables(folder: Path = FOLDER) -> Tables:
    """Return the tables, read once per process."""
    contexts = _grouped(rows(folder / "contexts.csv"), "trade")
    trades = rows(folder / "trades.csv")
    return Tables(
        trades={row["slug"]: _trade(row, contexts[(row["slug"],)]) for row in trades},
        trade_weights=tuple(int(row["weight"]) for row in trades),
        skills=tuple(_skill(row) for row in rows(folder / "skills.csv")),
        texts=_grouped(rows(folder / "skill_texts.csv"), "slug", "kind", "part"),
        sentences=_grouped(rows(folder / "sentences.csv"), "kind", "part"),
        names=_grouped(rows(folder / "names.csv"), "kind"),
        flagged=tuple(row["text"] for row in rows(folder / "flagged.csv")),
        cast_firms=tuple(rows(folder / "cast_firms.csv")),
        cast_listings=tuple(rows(folder / "cast_listings.csv")),
    )


def rows(path: Path) -> list[Row]:
    """Return the rows of one file of the demonstration."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter=";", strict=True))


def _grouped(rows: Iterable[Row], *keys: str) -> Grouped:
    groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for row in rows:
        groups[tuple(row[key] for key in keys)].append(row["text"])
    return dict(groups)


def _trade(row: Row, contexts: Sequence[str]) -> Trade:
    return Trade(
        slug=row["slug"],
        naf=row["naf"],
        kind=OrganisationKind(row["kind"]),
        families=_set(row["families"]),
        names=tuple(row["names"].split("|")),
        label=row["label"],
        words={name: row[name] for name in ("goods", "customers", "place")},
        contexts=tuple(contexts),
    )


def _skill(row: Row) -> DemoSkill:
    weight = {kind: int(row[f"{kind}_weight"]) for kind in ListingKind}
    return DemoSkill(row["slug"], weight, _set(row["families"]))


def _set(text: str) -> frozenset[str]:
    return frozenset(filter(None, text.split("|")))
