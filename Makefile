# `make figure1` and `make test` set up all they need in .venv; PYTHON chooses the interpreter.
# With `CONSTRAINT=` it takes the newest versions instead of those of constraints.txt.
PYTHON ?= python3
CONSTRAINT ?= --constraint constraints.txt
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet $(CONSTRAINT)

.PHONY: figure1 test slow torch check docs notebook pictures bench dist wheel clean

figure1: .venv/core  ## train three networks and draw Figure 1
	$(BIN)/grokscope figure 1

test: .venv/test  ## the tests of three seconds each at most: five minutes on two cores
	$(BIN)/python -m pytest -n 2 --dist worksteal

slow: .venv/test  ## the others: trainings, clusters, kills, browsers, the pages' shell examples
	$(BIN)/python -m pytest -n 2 --dist worksteal -m slow

torch: .venv/test .venv/torch  ## the tests that need PyTorch, a large package
	$(BIN)/python -m pytest -n 2 tests/runs/test_elsewhere.py tests/analysis/test_predictions.py \
	    tests/models/test_normalization.py tests/test_docs.py docs/how-to/from-elsewhere.md \
	    src/grokscope/session

check: .venv/check  ## lint, format, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

docs: .venv/docs  ## the documentation as web pages, with the reference made from docstrings
	$(BIN)/sphinx-build --quiet --fail-on-warning docs docs/_build
	@echo "documentation  docs/_build/index.html"

notebook: .venv/test  ## the tutorial as a notebook, run
	$(BIN)/python docs/tutorial_notebook.py

pictures: .venv/core  ## the documentation's diagrams, from the sweeps in results
	$(BIN)/grokscope phases results/figure3a.nc --out docs/images/figure3a.png
	for n in 3 7 9 10 11 12 13 14 16 26 27 28 29 30 31 32; do \
	    $(BIN)/grokscope figure $$n --from results --out docs/images/figure$$n.png || exit 1; done

bench: .venv/bench  ## print every speed and memory ratio
	for script in benchmarks/*.py; do $(BIN)/python $$script || exit 1; done

dist: .venv/dist  ## the source archive and the wheel, in dist
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/twine check --strict dist/*

wheel: dist  ## draw Figure 1 from the wheel, in an empty environment with the newest versions
	folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && wheel=$$(ls "$(CURDIR)"/dist/*.whl) && \
	    $(PYTHON) -m venv "$$folder/env" && cd "$$folder" && \
	    env/bin/python -m pip --disable-pip-version-check install --quiet "$$wheel" && \
	    env/bin/grokscope figure 1 --scale quick

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "grokscope needs Python 3.11 or newer; set PYTHON, as in: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv

.venv/core: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) --editable .
	@touch $@

.venv/test .venv/torch .venv/check .venv/docs .venv/bench .venv/dist: .venv/%: .venv/core
	$(PIP) --editable '.[$*]'
	@touch $@

clean:
	rm -rf .venv dist docs/_build docs/reference
