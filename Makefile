# `make` explains itself; `make run` and `make test` need Python 3.11 and make, nothing else.
PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
MARKET ?= england
OUT    ?= out/$(MARKET)
PORT   ?= 8080

.DEFAULT_GOAL := help
.PHONY: help run serve console test test-integration test-browser bench-console bench-lifecycle demo test-core fuzz check lint format typecheck compile schema lock bench bench-demand bench-decision bench-markets bench-serving bench-batch stress-serving soak crash clean
.PHONY: bench-eks test-manifests objects image images test-images deploy release-dry-run

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

serve: $(VENV)/.installed ## Serve the champions over HTTP and gRPC (PORT=8080)
	@$(BIN)/jackpot serve --port $(PORT)

console: $(VENV)/.installed ## The decision in a browser, of what `make run` made (PORT=8090)
	@$(BIN)/python -m serving.console --port $(if $(filter file,$(origin PORT)),8090,$(PORT))

test: check $(VENV)/.installed ## All checks and all tests
	@$(BIN)/pytest -n 2 -m "not slow" tests/core
	@$(BIN)/pytest -n 2 --dist loadgroup -m "not integration" tests/adapters tests/cli tests/pipelines
	@$(BIN)/pytest -n 2 --dist loadscope tests/serving
	@$(BIN)/pytest -n 2 tests/manifests
	@$(BIN)/pytest -n 2 -m "slow and not integration" tests/core

test-integration: $(VENV)/.installed ## Whole lives on real PostgreSQL and S3: killed, raced, promoted, backfilled (many minutes)
	@$(BIN)/pytest -rs -n 2 --dist loadgroup -m integration tests/core tests/adapters tests/cli tests/pipelines

test-core: $(VENV)/.installed ## The core's tests alone: seconds
	@$(BIN)/pytest -n 2 -m "not slow" tests/core

fuzz: $(VENV)/.installed ## 10,000 mangled market files, histories and command lines (minutes)
	@$(BIN)/pytest -n 2 tests/fuzz.py

test-browser: $(VENV)/.installed ## The console in a real Chromium, with axe-core (skipped where not installed)
	@$(BIN)/pytest -rs tests/console_walk.py

crash: $(VENV)/.installed ## Batch scoring killed 50 times at random points (minutes)
	@$(BIN)/pytest tests/crash.py

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

bench-serving: $(VENV)/.installed ## The server beside an empty KServe model and MLflow's (FULL=1: longer)
	@$(BIN)/python -m benchmarks.serving $(if $(FULL),--full)

stress-serving: $(VENV)/.installed ## Swaps, SIGTERMs, 5,000 broken requests, an outage, memory (FULL=1: 50,000, a million)
	@$(BIN)/python -m benchmarks.stress $(if $(FULL),--full)

soak: $(VENV)/.installed ## A day in small: mixed traffic, swaps, bad input, an outage (MINUTES=15)
	@$(BIN)/python -m benchmarks.soak --minutes $(or $(MINUTES),15)

bench-batch: $(VENV)/.installed ## Batch scoring of ten million rows
	@$(BIN)/python -m benchmarks.batch

bench-console: $(VENV)/.installed ## The console in Chromium and over HTTP (SHORT=1: minutes)
	@$(BIN)/python -m benchmarks.console $(if $(SHORT),--short)

bench-markets: $(VENV)/.installed ## 10,000 random valid markets, each answer checked by other means (an hour)
	@$(BIN)/python -m benchmarks.random_markets

bench-lifecycle: $(VENV)/.installed ## Gates, monitoring and what else the model's life is measured by
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m benchmarks.lifecycle

demo: $(VENV)/.installed ## A model's whole life in under three minutes, told in docs/lifecycle.md (out/demo)
	@$(BIN)/python -m benchmarks.demo

bench-eks: $(VENV)/.installed ## Manifests, schedules, canaries, a fleet, a failing Kubeflow (FULL=1: 64 markets)
	@$(BIN)/python -m benchmarks.eks $(if $(FULL),--full)

bench: $(VENV)/.installed ## Time the weekly pipeline, step by step
	@$(BIN)/python -m benchmarks.weekly

test-manifests: $(VENV)/.installed ## The manifests: rendered, validated, held to their policies (needs kubectl, no cluster)
	@$(BIN)/pytest -n 2 tests/manifests

objects: $(VENV)/.installed ## Write docs/objects.md and docs/access.md from the manifests
	@$(BIN)/python -m manifests.documents

DOCKER     ?= docker
BASE_IMAGE ?=
image: ## Build the images pipeline and serving (BASE_IMAGE=… for another base)
	@for target in serving pipeline; do DOCKER_BUILDKIT=1 $(DOCKER) build --target $$target \
		$(if $(BASE_IMAGE),--build-arg BASE_IMAGE=$(BASE_IMAGE)) --build-arg COMMIT=$$(git rev-parse HEAD) \
		$(if $(CA),--secret id=ca$(comma)src=$(CA)) --tag jackpot-optimiser/$$target:$$(git rev-parse --short=12 HEAD) . || exit; done
comma := ,

test-images: $(VENV)/.installed image ## Build the images and run them hardened, without a network (skipped without Docker)
	@DOCKER=$(DOCKER) $(BIN)/pytest -rs tests/images.py

images: ## Name the images of an environment (ENV=staging PIPELINE=sha256:… SERVING=sha256:…)
	@$(PYTHON) -m manifests.images $(ENV) $(PIPELINE) $(SERVING)

deploy: ## Apply an environment's services to the cluster that kubectl points at (ENV=staging)
	@sh manifests/deploy.sh $(ENV)

release-dry-run: test-manifests ## What of a release can be done here: images, pipelines by digest, rendered manifests
	@$(MAKE) --no-print-directory image
	@$(BIN)/jackpot compile --image jackpot-optimiser/pipeline@$$($(DOCKER) image inspect --format '{{.Id}}' \
		jackpot-optimiser/pipeline:$$(git rev-parse --short=12 HEAD)) --out out/pipelines
	@for env in staging production; do kubectl kustomize manifests/overlays/$$env >/dev/null && echo "$$env renders"; done
	@echo "Next: push a tag; .github/workflows/release.yaml pushes, signs and deploys"

lock: $(VENV)/.installed ## Renew the locks from pyproject.toml
	@sh requirements.sh $(BIN)/uv

clean: ## Remove what make made (recommendations under out/ and var/ stay)
	@rm -rf $(VENV) *.egg-info .mypy_cache .ruff_cache .hypothesis
