# Two commands are all the set-up: `make drill` runs the main job end to end, `make test` passes the tests.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin

.PHONY: drill test check bench clean

drill: $(VENV)/.installed
	$(RUN)/deadkey drill

test: $(VENV)/.tested
	$(RUN)/python -m pytest -n auto

check: $(VENV)/.checked
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy
	$(RUN)/deadkey rules check

bench: $(VENV)/.tested
	$(RUN)/python bench/hook.py

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	$(RUN)/python -m pip install --quiet --disable-pip-version-check -e .
	touch $@

$(VENV)/.tested: pyproject.toml $(VENV)/.installed
	$(RUN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	touch $@

$(VENV)/.checked: pyproject.toml $(VENV)/.tested
	$(RUN)/python -m pip install --quiet --disable-pip-version-check -e '.[test,check]'
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info
