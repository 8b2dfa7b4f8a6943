# make run    set everything up and run the main job on the embedded demo
# make test   set everything up, check the code, and run the fast tests
# make test-slow   run the others: kills, Ray, S3, several processes, large data, the wheel, a browser
# make docs   build the documentation into site/
# make pictures  renew docs/images from the newest run; needs Chromium
# make check  lint, format and types
# They work in .venv, which is made anew only when pyproject.toml or constraints.txt changes.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: run test test-slow check docs pictures viz benchmark clean

run: $(READY)
	$(BIN)/kedro run

test: check
	$(BIN)/pytest -n 2 -m "not slow" --durations=25

test-slow: $(READY)
	$(BIN)/pytest -n 2 -m slow --durations=25

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(READY)
	$(BIN)/mkdocs build --quiet

pictures: $(READY)
	$(BIN)/python docs/generate/pictures.py

viz: $(READY)
	$(BIN)/kedro viz run

benchmark: $(READY)
	$(BIN)/python benchmarks/run.py

clean:
	rm -rf .venv

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(f"Python 3.11 or newer is needed; this is {sys.version}" if sys.version_info < (3, 11) else 0)'
	@echo "Installing into .venv; this takes minutes"
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[demo,dev]'
	touch $(READY)
