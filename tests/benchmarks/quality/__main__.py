"""`python -m tests.benchmarks.quality`: the figures of docs/quality.md."""

from marketplace.matching import CRITERIA
from tests.benchmarks.quality.cases import cases, policy
from tests.benchmarks.quality.evaluation import Quality, evaluate, only, without


def main() -> None:
    judged, default = cases(), policy()
    whole = evaluate(judged, default)
    print(f"{len(judged)} needs, {sum(len(case.offers) for case in judged)} judged pairs")
    print(f"{'':<24}{'weight':>7}{'nDCG@10':>10}{'change':>9}{'precision@1':>13}")
    _line("the matcher", None, whole, whole)
    for name in CRITERIA:
        _line(
            f"without {name}", default.weights[name], evaluate(judged, default, without(name, default)), whole
        )
    for name in ("skill", "distance"):
        _line(f"by {name} alone", None, evaluate(judged, default, only(name)), whole)
    print("\nleast well ranked")
    for need, value in sorted(whole.ndcg_by_need.items(), key=lambda item: item[1])[:5]:
        print(f"  {need:<22}{value:.3f}")


def _line(name: str, weight: float | None, found: Quality, whole: Quality) -> None:
    part = "" if weight is None else f"{weight:.2f}"
    print(
        f"{name:<24}{part:>7}{found.ndcg:>10.3f}{found.ndcg - whole.ndcg:>+9.3f}{found.precision_at_1:>13.2f}"
    )


if __name__ == "__main__":
    main()
