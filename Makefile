# Targets for people and for CI. Each one sets up what it needs; a second run does no work twice.

PYTHON ?= python3
EXTRAS := onnx,tflite,torch,serve,study,loadgen,update,sim,formal,dev
# What the simulation needs besides: a C++ compiler for Verilator, and Icarus for its four values;
# what the tests of the device `pynq` need: FUSE, for a board's kernel; and Tcl, for the scripts that
# vendor tools run.
SYSTEM_PACKAGES := g++ iverilog fuse3=fusermount3 tcl=tclsh
# What only the slow tests need: a browser, for reports.
SLOW_PACKAGES := chromium
RUN := .venv/bin/python -m
PYTEST_FLAGS ?= --numprocesses auto --maxprocesses 8

# A virtual environment is ready as long as it was made for this folder and these requirements.
fingerprint = $(shell (echo '$(CURDIR) $(1)'; cat pyproject.toml) | cksum | cut -d ' ' -f 1)
READY := .venv/.ready-$(call fingerprint,$(EXTRAS))

# The oldest versions that are supported, Python 3.10 and NumPy 1.21, and no extra.
OLDEST := numpy==1.21.* pytest hypothesis
OLDEST_READY := .venv-compat/.ready-$(call fingerprint,$(OLDEST))
PYTHON310_PLACES := $(wildcard $(HOME)/.pyenv/versions/3.10.*/bin/python) python3.10
PYTHON310 ?= $(firstword $(foreach python,$(PYTHON310_PLACES),$(shell \
	$(python) -c 'import sys; print(sys.executable)' 2>/dev/null)))
# Folders too: a file that is gone shows in its folder's time.
SOURCES := $(shell find fpga_rt tests examples -name __pycache__ -prune -o -print)

.NOTPARALLEL:
.PHONY: help setup demo test test-all browser test-quick lint compat bench clean

help:
	@echo 'make setup       create .venv with all that demo and test need'
	@echo 'make demo        run the demo network on the emulator; pictures and traces in build/demo'
	@echo 'make test        lint, all tests, and the core tests on the oldest Python and NumPy'
	@echo 'make test-all    the same with the slow tests: proofs, mutations, real models on the RTL'
	@echo 'make test-quick  the tests alone; PYTEST_FLAGS="tests/network -x" picks some'
	@echo 'make lint        ruff, mypy, import-linter'
	@echo 'make compat      the core tests on Python 3.10 and NumPy 1.21'
	@echo 'make bench       benchmarks; results in build/benchmarks.json'
	@echo 'make clean       remove what was built; the virtual environments stay'

setup: $(READY)

$(READY):
	tools/system_packages.sh $(SYSTEM_PACKAGES)
	tools/make_venv.sh .venv '$(PYTHON)' --editable '.[$(EXTRAS)]'
	@rm -f .venv/.ready-* && touch $@

demo: setup
	$(RUN) fpga_rt.cli.main demo --output build/demo

test: lint test-quick compat

test-all: PYTEST_FLAGS += -m ''
test-all: browser test

browser:
	tools/system_packages.sh $(SLOW_PACKAGES)

test-quick: setup
	$(RUN) pytest $(PYTEST_FLAGS)

lint: setup
	$(RUN) ruff check
	$(RUN) ruff format --check
	$(RUN) mypy
	.venv/bin/lint-imports

compat:
ifeq ($(PYTHON310),)
	@echo 'compat: skipped: no Python 3.10 among: $(PYTHON310_PLACES)'
	@echo 'compat: name one with: make compat PYTHON310=/path/to/python3.10'
else
	@$(MAKE) --no-print-directory build/compat.passed
endif

$(OLDEST_READY):
	tools/make_venv.sh .venv-compat '$(PYTHON310)' --editable . $(patsubst %,'%',$(OLDEST))
	@rm -f .venv-compat/.ready-* && touch $@

build/compat.passed: $(OLDEST_READY) $(SOURCES)
	FPGA_RT_STANDIN_PYTHON='$(CURDIR)/.venv/bin/python' .venv-compat/bin/python -m pytest
	@mkdir -p build && touch $@

bench: setup
	@mkdir -p build
	$(RUN) benchmarks --output build/benchmarks.json

clean:
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name '.venv*' -prune -o -name __pycache__ -prune -exec rm -rf {} +
