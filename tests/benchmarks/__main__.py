"""`make bench`: each benchmark in turn, in a process of its own so that none pays for the memory of another.

Each can be run alone, with its options: python -m tests.benchmarks.assignment --help.
"""

import subprocess
import sys

BENCHMARKS = (
    "assignment",
    "reoptimisation",
    "candidates",
    "circles",
    "rounds",
    "instant",
    "search",
    "providers",
    "quality",
    "skills",
    "moderation",
)


def main() -> int:
    """Run them all; 1 when one fails."""
    failed = 0
    for name in BENCHMARKS:
        print(f"\n== {name}", flush=True)
        failed |= subprocess.run([sys.executable, "-m", f"tests.benchmarks.{name}"], check=False).returncode
    return int(failed != 0)


if __name__ == "__main__":
    sys.exit(main())
