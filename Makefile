# Few verbs. PYTHON selects the interpreter the environment is made from (>= 3.9).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PINS := requirements/pinned.txt requirements/pinned-openmmlab.txt
# One stamp for each state of the pins: an environment is reused until they change.
INSTALLED := $(VENV)/installed-$(shell cat $(PINS) setup.py | cksum | cut -d ' ' -f 1)
SOURCES := rocovis_mm tools tests configs setup.py noxfile.py
DEMO_DIR := work_dirs/demo
MMTRACK := work_dirs/mmtrack
# Processes of `make test`: one more than two cores, because some tests wait for processes.
TEST_JOBS ?= 3
# More arguments of tools/run_demo.py, such as DEMO_ARGS='--cfg-options train_cfg.max_iters=20'.
DEMO_ARGS ?=
# More arguments of tools/run_comparison.py, such as COMPARE_ARGS='--data-root data/mine'.
COMPARE_ARGS ?=
# pip would compile with one process, and the tests of packages too.
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --no-compile
COMPILED := $(INSTALLED)-compiled

.PHONY: help install demo demo-real compare test test-slow lint format docs matrix mmtrack clean

help:
	@echo 'make demo       install, generate data, train, test, draw: all lands in $(DEMO_DIR)'
	@echo 'make demo-real DATA=FOLDER  the same on your own videos with masks, from an ImageNet backbone; hours'
	@echo 'make compare    Table 2 of the paper in small: all rows from one start, five seeds each; hours'
	@echo 'make test       install, run the test suite'
	@echo 'make test-slow  the proofs that train for minutes'
	@echo 'make matrix     core tests in environments of other versions, each built anew; long'
	@echo 'make mmtrack    MMTracking in an environment of its own: trains and tests there (Python 3.11)'
	@echo 'make docs       the site of docs/, into work_dirs/site; warnings are errors'
	@echo 'make lint       style checks;  make format  mends what can be mended'
	@echo 'make clean      remove the environment and what demo and tests made'

install: $(COMPILED)

$(INSTALLED): $(PINS) setup.py
	@$(PYTHON) -c "import sys; v = sys.version_info; sys.exit(v < (3, 9) and 'rocovis_mm needs Python >= 3.9, $(PYTHON) is %d.%d; run: make PYTHON=/path/to/python' % v[:2])"
	@echo 'Installing the pinned environment into $(VENV) ...'
	@rm -f $(VENV)/installed-*
	@$(PYTHON) -m venv --clear $(VENV)
	@$(PIP) -r requirements/pinned.txt
	@$(PIP) --no-deps -r requirements/pinned-openmmlab.txt
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

# A file for a newer Python, such as torch has one, does not compile and is not missed.
$(COMPILED): $(INSTALLED)
	@$(BIN)/python -m compileall -qq -j 0 -x '/tests/' $(CURDIR)/$(VENV)/lib || true
	@touch $@

demo: $(INSTALLED)
	$(BIN)/python tools/run_demo.py --work-dir $(DEMO_DIR) $(DEMO_ARGS)

demo-real: $(INSTALLED)
	@test -n '$(DATA)' || { echo 'give the folder of your videos: make demo-real DATA=data/my_videos'; exit 2; }
	$(BIN)/python tools/run_demo.py --data '$(DATA)' $(DEMO_ARGS)

compare: $(INSTALLED)
	$(BIN)/python tools/run_comparison.py $(COMPARE_ARGS)

# Each process has one thread: small tensors are slower on several. Bytecode is kept
# even where the environment forbids it: every process would compile torch and the tests anew.
test: $(COMPILED)
	OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -m 'not slow' -n $(TEST_JOBS) --dist loadfile \
		--no-loadscope-reorder

test-slow: $(INSTALLED)
	$(BIN)/python -m pytest -m slow

lint: $(INSTALLED)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)

format: $(INSTALLED)
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

matrix: $(INSTALLED)
	$(BIN)/nox --tags quick

$(MMTRACK)/installed: requirements/mmtrack.txt requirements/mmtrack-openmmlab.txt
	$(PYTHON) -m venv --clear $(MMTRACK)
	$(MMTRACK)/bin/pip install --quiet --no-compile -r requirements/mmtrack.txt
	$(MMTRACK)/bin/pip install --quiet --no-compile --no-deps -r requirements/mmtrack-openmmlab.txt
	@touch $@

mmtrack: $(MMTRACK)/installed
	$(MMTRACK)/bin/python -m pytest tests/test_compat/test_mmtrack.py

docs: $(INSTALLED)
	$(PIP) -r requirements/docs.txt
	$(BIN)/mkdocs build --strict

clean:
	rm -rf build $(VENV) $(DEMO_DIR) $(DEMO_DIR)_before data/embedded data/embedded_hard *.egg-info
