# Everything a person needs; `make` alone lists it.
VENV ?= .venv
PYTHON ?= python3
PORT ?= 3000
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
LOCKED := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-compile --require-hashes

.DEFAULT_GOAL := help
.PHONY: help install demo up test pytest lint bench lock clean

help: ## List what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

# By uv, in a third of the time; by pip where only pip is told of an index.
install: $(INSTALLED) ## Install into .venv, from the lock

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; name it: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (once)"
	@awk '/^uv==/ {on = 1} on {print} !/\\$$/ {on = 0}' requirements.lock > $(VENV)/uv.lock
	@$(LOCKED) -r $(VENV)/uv.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --require-hashes -r requirements.lock 2> /dev/null \
		|| $(LOCKED) -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q -j 0 -x '/(tests|pip|setuptools|mypy|dlt)/' $(VENV)/lib marketing_platform assets sensors resources > /dev/null 2>&1 || true
	@touch $@

demo: $(INSTALLED) ## Make a small shop, run everything on it, send its segments to a local receiver
	@$(BIN)/marketing-platform demo

up: $(INSTALLED) ## Open the Dagster UI on the data of the last run, at http://127.0.0.1:3000
	@$(BIN)/marketing-platform up --port $(PORT)

test: $(INSTALLED) ## Run the tests and the checks of the code
	@$(MAKE) --no-print-directory -j 2 lint pytest

# Beside the checks of the code: many tests wait.
pytest: $(INSTALLED)
	@$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder -q

lint: $(INSTALLED) ## Check style, types and the walls between the layers
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-cache > .lint-imports.log || { cat .lint-imports.log; exit 1; }
	@rm -f .lint-imports.log

bench: $(INSTALLED) ## Print the benchmarks: ratios within one run
	@for file in benchmarks/*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

lock: ## Write requirements.lock anew from pyproject.toml
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra dev --generate-hashes \
		--no-emit-index-url --no-emit-find-links --no-header --no-annotate pyproject.toml -o requirements.lock

clean: ## Remove the installation and all data
	rm -rf $(VENV) data
