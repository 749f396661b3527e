# Python 3.11 or newer, make and git are all that is needed: the rest goes into .venv.
#   make demo         the quickstart on a stack of its own, with a worker killed in the middle
#   make test         every test but the long ones        make test ARGS="tests/unit -k names"
#   make check        the gates: format, lint, types, import contracts, migrations, docs
#   make bench        the figures of benchmarks/README.md
#   make chaos        10,000 calls while all dies         make chaos ARGS="--seed 7 --calls 1000"
#   make nightly      everything that takes long
#   make docs         the documentation, into site/

PYTHON ?=
JOBS ?= 4
ARGS ?=
PY := .venv/bin/python

.DEFAULT_GOAL := help
.PHONY: help environment demo test check bench chaos nightly docs

help:
	@sed -n '2,8s/^#  //p' Makefile

# A venv that is already there makes itself ready; else the first Python that is new enough does.
environment:
	@for python in $(PYTHON) $(PY) python3 python3.14 python3.13 python3.12 python3.11 python; do \
		if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			exec "$$python" .ci/environment.py; \
		fi; \
	done; \
	echo 'venv: no Python 3.11 or newer was found' >&2; \
	echo 'hint: install one, or name it: make PYTHON=/path/to/python3' >&2; \
	exit 1

demo: | environment
	@$(PY) -m pyfi demo $(ARGS)

test: | environment
	$(PY) -m pytest -n $(JOBS) --dist worksteal -m "not nightly" $(ARGS)

check: | environment
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	.venv/bin/lint-imports --no-logo
	@if [ -f pyfi/db/check.py ]; then echo '$(PY) -m pyfi.db.check'; $(PY) -m pyfi.db.check; fi
	$(PY) -m mkdocs build --strict --quiet

bench: | environment
	@$(PY) -m benchmarks $(ARGS)

chaos: | environment
	@$(PY) -m tests.faults.chaos $(ARGS)

nightly: | environment
	$(PY) -m pytest -n $(JOBS) --dist worksteal $(ARGS)
	$(PY) -m tests.faults.chaos

docs: | environment
	$(PY) -m mkdocs build --strict
