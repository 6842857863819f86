# Two commands: `make demo` and `make test`. Each makes the virtual environment if there is none.
PYTHON ?= python3
PYTHON_OLDEST ?= python3.11
VENV ?= .venv
OLDEST = .venv-oldest
BIN = $(VENV)/bin
DATA ?=
# one thread per process: the processes share the cores, threads inside each would only wait for each other
RUN = OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

.PHONY: demo test test-long test-slow test-oldest lint docs clean

$(VENV)/.ready: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: $(VENV)/.ready
	$(BIN)/python examples/quickstart.py $(if $(DATA),--data $(DATA))

test: $(VENV)/.ready
	$(RUN) $(BIN)/python -m pytest -n 2 --dist worksteal

test-long: $(VENV)/.ready
	$(RUN) $(BIN)/python -m pytest -n 2 --dist worksteal -m long tests
	$(RUN) $(BIN)/python -m pytest -n 2 --dist worksteal -p tests.simulated_cuda -m cuda tests

test-slow: $(VENV)/.ready
	$(RUN) $(BIN)/python -m pytest -n 2 --dist worksteal -m slow tests

# what stands on the libraries' private and changing parts, in an environment of the oldest versions that are promised
test-oldest: $(OLDEST)/.ready
	$(RUN) $(OLDEST)/bin/python -m pytest -n 2 --dist worksteal tests/test_estimator_checks.py tests/test_pipelines.py \
		tests/test_sklearn_compat.py tests/test_set_output.py tests/metrics tests/persistence/test_format_versions.py tests/export

$(OLDEST)/.ready: pyproject.toml constraints-oldest.txt
	test -x $(OLDEST)/bin/python || $(PYTHON_OLDEST) -m venv $(OLDEST)
	$(OLDEST)/bin/python -m pip install --quiet --constraint constraints-oldest.txt torch
	$(OLDEST)/bin/python -m pip install --quiet --constraint constraints-oldest.txt --editable '.[plot,onnx]' \
		pytest pytest-xdist pytest-timeout hypothesis
	touch $@

lint: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/python -m tests.docstrings
	mkdir -p build && $(BIN)/python tests/readme_code.py > build/readme.py
	$(BIN)/mypy examples build/readme.py
	$(BIN)/mypy --config-file benchmarks/mypy.ini benchmarks
	$(BIN)/pyright --pythonpath $(BIN)/python

# the site in docs/_build/html; every example of the gallery runs, warnings are errors
docs: $(VENV)/.docs
	$(RUN) $(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html

$(VENV)/.docs: $(VENV)/.ready
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,docs]'
	touch $@

clean:
	rm -rf $(VENV) $(OLDEST) outputs build dist docs/_build docs/auto_examples docs/generated *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
