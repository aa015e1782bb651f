# The book's commands. `make help` lists them; README.md has the same for Windows.
SHELL := /bin/bash
PYTHON ?= python3
NOTEBOOK ?=
SCALE ?= cpu
TEST_SCALE ?=
INSTALLER ?=
WHAT ?=
ROWS ?=
PORT ?= 8000
BIN := .venv/bin
READY := .venv/.ready
PAGES := _build/html
SOURCES := $(shell find book notebooks -type f -not -path '*/.ipynb_checkpoints/*' -not -path '*/__pycache__/*' 2>/dev/null) \
	_config.yml _toc.yml $(wildcard benchmarks/results.json .git/config)

# The environment says where it was made; one that was moved since, or that is not whole, is made again.
ifneq ($(shell cat $(READY) 2>/dev/null),$(realpath .venv))
.PHONY: $(READY)
endif

# Two processes on shared cores: waiting threads must sleep, not spin.
QUIET := OMP_WAIT_POLICY=PASSIVE GOMP_SPINCOUNT=0 OMP_NUM_THREADS=1

.DEFAULT_GOAL := help
.PHONY: help env book serve lab run test mutants devices browser compare bench stale lint clean

help: ## list the commands
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | awk -F'\t' '{printf "  make %-9s %s\n", $$1, $$2}'

$(READY): requirements.txt tools/environment.py
	@$(PYTHON) tools/environment.py $(if $(INSTALLER),--with $(INSTALLER))

env: $(READY) ## make the environment .venv, with uv where it is on the PATH, else pip (INSTALLER=uv|pip)

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

test: book browser ## run every test; where torch sees CUDA the notebooks at scale gpu, too (TEST_SCALE=smoke|gpu: only that)
	@$(BIN)/python tools/run_tests.py $(if $(TEST_SCALE),--scale $(TEST_SCALE))

mutants: $(READY) ## put every slip in a right answer to the exercise checks (some are in make test)
	@$(QUIET) $(BIN)/python tools/mutants.py --processes 2

devices: $(READY) ## run every lesson and comparison on a device that refuses what a GPU refuses (a few are in make test)
	@$(QUIET) $(BIN)/python -m pytest -n 2 --every-lesson tests/test_lessons_on_another_device.py

compare: $(READY) ## compute the many-seed comparisons into the ledger (WHAT=contrastive ROWS="simclr moco")
	$(BIN)/python -m fmlib.results $(WHAT) $(if $(ROWS),--rows $(ROWS))

bench: $(READY) ## time our parts against the reference libraries
	$(BIN)/python tools/bench.py

stale: $(READY) ## list stored outputs that a change may have outdated
	@$(BIN)/python tools/notebooks.py stale

lint: $(READY) ## check the style of code and notebooks
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

clean: ## remove what was built, keep the environment
	rm -rf _build runs
