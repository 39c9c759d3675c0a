# `make` explains itself; `make run` and `make test` need Python 3.11 and make, nothing else.
PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
MARKET ?= england
OUT    ?= out/$(MARKET)

.DEFAULT_GOAL := help
.PHONY: help run test test-core fuzz check lint format typecheck compile schema lock bench bench-demand bench-decision clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  \033[1mmake %-12s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.installed: requirements-dev.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is needed: install it, or say where it is: make run PYTHON=/path/to/python3.11"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.lock
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes --compile-bytecode requirements-dev.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

run: $(VENV)/.installed ## Recommend this week's jackpot: the whole pipeline on this machine (MARKET=england)
	@$(BIN)/jackpot run $(MARKET) --out $(OUT)

test: check $(VENV)/.installed ## All checks and all tests
	@$(BIN)/pytest -n 2 -m "not slow" tests/core
	@$(BIN)/pytest -n 2 --dist loadgroup tests/adapters tests/cli tests/pipelines
	@$(BIN)/pytest -n 2 -m slow tests/core

test-core: $(VENV)/.installed ## The core's tests alone: seconds
	@$(BIN)/pytest -n 2 -m "not slow" tests/core

fuzz: $(VENV)/.installed ## 10,000 mangled market files, histories and command lines (minutes)
	@$(BIN)/pytest -n 2 tests/fuzz.py

check: lint typecheck ## Lint, format, types, one-way imports

lint: $(VENV)/.installed
	@$(BIN)/ruff check --quiet . && $(BIN)/ruff format --check --quiet .
	@out=$$($(BIN)/lint-imports --no-cache) || { echo "$$out"; exit 1; }

typecheck: $(VENV)/.installed
	@$(BIN)/mypy --no-error-summary

format: $(VENV)/.installed ## Format the code
	@$(BIN)/ruff check --quiet --fix . ; $(BIN)/ruff format --quiet .

compile: $(VENV)/.installed ## Compile the pipelines into pipelines/compiled
	@$(BIN)/jackpot compile

schema: $(VENV)/.installed ## Write the JSON Schemas into configs/schema
	@$(BIN)/jackpot schema --out configs/schema

bench-demand: $(VENV)/.installed ## The forecast on real histories (DATA=folder of them)
	@$(BIN)/python -m benchmarks.demand --data $(DATA)

bench-decision: $(VENV)/.installed ## The decision engine against exact answers
	@$(BIN)/python -m benchmarks.decision

bench: $(VENV)/.installed ## Time the weekly pipeline, step by step
	@$(BIN)/python -m benchmarks.weekly

lock: $(VENV)/.installed ## Renew the locks from pyproject.toml
	@sh requirements.sh $(BIN)/uv

clean: ## Remove what make made (recommendations under out/ and var/ stay)
	@rm -rf $(VENV) *.egg-info .mypy_cache .ruff_cache .hypothesis
