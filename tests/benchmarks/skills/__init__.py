"""How well sentences are understood: `python -m tests.benchmarks.skills`. Results: docs/skills.md."""
