# Two commands: `make demo` and `make test`. Each makes the virtual environment if there is none.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
DATA ?=
# one thread per process: the processes share the cores, threads inside each would only wait for each other
RUN = OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

.PHONY: demo test test-slow lint clean

$(VENV)/.ready: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: $(VENV)/.ready
	$(BIN)/python examples/quickstart.py $(if $(DATA),--data $(DATA))

test: $(VENV)/.ready
	$(RUN) $(BIN)/python -m pytest -n 2 --dist worksteal

test-slow: $(VENV)/.ready
	$(RUN) $(BIN)/python -m pytest -n 2 --dist worksteal -m slow tests

lint: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) outputs build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
