# make demo: install, extract all three modalities of the shipped demo corpus, train teacher and student on them, predict
#            a conversation, and write a report.
# make test: install, then run the tests.      make check: format, lint, types.
# make bench: the benchmarks of docs/performance.md.   make site: docs/ as a site, in build/site.
# make torture: kills, damaged media, hostile files and hard surroundings, as docs/reliability.md counts them.
# make lock: the versions of all that is installed, with the hashes that an installation requires.
# make audit: known vulnerabilities of these versions; asks a database, one question a package.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
OUT ?= data/stores
RUN ?= runs/demo
TALK ?= $(RUN)-talk
SITE ?= build/site

LOCK = $(BIN)/uv pip compile --quiet --universal --fork-strategy fewest --python-version 3.11 --generate-hashes \
	--no-header setup.cfg

.PHONY: demo test slow check bench torture site lock audit install

demo: install
	$(BIN)/summer-extract --dataset demo --root data/demo --out $(OUT) --keep-crops
	$(BIN)/summer-train --recipe demo --features $(OUT)/demo --out $(RUN) --overwrite --projection
	$(BIN)/summer-predict data/demo/conversation.mp4 --transcript data/demo/conversation.vtt --run $(RUN) --out $(TALK) --overwrite
	$(BIN)/summer-report $(OUT)/demo $(RUN) --out $(RUN)-report.html --overwrite
	@echo "look at $(TALK)/conversation.html and $(RUN)-report.html"

test: install
	$(BIN)/python -m pytest -n auto --dist loadfile --durations 15 -m "not slow"

slow: install
	$(BIN)/python -m pytest -n auto --dist loadfile --durations 30 -m slow

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/hadolint Dockerfile

bench: install
	$(BIN)/python -m tests.bench

torture: install
	$(BIN)/python -m tests.torture

site: install
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going -d $(SITE)-doctrees docs $(SITE)
	@echo "look at $(SITE)/index.html"

install: $(VENV)/installed

$(VENV)/installed: requirements.lock setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "SUMMER needs Python 3.11 or later; $(PYTHON) is older: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	sed -n '/^uv==/,/^ *#/p' requirements.lock | $(BIN)/python -m pip install --quiet --require-hashes -r /dev/stdin
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

lock:
	$(LOCK) --extra dev -o requirements.lock
	$(LOCK) --extra asr --extra serve --no-annotate --constraints requirements.lock -o requirements-run.lock

audit: install
	$(BIN)/uv tool run pip-audit@2.10.1 --strict --disable-pip --require-hashes -r requirements-run.lock
