# `make check` and `make test` do all the set-up. They need make and Python 3.11 or newer; with
# another name for it: make PYTHON=python3.12 check
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt
DIGITS := examples/digits.npz

.PHONY: check test test-browser test-engines scale-dask bench lint setup clean

check: setup
	$(BIN)/unikl kl $(DIGITS):teacher_logits $(DIGITS):student_logits --given logits --backend all
	$(BIN)/unikl check

# In parts: compiled programs stay in a process's memory, several GB in all.
test: setup .venv/triton
	UNIKL_TRITON=.venv/triton $(BIN)/python -m pytest -n 2 tests \
		--ignore=tests/browser --ignore=tests/distributions --ignore=tests/engines
	$(BIN)/python -m pytest -n 2 tests/distributions
	$(BIN)/python -m pytest -n 2 conformance --ignore=conformance/test_tensorflow.py
	$(BIN)/python -m pytest -n 2 conformance/test_tensorflow.py -k function
	$(BIN)/python -m pytest -n 2 conformance/test_tensorflow.py -k "not function"
	$(BIN)/python -m pytest tests/engines

# In a real browser; installs Debian's chromium by apt and playwright by pip.
test-browser: setup
	PYTHON=$(BIN)/python bash tests/browser/run.sh

# The engines that take long to start, Spark and Ray; installs them, and Java by apt.
test-engines: setup
	PYTHON=$(BIN)/python bash tests/engines/run.sh

# 8 GiB of logits through two Dask workers of 1 GB each, either chunking.
scale-dask: setup
	UNIKL_NUM_THREADS=1 $(BIN)/python -m tests.engines.dask_memory cluster rows --gib 8
	UNIKL_NUM_THREADS=1 $(BIN)/python -m tests.engines.dask_memory cluster categories --gib 8

bench: setup
	$(BIN)/python -m benchmarks --docs docs/speed.md

lint: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

setup: .venv/.installed

# torch first and by its exact pin: unpinned, it brings several GB of CUDA packages.
.venv/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("unikl needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	@echo "installing into .venv: a few minutes, once"
	$(PYTHON) -m venv .venv
	$(PIP) "$$(grep '^torch==' constraints.txt)"
	$(PIP) -e '.[all,cli,dev]'
	touch $@

# Apart from the rest: a process that has loaded TensorFlow aborts when Triton is imported.
.venv/triton: .venv/.installed
	$(PIP) --no-deps --target $@ "$$(grep '^triton==' constraints.txt)"
	touch $@

clean:
	rm -rf .venv build dist
