# Each target sets up what it needs: .venv with the exact versions of constraints.txt, once, then it runs.
#   make train ARGS="model=gps dataset=zinc"    make test    make check    make bench
PYTHON ?= python3
ARGS ?=
VENV := .venv
READY := $(VENV)/.ready

.PHONY: train test check bench

train: $(READY)
	$(VENV)/bin/python train.py $(ARGS)

test: $(READY)
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n 2 $(ARGS)

check: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/pyright --pythonpath $(VENV)/bin/python

bench: $(READY)
	$(VENV)/bin/python -m kernels.bench $(ARGS)

$(READY): pyproject.toml setup.py constraints.txt
	@echo "Installing gnnlab into $(VENV) (once, a few minutes)"
	@$(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/pip install -qq --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@
