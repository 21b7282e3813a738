# Every verb works from a fresh clone: what it needs, it makes. `make` alone lists them.
PY ?= python3
BIN := .venv/bin
SLICE ?= 20261121
PROFILE ?= soak

.DEFAULT_GOAL := help
.PHONY: help install demo test lint bench soak dev lock docs clean

help: ## list the verbs
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

install: .venv/.done ## make .venv from the hash-pinned lock file

.venv/.done: requirements.lock pyproject.toml
	$(PY) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: install ## the main job, end to end, against the sandbox
	$(BIN)/fortnight demo

test: install ## all tests, with a fixed-seed slice of the random ones (SLICE names the seed)
	@echo "tests: fixed-seed slice $(SLICE)"
	SLICE=$(SLICE) $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not soak" --hypothesis-seed=$(SLICE) -p no:cacheprovider

lint: install ## ruff, pyright strict, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

bench: install ## the measures; NAMES="startup pull" chooses
	$(BIN)/python -m benchmarks $(NAMES)

soak: install ## the long counts behind the promises; ROUNDS=25 is all, fewer is a share
	$(BIN)/python -m pytest -m soak --hypothesis-profile=$(PROFILE) -p no:cacheprovider

dev: install ## Dagster's web UI and daemon on the example project
	$(BIN)/fortnight dev --project infra/project

lock: install ## resolve the lock file anew: names, versions, hashes; no addresses
	$(BIN)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-header --no-annotate --upgrade --quiet --output-file requirements.lock

docs: install ## regenerate what in the docs is generated
	$(BIN)/python -m docs

clean: ## stop the sandbox and the demo's web UI, remove what the project made
	-@test ! -x $(BIN)/fortnight || $(BIN)/fortnight sandbox down --project infra/project
	-@test ! -f infra/project/.fortnight/webserver.pid || kill -- -$$(cat infra/project/.fortnight/webserver.pid) 2>/dev/null
	rm -rf .pytest_cache .ruff_cache .hypothesis build dist *.egg-info infra/project/.fortnight infra/project/data infra/project/.env
