# `make run` and `make test` do all the set-up they need; `make install` is their shared first step.
PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
ARGS ?=

.PHONY: run test install lint types unit long lock clean
.DEFAULT_GOAL := run

run: install
	@$(BIN)/logo-tf run $(ARGS)

test: install lint types unit

install: $(STAMP)

$(STAMP): requirements.lock setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || \
	  { echo "logo_tf needs CPython 3.11 ($(PYTHON) is: $$($(PYTHON) --version 2>&1 | head -n 1)); install it, or run: make PYTHON=/path/to/python3.11" >&2; exit 2; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "logo_tf needs Python's venv module; on Debian: apt-get install python3.11-venv" >&2; exit 2; }
	$(PYTHON) -m venv --clear $(VENV)
# Byte code is made when a module is first imported: of what is installed most never is.
	$(BIN)/pip install --quiet --no-compile --disable-pip-version-check -c requirements.lock -e '.[dev,ray,smax,vault]'
	@touch $@

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(BIN)/mypy

# One thread a worker: two workers fill two cores, and sums come in one order. Files begin in
# their own order: by their number of tests, those of few and long ones would come last.
unit: install
	TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1 OMP_NUM_THREADS=1 \
	  $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder --durations=10 $(ARGS)

# What takes minutes each and is not among make test.
long: install
	$(BIN)/pytest -m long $(ARGS)

# Resolve setup.cfg anew and write down what came out.
lock:
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev,ray,smax,vault]'
	$(BIN)/pip check
	$(BIN)/pip freeze --exclude-editable > requirements.lock

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
