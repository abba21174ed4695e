# Everything runs in .venv, which the first target that needs it sets up.

PYTHON ?= python3
# One version of torch for all, so that figures are comparable. It is named in every install: timm needs torchvision,
# whose newest release would otherwise bring the newest torch with it.
TORCH ?= torch==2.13.0
# The preset optimized with the backbone and the windows that a run on digits can afford.
WITHOUT_BACKBONE := bfloat16+d32+gamma0+fused-loss+hard-negative-mining+cholesky-caching
# A code base that was not written for this tool.
FOREIGN := finegrain.models.paco:PaCoModel
OWN := ../../.venv/bin/paco-prof
VENV := .venv
BIN := $(VENV)/bin
RUN := $(VENV)/.run-installed
DEV := $(VENV)/.dev-installed

.PHONY: help breakdown test lint types contracts gate bench reports wheel clean

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

breakdown: $(RUN) ## the main job: where a ResNet-50 step of batch 8 spends its time
	$(BIN)/paco-prof breakdown --batch-size 8

# Each of the two has a core: torch's threads would wait for each other's cores, which takes many times as long. A
# file's tests stay together, as what they share is made once for each that runs them.
test: $(DEV) ## unit, integration and golden tests, two at a time
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: $(DEV) ## style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(DEV) ## static types
	$(BIN)/mypy

contracts: $(DEV) ## who may import whom
	$(BIN)/lint-imports

gate: $(RUN) ## our own budgets, through paco-prof check (about two minutes)
	$(BIN)/paco-prof check --no-progress --inconclusive-ok

bench: $(DEV) ## speed targets, or ONLY one section of them; figures go to reports/ (45 minutes, 11 GB for torch.profiler)
	KINETO_LOG_LEVEL=99 $(BIN)/python tests/benchmarks/run.py $(ONLY)

reports: $(RUN) ## measure reports/ anew, and put them into the README (about an hour and a half)
	$(BIN)/paco-prof breakdown --batch-size 8 --output reports/breakdown_resnet50.json \
		--markdown reports/breakdown_resnet50.md --plot reports/breakdown_resnet50.png
	$(BIN)/paco-prof breakdown --batch-size 8 --variant exact --output reports/breakdown_exact.json \
		--markdown reports/breakdown_exact.md --plot reports/breakdown_exact.png
	$(BIN)/paco-prof compare baseline exact --output reports/compare_exact.json \
		--markdown reports/compare_exact.md --plot reports/compare_exact.png
	$(BIN)/paco-prof compare baseline optimized --output reports/compare_optimized.json \
		--markdown reports/compare_optimized.md --plot reports/compare_optimized.png
	$(BIN)/paco-prof ablate --mode cumulative --output reports/ablate_phases.json \
		--markdown reports/ablate_phases.md --plot reports/ablate_phases.png
	$(BIN)/paco-prof ablate --mode factorial --output reports/ablate_factorial.json \
		--markdown reports/ablate_factorial.md --plot reports/ablate_factorial.png
	$(BIN)/paco-prof estimate --output reports/estimate_resnet50.json \
		--markdown reports/estimate_resnet50.md --plot reports/estimate_resnet50.png
	$(BIN)/paco-prof compare baseline $(WITHOUT_BACKBONE) --accuracy \
		--backbone resnet10t --image-size 64 -r 1 --epochs 4 --set schedule=cosine --threads 1 \
		--output reports/compare_accuracy.json --markdown reports/compare_accuracy.md \
		--plot reports/compare_accuracy.png
	$(BIN)/python tests/benchmarks/gate_example.py
	cd examples/main_job && ../../$(BIN)/paco-prof check --no-progress --output ../../reports/check_resnet50.json \
		--markdown ../../reports/check_resnet50.md --plot ../../reports/check_resnet50.png
	cd tests/foreign && $(OWN) breakdown --model $(FOREIGN) --max-seconds 90 --output ../../reports/breakdown_own_model.json \
		--markdown ../../reports/breakdown_own_model.md --plot ../../reports/breakdown_own_model.png
	cd tests/foreign && $(OWN) compare baseline drop-in --model $(FOREIGN) \
		--output ../../reports/compare_drop_in.json --markdown ../../reports/compare_drop_in.md \
		--plot ../../reports/compare_drop_in.png
	$(BIN)/paco-prof scale --vary batch-size=2,3,4,6,8,12 --target 64 --max-minutes 15 \
		--output reports/scale_resnet50.json --markdown reports/scale_resnet50.md --plot reports/scale_resnet50.png
	OMP_NUM_THREADS=1 $(BIN)/paco-prof scale --vary batch-size=32,64,128,256,512 --variant exact \
		--backbone test_resnet --image-size 64 -K 2 -d 16 -r 3 --launches 2 --output reports/scale_small.json \
		--markdown reports/scale_small.md --plot reports/scale_small.png
	OMP_NUM_THREADS=1 $(BIN)/paco-prof breakdown --batch-size 8 --variant exact --max-seconds 40 \
		--output reports/breakdown_one_rank.json --markdown reports/breakdown_one_rank.md
	OMP_NUM_THREADS=1 $(BIN)/torchrun --standalone --nproc-per-node 2 -m paco_prof breakdown --batch-size 8 \
		--variant exact --output reports/breakdown_two_ranks.json --markdown reports/breakdown_two_ranks.md
	$(BIN)/paco-prof estimate --from reports/breakdown_one_rank.json --from reports/breakdown_two_ranks.json --gpus 8 \
		--output reports/estimate_eight_devices.json --markdown reports/estimate_eight_devices.md
	$(BIN)/python tests/benchmarks/ray_sweep.py
	$(BIN)/paco-prof doctor --output reports/doctor.json --markdown reports/doctor.md
	$(BIN)/python reports/write_readme.py

wheel: $(DEV) ## build the wheel into dist/
	$(BIN)/python -m build --wheel

clean: ## remove what the targets made
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "paco-prof needs Python 3.11 or newer; set PYTHON=..." >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(RUN): pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$(TORCH)" --editable .
	@touch $@

$(DEV): pyproject.toml | $(RUN)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$(TORCH)" --editable ".[dev]"
	@touch $@
