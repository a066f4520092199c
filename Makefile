# Two commands are all the set-up: `make drill` runs the main job end to end, `make test` passes the tests.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin

.PHONY: drill test check bench docs clean

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

docs: $(VENV)/.installed
	$(RUN)/deadkey rules list --format markdown > docs/providers.md

# Debian packs venv apart: where it is missing, it is installed if that can be done without a password.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "deadkey needs Python 3.11 or later; name one with make PYTHON=...")'
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { command -v apt-get >/dev/null && \
	  { [ "$$(id -u)" = 0 ] && as= || as='sudo -n'; $$as apt-get update -qq && $$as apt-get install -y -qq python3-venv; } || \
	  { echo "deadkey: install python3-venv first, as in: sudo apt-get install python3-venv" >&2; exit 1; }; }
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
