# Needs Python ≥ 3.11, make and a package registry; README.md explains each target.
PYTHON ?= python3
BIN := .venv/bin
INSTALL = $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: run test check bench lock
.DELETE_ON_ERROR:

run: .venv/site
	DEMONSTRATION=1 $(BIN)/flask --app wsgi serve --demo

test: .venv/dev
	$(BIN)/pytest --numprocesses auto --dist loadgroup

check: .venv/dev
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports && $(BIN)/pytest -q tests/test_migrations.py

bench: .venv/bench
	$(BIN)/python -m tests.benchmarks

lock: .venv/dev
	$(INSTALL) uv && $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --all-extras --upgrade --no-header --no-annotate --no-emit-index-url --no-emit-find-links pyproject.toml --output-file constraints.txt

.venv/bin/pip:
	$(PYTHON) -m venv .venv

.venv/site: pyproject.toml constraints.txt | .venv/bin/pip
	$(INSTALL) --editable . && touch $@

.venv/dev: pyproject.toml constraints.txt | .venv/bin/pip
	$(INSTALL) --editable '.[test,check]' && touch $@ .venv/site

.venv/bench: pyproject.toml constraints.txt | .venv/bin/pip
	$(INSTALL) --editable '.[test,check,bench]' && touch $@ .venv/site .venv/dev
