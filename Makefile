# Two commands: `make study` runs the main job, `make test` passes the tests.
# Each alone does all the set-up on a machine with Python 3.11+, make and a C compiler.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
CODE := src tests benchmarks examples

.PHONY: study test test-slow check bench clean
study: $(READY)
	$(BIN)/modicum run

# Tests and the examples in docstrings, two workers at one thread each; the slow tests are run before
# an issue is resolved.
test: $(READY)
	OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false $(BIN)/python -m pytest -n 2 -q

test-slow: $(READY)
	OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false $(BIN)/python -m pytest -q -m slow tests

# Form, lint, types and floors; what CI asks before the tests.
check: $(READY)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)
	for name in sampling steering searching store reuse grpo compression exports recursive gram energy; do $(BIN)/python -m benchmarks.$$name; done

# An installed torch >= 2.11 is kept and used; otherwise torch goes in first, for anything that
# depends on it would bring the CUDA build.
$(READY): pyproject.toml
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'modicum needs Python 3.11 or newer')"
	@if $(PYTHON) -c "import torch; v = torch.__version__.split('.'); raise SystemExit((int(v[0]), int(v[1])) < (2, 11))" 2>/dev/null; then \
	  echo "keeping the installed torch"; $(PYTHON) -m venv --system-site-packages $(VENV); \
	else \
	  test -d $(VENV) || $(PYTHON) -m venv $(VENV); \
	  $(BIN)/python -c "import torch" 2>/dev/null || $(BIN)/python -m pip install -q torch==2.13.0; \
	fi
	$(BIN)/python -m pip install -q -e ".[gym,data,math,dev]"
	touch $(READY)

clean:
	rm -rf $(VENV)
