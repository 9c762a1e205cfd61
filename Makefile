PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
EXTRA ?= cpu
COLLECTION := examples

.PHONY: setup demo test lint serve bench bench-families bench-index clean

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("Tenkyo needs Python 3.11 or newer, this is " + sys.version.split()[0] + ": run make PYTHON=/path/to/python3.11" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(EXTRA),dev]'
	@touch $@

demo: setup
	$(BIN)/tenkyo index examples/handbook --collection $(COLLECTION)
	@echo
	@echo '> How many days of parental leave do I get?'
	@$(BIN)/tenkyo ask 'How many days of parental leave do I get?' --collection $(COLLECTION)
	@echo
	@echo '> 在宅勤務は週に何日までできますか。'
	@$(BIN)/tenkyo ask '在宅勤務は週に何日までできますか。' --collection $(COLLECTION)
	@echo
	$(BIN)/tenkyo serve

test: setup
	$(BIN)/python -m pytest -q

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

serve: setup
	$(BIN)/tenkyo serve

bench: setup
	$(BIN)/python -m benchmarks.retrieval --data $(DATA)

bench-families: setup
	$(BIN)/python -m benchmarks.index_families --data $(DATA)

bench-index: setup
	$(BIN)/python -m benchmarks.index --data $(DATA)

clean:
	rm -rf $(VENV) build dist *.egg-info
