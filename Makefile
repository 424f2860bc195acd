# Set-up, checks, tests and the demonstration. `make` alone lists the targets.
# PYTHON chooses the interpreter for a new .venv:  make test PYTHON=python3.12

SHELL := /bin/sh
.SHELLFLAGS := -eu -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

# -- help

.PHONY: help
help:  ## list the targets
	@echo "Omnigraph. Every target installs what it needs into $(VENV) first."
	@echo
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

# -- set-up

.PHONY: install
install: $(INSTALLED)  ## make .venv and install omnigraph into it, editable, with the pinned versions

$(INSTALLED): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null 2>&1 || { \
	  echo "Omnigraph needs Python 3.11 or newer, and '$(PYTHON)' is not on the PATH. Install it, or name another: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Omnigraph needs Python 3.11 or newer, and $(PYTHON) is %d.%d. Name another: make PYTHON=python3.12" % sys.version_info[:2])'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) cannot make virtual environments: its modules venv and ensurepip are missing." >&2; \
	  echo "On Debian and Ubuntu they come with the package python3-venv. Or name another Python: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { echo "making $(VENV)"; $(PYTHON) -m venv --clear $(VENV); }
	@echo "installing omnigraph and its development tools into $(VENV) (once; a minute or two)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt setuptools
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --no-build-isolation --editable '.[dev]'
	@touch $@

# -- use

.PHONY: demo
demo: $(INSTALLED)  ## build a graph of the Python packages installed here, ask it five questions, serve it until Ctrl-C
	@$(BIN)/python demo/build.py
	@$(BIN)/python demo/serve.py

.PHONY: demo-s3
demo-s3: $(INSTALLED)  ## the same on a real S3 server, which is started for it and stopped again
	@$(BIN)/python demo/s3.py

# -- development

.PHONY: test
test: check  ## everything: the checks, then all tests with a coverage report
	$(BIN)/python -m pytest -n auto --cov --cov-report=term

.PHONY: check
check: $(INSTALLED)  ## lint, formatting, types and the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict src
	$(BIN)/lint-imports

.PHONY: fmt
fmt: $(INSTALLED)  ## format the code and mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: bench
bench:  ## how to run the benchmarks
	@echo "The benchmarks compare Omnigraph with other databases and need those installed: see bench/README.md"

.PHONY: clean
clean:  ## remove .venv, caches and everything that was built
	rm -rf $(VENV) build dist demo/build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage .coverage.*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	find . -name '*.egg-info' -type d -prune -exec rm -rf {} +
