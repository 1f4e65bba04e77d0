# goldroot: everything here works from a clean clone; the environment in .venv makes itself when it is first needed.
# Set PYTHON to choose an interpreter, GOLDROOT_APT=no to keep `make test` from installing Debian packages.

VENV ?= .venv
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$p; break; }; done)
# Seconds that the slow tests may take; what does not begin in time is skipped.
BUDGET ?= 600
# Which of the slow tests.
SLOW ?= slow or integration or crash
# How many tests that failed are run once more, alone, before they count as failed: for machines with a load that comes and goes.
AGAIN ?= 0
# More arguments for the quick tests, for instance: make test T='tests/merge -k laws'
T ?=

BIN := $(VENV)/bin
# The pools of workers, the kills and the locks of the tests need no help from bytecode that another user wrote.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow lint format types layers docs walk bench check clean venv venv-docs

help: ## This list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

demo: venv ## The main job, from gold to rollback, in a temporary site
	@$(BIN)/goldroot demo

test: venv ## The quick tests; as root on Debian it installs the packages that they want
	@tools/debian-packages
	tools/run-tests --again $(AGAIN) $(BIN)/python $(T)

test-slow: venv ## The slow tests (real Debian roots, kills) within BUDGET seconds
	@tools/debian-packages slow
	@$(BIN)/python -c 'import libvirt' 2>/dev/null || ! pkg-config --exists libvirt 2>/dev/null || \
		$(BIN)/pip install -q 'libvirt-python>=9' || echo 'libvirt-python could not be built; its tests are skipped'
	tools/run-tests --again $(AGAIN) $(BIN)/python --slow -m '$(SLOW)' --budget $(BUDGET)

lint: venv ## ruff: rules and layout
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: venv ## Let ruff lay the code out
	$(BIN)/ruff format .

types: venv ## mypy --strict
	$(BIN)/mypy

layers: venv ## Which room may import which (import-linter)
	$(BIN)/lint-imports --no-cache

docs: venv-docs ## HTML and man pages in build/, warnings are errors
	$(BIN)/python -m sphinx -q -W --keep-going -b html -d build/doctrees docs build/html
	$(BIN)/python -m sphinx -q -W --keep-going -b man -d build/doctrees docs build/man
	@echo "build/html/index.html, build/man/goldroot.1"

walk: ## What README, the tutorial, the how-tos and the helps show, typed word for word on a fresh Debian 12 (root, mmdebstrap)
	tools/fresh-machine root-walk

bench: venv ## Benchmarks against rsync, diff and cp
	@for file in bench/*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

check: lint types layers test docs ## Everything but the slow tests

clean: ## Remove what was built, .venv too
	rm -rf build dist .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache docs/reference/generated
	find src tests docs tools bench -name __pycache__ -type d -prune -exec rm -rf {} +

venv:
	@test -n "$(PYTHON)" || { echo 'goldroot needs Python 3.11 or newer; none was found. Name one: make PYTHON=/path/to/python3'; exit 1; }
	@$(PYTHON) tools/venv.py $(VENV) dev

venv-docs: venv
	@$(PYTHON) tools/venv.py $(VENV) dev docs
