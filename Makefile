PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: install demo test test-fast test-faults fuzz mutation coverage check format results bench audit docs clean

install: $(VENV)/.installed  ## Install everything into .venv; about a minute, 2.5 GB

demo: $(VENV)/.installed  ## Draw two domains, train for 2.5 minutes, score the run, write a contact sheet
	$(BIN)/discogan demo --out runs/demo

test: check  ## Run all checks and all tests
	$(BIN)/python -m pytest

test-fast: $(VENV)/.installed  ## Run the tests that do not train for long; about ten minutes
	$(BIN)/python -m pytest -m "not slow"

test-faults: $(VENV)/.installed  ## Inject all faults of docs/reliability.md; an hour, can be interrupted and repeated
	DISCOGAN_FAULTS=all $(BIN)/python -m pytest -q tests/faults

fuzz: $(VENV)/.installed  ## Run 100,000 generated hostile inputs; half an hour, continues if stopped
	$(BIN)/python -m tests.fuzz

mutation: $(VENV)/.installed  ## Change the code in one place at a time, and check that a test fails; an hour, continues if stopped
	nice -n 19 $(BIN)/python benchmarks/mutation.py

coverage: $(VENV)/.installed  ## Measure which branches the tests run; an hour. Fails below 95%
	mkdir -p build/coverage
	rm -f build/coverage/data*
	$(BIN)/coverage run -m pytest -q || true
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

check: $(VENV)/.installed  ## Check formatting, lint, types and import layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_layers.py

format: $(VENV)/.installed  ## Format the sources and apply the fixes of the linter
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.installed  ## Measure the speed against a plain implementation and the processor's peak; ten minutes on an idle machine
	$(BIN)/python benchmarks/speed.py

STUDIES := discovery generators penalty verdict seeds_tried anchors small_data
results: $(VENV)/.installed  ## Run the studies of docs/results.md (hours): make results DATA=FOLDER
	for study in $(STUDIES); do $(BIN)/python benchmarks/discovery.py study $(DATA) $$study || exit 1; done

audit: $(VENV)/.installed  ## Compare the installed versions with known vulnerabilities; needs a network
	$(PYTHON) -m venv build/audit
	build/audit/bin/python -m pip install --quiet pip-audit
	$(BIN)/python -m pip freeze --exclude-editable | sed 's/+cpu$$//' > build/audit/installed.txt
	build/audit/bin/pip-audit --strict --no-deps --disable-pip --progress-spinner off --requirement build/audit/installed.txt

docs: $(VENV)/.installed  ## Build the site into build/site; a warning is an error
	$(BIN)/python -m discogan.cli.reference > docs/cli.md
	$(BIN)/python -m discogan.cli.settings > docs/settings.md
	$(BIN)/python benchmarks/licences.py > docs/dependencies.md
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

clean:
	rm -rf $(VENV) build *.egg-info

# An existing environment is kept; one whose installation failed is created again.
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev]" --config-settings editable_mode=compat
	touch $@
