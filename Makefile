# One command each: `make demo` runs the main job on real images, `make test` proves the tree, `make bench` measures;
# `make bench BENCH="engines pipeline"` only these, `make bench BENCH="--quick engines"` for a first look.
PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
JOBS ?= 2
BENCH ?=

# Compiled modules are kept: the tests start a hundred processes, and each would compile the sources anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup demo test lint unit bench messages clean

setup: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: setup
	$(BIN)/headstart demo -o runs/demo

test: lint unit

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: setup
	$(BIN)/pytest -n $(JOBS) --dist loadscope

bench: setup
	$(BIN)/python benchmarks/run.py $(BENCH)

# The catalogue that translators of the report begin with; a test asks for it when a message was changed.
messages: setup
	$(BIN)/python tests/report/gather_messages.py

clean:
	rm -rf $(VENV) benchmarks/.peers benchmarks/.weights .mypy_cache .ruff_cache .pytest_cache .import_linter_cache build dist src/*.egg-info
