# Every target sets itself up from a bare Python 3.11+: nothing is installed outside this checkout.
PYTHON ?= python3
VENV := .venv
ifneq ($(origin PYTHON),file) # a Python that is asked for gets an environment of its own beside a .venv of another version
VENV := $(or $(shell $(PYTHON) -c "import pathlib, sys; want = '%d.%d' % sys.version_info[:2]; \
	there = pathlib.Path('.venv/pyvenv.cfg'); same = not there.exists() or 'version = ' + want + '.' in there.read_text(); \
	print('.venv' if same else '.venv-' + want)"),.venv)
endif
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif
READY := $(VENV)/.ready
PYTEST := $(BIN)/python -m pytest -n logical --dist worksteal
ROUNDS ?= 10
ARGS ?=

.PHONY: demo test quick fuzz check bench chaos mutants guests i18n fmt lock clean help

help: ## what can be asked
	@grep -hE '^[a-z0-9]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

demo: $(READY) ## trade from a chat page in the browser, against a simulated broker
	@$(BIN)/python -m bot demo $(ARGS)

test: $(READY) ## all tests, on every core; ARGS="tests/unit/orders -k cancel" for a few, ARGS=--lf for what failed last
	@$(PYTEST) $(ARGS)

quick: $(READY) ## the unit tests of the domain and the store, for the inner loop
	@$(PYTEST) -m "not slow" tests/unit/orders tests/unit/alerts tests/unit/reports tests/unit/store $(ARGS)

fuzz: $(READY) ## the property tests with new random examples, ROUNDS times; what fails is kept in .hypothesis and tried first
	@for round in $$(seq $(ROUNDS)); do echo "round $$round of $(ROUNDS)"; \
		$(PYTEST) -m hypothesis --hypothesis-profile=fuzz $(ARGS) || exit 1; done

check: $(READY) ## style, format, types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: $(READY) ## speed, as ratios taken in one run
	@$(BIN)/python -m tests.bench $(ARGS)

chaos: $(READY) ## faults by the hundred, and what became of the orders
	@$(BIN)/python -m tests.chaos $(ARGS)

mutants: $(READY) ## small changes to what decides about orders, each of which the tests must notice
	@$(BIN)/python -m tests.mutants $(ARGS)

guests: $(READY) ## other KIS clients against the simulator, in an environment of their own
	@$(BIN)/python -m tests.guests $(ARGS)

i18n: $(READY) ## bring the Korean catalogue up to date with the sentences in the code, and compile it
	@$(BIN)/python scripts/catalogue.py

fmt: $(READY) ## put the code in order
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lock: $(READY) ## renew requirements.lock: exact versions with hashes, without the address of any index
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv export --quiet --all-groups --no-emit-project --no-header --no-annotate --format requirements-txt -o requirements.lock
	@$(BIN)/uv export --quiet --no-dev --no-default-groups --no-emit-project --no-header --no-annotate --format requirements-txt -o deploy/requirements.lock
	@rm -f uv.lock

clean: ## forget the environment and every cache
	rm -rf .venv .venv-* .mypy_cache .ruff_cache .hypothesis .pytest_cache

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "kisbot needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.12 ...")'
	@echo "[1/3] $(VENV): creating a private environment ..."
	@$(PYTHON) -m venv $(VENV)
	@echo "[2/3] $(VENV): installing the locked packages (a minute at most) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@echo "[3/3] $(VENV): installing kisbot itself ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@$(PYTHON) -c 'open("$(READY)", "w").close()'
