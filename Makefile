# make demo: from nothing to a report.  make test: the whole suite.  Both set up .venv first.
# make docs: the site, in site/.  make oldest, make wheel-test: what docs/releasing.md asks for.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

OLDEST = $(VENV)-oldest
# What reads and writes files, scores and draws: where packages change. Trainings take minutes more.
OLDEST_TESTS ?= tests/records tests/test_registry.py tests/reports/figures \
	tests/metrics/test_bootstrap.py tests/metrics/test_scoring.py tests/datasets/cars3d tests/datasets/nvidia \
	tests/datasets/folder tests/datasets/test_official.py tests/nn/test_tiles.py
LOCKED ?= torch

.PHONY: demo test lint docs oldest wheel-test model-pages reported-page clean

demo: $(VENV)/installed
	$(BIN)/dis-bench run --models betavae --betas 1 4 10
	$(BIN)/dis-bench report

test: $(VENV)/installed-dev
	$(BIN)/python -m pytest -n logical --maxprocesses 8 --dist loadfile

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff check --preview --select PLW1514 . # text files name their encoding
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/installed-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build # warnings are errors: mkdocs.yml

# The oldest versions that setup.cfg allows; torch is as locked, since its old wheels take gigabytes: make oldest LOCKED=
oldest:
	$(PYTHON) -m venv --clear $(OLDEST)
	$(PYTHON) .ci/oldest.py --but $(LOCKED) > $(OLDEST)/constraints.txt
	$(OLDEST)/bin/python -m pip install --quiet --constraint $(OLDEST)/constraints.txt --editable . hypothesis pytest
	NUMBA_CACHE_DIR=$(abspath $(OLDEST))/numba $(OLDEST)/bin/python -m pytest -W ignore $(OLDEST_TESTS)

wheel-test: $(VENV)/installed-dev
	$(BIN)/python .ci/wheel_test.py $(WHEEL_TEST)

model-pages: $(VENV)/installed
	$(BIN)/python docs/model_pages.py # docs/models/NAME.md, from the code and the figures

reported-page: $(VENV)/installed
	$(BIN)/python docs/reported_page.py # docs/reported.md, from the published figures and results/reference/

$(VENV)/installed: setup.cfg pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "dis-bench needs Python 3.11 or newer; name one: make PYTHON=python3.12 ..."; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) $(OLDEST) build dist site *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
