# The book's commands. `make help` lists them; README.md has the same for Windows.
SHELL := /bin/bash
PYTHON ?= python3
NOTEBOOK ?=
SCALE ?= cpu
TEST_SCALE ?= smoke
WHAT ?=
ROWS ?=
PORT ?= 8000
BIN := .venv/bin
READY := .venv/.ready
# Two test processes on shared cores: waiting threads must sleep, not spin.
QUIET := OMP_WAIT_POLICY=PASSIVE GOMP_SPINCOUNT=0
PAGES := _build/html
SOURCES := $(shell find book notebooks -type f -not -path '*/.ipynb_checkpoints/*' -not -path '*/__pycache__/*' 2>/dev/null) \
	_config.yml _toc.yml $(wildcard benchmarks/results.json .git/config)

.DEFAULT_GOAL := help
.PHONY: help env book serve lab run test mutants browser compare bench stale lint clean

help: ## list the commands
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | awk -F'\t' '{printf "  make %-9s %s\n", $$1, $$2}'

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is older than Python 3.11: install 3.11 or later, or pass PYTHON=python3.11"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

env: $(READY) ## make the environment .venv

$(PAGES)/.built: $(READY) $(SOURCES)
	$(BIN)/jupyter-book build . -W -n --keep-going
	@touch $@

book: $(PAGES)/.built ## build the web book from the stored outputs
	@echo "The book is at $(CURDIR)/$(PAGES)/index.html"

serve: book ## show the book in a browser (PORT=8000)
	@$(BIN)/python tools/serve.py --port $(PORT) --directory $(PAGES)

lab: $(READY) ## open the notebooks in JupyterLab
	$(BIN)/jupyter lab --notebook-dir notebooks

run: $(READY) ## execute notebooks and store outputs (NOTEBOOK=... SCALE=smoke|cpu|gpu)
	$(BIN)/python tools/notebooks.py run $(NOTEBOOK) --scale $(SCALE)

browser: $(READY)
	@$(BIN)/python tools/browser.py

test: book browser ## run every test; on a machine with CUDA also with TEST_SCALE=gpu
	$(QUIET) OMP_NUM_THREADS=1 FMLIB_SCALE=$(TEST_SCALE) $(BIN)/python -m pytest -n 2 --dist loadscope \
		--nbval-lax --nbval-current-env --nbval-cell-timeout=120 tests notebooks

mutants: $(READY) ## put every slip in a right answer to the exercise checks (some are in make test)
	$(QUIET) OMP_NUM_THREADS=1 $(BIN)/python tools/mutants.py --processes 2

compare: $(READY) ## compute the many-seed comparisons into the ledger (WHAT=contrastive ROWS="simclr moco")
	$(BIN)/python -m fmlib.results.compare $(WHAT) $(if $(ROWS),--rows $(ROWS))

bench: $(READY) ## time our parts against the reference libraries
	$(BIN)/python tools/bench.py

stale: $(READY) ## list stored outputs that a change may have outdated
	@$(BIN)/python tools/notebooks.py stale

lint: $(READY) ## check the style of code and notebooks
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

clean: ## remove what was built, keep the environment
	rm -rf _build runs
