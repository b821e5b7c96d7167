# Each target sets up what it needs: .venv with the exact versions of constraints.txt, once, then it runs.
#   make train ARGS="model=gps dataset=zinc"    make test    make check    make bench
#   make report FOLDER=runs: report.html, a page over a folder of runs
#   make pictures FOLDER=runs: that page as a reader sees it, wide and narrow, light and dark (needs chromium)
#   make docs: the documentation, in site/    make notebooks: runs each from top to bottom
#   make slow: the tests that `make test` leaves out, half an hour
#   make cuda: the kernels for GPUs compile and load (needs nvcc, no GPU)    make sanitize: the sanitizers find nothing
SHELL := /bin/bash -o pipefail
PYTHON ?= python3
ARGS ?=
FOLDER ?= runs
VENV := .venv
READY := $(VENV)/.ready

.PHONY: train test check bench report pictures docs notebooks slow cuda sanitize

train: $(READY)
	$(VENV)/bin/python train.py $(ARGS)

test: $(READY)
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n 2 --dist worksteal $(ARGS)

slow: $(READY)
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -m slow --ignore tests/ops/test_cuda.py --ignore tests/ops/test_sanitizers.py $(ARGS)

check: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/pyright --pythonpath $(VENV)/bin/python

cuda: $(READY)
	$(VENV)/bin/python -m pytest -m slow tests/ops/test_cuda.py $(ARGS)

sanitize: $(READY)
	$(VENV)/bin/python -m pytest -m slow tests/ops/test_sanitizers.py $(ARGS)

bench: $(READY)
	$(VENV)/bin/python -m kernels.bench $(ARGS)

report: $(READY)
	$(VENV)/bin/python -m gnnlab.results report $(FOLDER) $(ARGS)

pictures: report
	@for width in 1400 400; do for scheme in 1 0; do \
	  chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --blink-settings=preferredColorScheme=$$scheme \
	    --window-size=$$width,3000 --screenshot=report-$$width-$$scheme.png file://$(CURDIR)/report.html 2> /dev/null; \
	done; done; ls report-*.png

docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/python -m mkdocs build -q $(ARGS)

notebooks: $(VENV)/.notebooks
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n 2 --nbmake --nbmake-kernel=python3 --nbmake-timeout=600 notebooks $(ARGS)

$(VENV)/.docs $(VENV)/.notebooks: $(VENV)/.%: $(READY)
	@$(VENV)/bin/pip install -qq --disable-pip-version-check -c constraints.txt -e ".[$*]"
	@touch $@

$(READY): pyproject.toml setup.py constraints.txt
	@echo "Installing gnnlab into $(VENV) (once, a few minutes)"
	@$(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/pip install --progress-bar off --disable-pip-version-check -c constraints.txt -e ".[dev]" \
	  | grep --line-buffered -oE "^(Collecting|Installing) [^(]{1,60}"
	@touch $@
