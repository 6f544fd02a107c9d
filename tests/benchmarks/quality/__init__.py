"""Is the ranking what a person would say? README.md tells how pairs were judged; `python -m` prints."""
