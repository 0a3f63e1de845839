# Two commands do everything: `make train` and `make test`. Both make their own
# environment first (in .venv), work again when run twice, and work offline once installed.

PYTHON      ?= python3.11
VENV        ?= .venv
ACCELERATOR ?= cpu
# yes: the releases of locks/, each file held to its hash; no: the newest that requirements*.txt allow
LOCKED      ?= yes
# Flags for the training command: make train ARGS="--data_dir=DIR --epochs=5"
ARGS        ?=

PY := $(VENV)/bin/python
REQUIREMENTS_cpu  := requirements.txt
REQUIREMENTS_cuda := requirements-cuda.txt
REQUIREMENTS := $(REQUIREMENTS_$(ACCELERATOR))
ifeq ($(REQUIREMENTS),)
$(error ACCELERATOR=$(ACCELERATOR): expected cpu or cuda)
endif

ifeq ($(filter yes no,$(LOCKED)),)
$(error LOCKED=$(LOCKED): expected yes or no)
endif
# PyTorch is pinned but has no hash: its builds for a CPU and for CUDA share one version.
UNHASHED := grep -h '^torch'

.DEFAULT_GOAL := help
.PHONY: help train convert test check format smoke fuzz clean lock sbom audit-deps

help: ## Lists the commands.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

train: $(VENV)/.installed-$(ACCELERATOR) ## Trains on the embedded synthetic sample: table, report, SavedModel. ARGS="--flag=value" adds flags.
	$(PY) -m tfcovid.train --task=multiclass --loss=focal $(ARGS)

convert: $(VENV)/.installed-conversion ## Converts PyTorch weights: ARGS="--checkpoint=FILE --output=X.weights.h5".
	$(PY) -m weights_conversion $(ARGS)

smoke: $(VENV)/.installed-$(ACCELERATOR) ## The smallest whole run, seconds on a CPU.
	$(PY) -m tfcovid.train --flagfile=flags/presets/smoke.cfg $(ARGS)

test: check ## Every check and test; continuous integration runs exactly this.
	$(PY) -m pytest -n 2 --dist=worksteal --durations=40 --durations-min=5

fuzz: $(VENV)/.installed-dev ## Mutated files of every kind through the readers, minutes. ARGS="--images=20000" tries more.
	$(PY) -m benchmarks.fuzz $(ARGS)

check: $(VENV)/.installed-dev ## Format, lint, types.
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

format: $(VENV)/.installed-dev ## Formats the code and mends what the linter can.
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

lock: ## Writes locks/ anew: the newest releases that requirements*.txt allow, with hashes.
	PYTHON=$(PYTHON) locks/renew.sh
	$(MAKE) sbom

sbom: ## Writes locks/sbom.cdx.json, the software bill of materials of locks/.
	$(PYTHON) locks/sbom.py

audit-deps: ## Asks the advisory service for known vulnerabilities of what locks/ names.
	$(PYTHON) locks/audit.py

clean: ## Removes the environment and the caches of tools, never runs/.
	rm -rf $(VENV) .venv-lock .venv-audit .mypy_cache .pytest_cache .ruff_cache

$(PY):
	@command -v $(PYTHON) >/dev/null || { echo "make: $(PYTHON) was not found: install Python 3.11, or name another with PYTHON=…" >&2; exit 1; }
	@echo "Making the environment in $(VENV) …"
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed-cpu: requirements.txt locks/cpu.txt | $(PY)
$(VENV)/.installed-cuda: requirements-cuda.txt requirements.txt locks/cuda.txt | $(PY)
$(VENV)/.installed-conversion: requirements-conversion.txt requirements.txt locks/conversion.txt | $(PY)
$(VENV)/.installed-dev: requirements-dev.txt requirements-conversion.txt requirements-dicom.txt requirements-prepare.txt requirements-serve.txt requirements-litert.txt requirements-onnx.txt requirements-vit.txt requirements.txt locks/dev.txt | $(PY)

PIP_INSTALL := $(PY) -m pip install --quiet --disable-pip-version-check

$(VENV)/.installed-%: | $(PY)
ifeq ($(LOCKED),no)
	@echo "Installing $< into $(VENV); this takes a few minutes the first time …"
	$(PIP_INSTALL) -r $<
else
	@echo "Installing locks/$*.txt into $(VENV); this takes a few minutes the first time …"
	$(PIP_INSTALL) --require-hashes -r locks/$*.txt
	unhashed="$$($(UNHASHED) $(filter requirements%,$^))"; [ -z "$$unhashed" ] || $(PIP_INSTALL) $$unhashed
endif
	@touch $@
