# make demo: set up what is missing and run every stage on the embedded model and data.
# make test: set up what is missing and run every check.
# The torch that fits the driver and the cards is found by itself; TORCH_INDEX=ADDRESS takes it
# from another index, such as a mirror.

ifndef PYTHON
PYTHON := $(shell for p in python3 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo "$$p" && break; done)
endif
BOOTSTRAP = "$(PYTHON)" -m engine.setup.bootstrap --torch-index "$(TORCH_INDEX)"
VENV = .venv/bin

.PHONY: demo test setup bench gpu-bench starting-points pictures clean python

demo: python
	@$(BOOTSTRAP) --extra train
	@$(VENV)/tailfin demo

test: python
	@$(BOOTSTRAP) --extra train,dev
	@.ci/checks

setup: python
	@$(BOOTSTRAP) --extra train,dev

# ROWS=FILE.csv adds published peaks to the memory estimate's figures.
bench: python
	@$(BOOTSTRAP) --extra train,dev
	@$(VENV)/python tests/benchmarks/bench_estimate_rows.py $(ROWS)
	@OMP_NUM_THREADS=1 $(VENV)/python -W ignore -m tests.benchmarks.bench_estimate_simulation 2>/dev/null
	@OMP_NUM_THREADS=1 $(VENV)/python -W ignore -m tests.benchmarks.bench_simulation_reality 2>/dev/null
	@OMP_NUM_THREADS=1 $(VENV)/python -W ignore tests/benchmarks/bench_step_overhead.py 2>/dev/null
	@$(VENV)/python -m tests.benchmarks.bench_screens
	@$(VENV)/python -m tests.benchmarks.bench_doctor
	@$(VENV)/python -m tests.benchmarks.bench_data_report

# The same on a GPU, with a model and rows that keep one busy; records the box into BOX.
BOX ?= build/gpu-box
gpu-bench: python
	@$(BOOTSTRAP) --extra train,dev
	-@$(VENV)/tailfin doctor --deep --record $(BOX)
	@$(VENV)/python -m tests.benchmarks.bench_doctor
	@$(VENV)/python -W ignore tests/benchmarks/bench_step_overhead.py --device cuda --hidden 2048 --length 1024
	@$(VENV)/python -m tests.benchmarks.gpu.grid --minutes 9 --keep profiles/measured.toml

# profiles/starting_points.toml anew, after a change to the estimate, the suggestions or the cards.
starting-points: python
	@$(BOOTSTRAP) --extra train,dev
	@$(VENV)/python -m tests.benchmarks.make_starting_points

# The pictures of the README and those the tests compare the screens with, drawn by the app.
pictures: python
	@$(BOOTSTRAP) --extra train,dev
	@TAILFIN_SNAPSHOTS=write $(VENV)/python -m pytest -q tests/tui/test_snapshots.py tests/tui/test_monitor.py

clean:
	rm -rf .venv .venv.lock .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist

python:
	@if [ -z "$(PYTHON)" ]; then \
		echo "tailfin needs Python 3.11 or newer; none was found on PATH. $$(python3 --version 2>&1 | head -n 1)"; \
		echo "  do: install one (Debian, Ubuntu: apt-get install -y python3.11 python3.11-venv), or name it: make demo PYTHON=/path/to/python3"; \
		exit 2; fi
