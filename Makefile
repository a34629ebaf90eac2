# Two commands on a fresh machine: `make demo` and `make test`; both need python3 >= 3.11 and nothing else.
PYTHON ?= python3
CORES ?= $(shell getconf _NPROCESSORS_ONLN)
RESULTS ?= results
# What make world renders: tiny, demo, bench, reference or large, and its seed.
SIZE ?= bench
SEED ?= 0
WORLD ?= worlds/$(SIZE)-$(SEED)
# Depth maps are most of a world's bytes; nothing here reads them.
DEPTH ?=
# What make bench measures besides the world: a feed of real videos with truth/, where there is one; more arguments.
FEED ?= $(wildcard ../shared/data/feed)
BENCH ?=
# What make compare puts side by side: runs (results folders) in RUNS; BACKENDS of STAGE, each in a run of its own that
# begins with RESULTS; CONFIG has what RESULTS was made with besides; COMPARE has more arguments of pvtt compare.
RUNS ?=
STAGE ?= insertion
BACKENDS ?=
CONFIG ?=
OUT ?= compare
COMPARE ?=
# More arguments of pvtt estimate, such as "--nodes 4", "--presets" or "--preset medium --plan"; CONFIG as for compare.
ESTIMATE ?=
# More arguments of pvtt review, such as "--rater NAME", "--limit 100", "--against RESULTS" or "--summary".
REVIEW ?=
# small runs the demo with the small pretrained networks; empty with the embedded backends.
MODELS ?=
# All pairs of the demo feed take three times as long; empty for all.
DEMO_PAIRS ?= 16
VENV := .venv
BIN := $(VENV)/bin
export OMP_NUM_THREADS ?= 1
unexport PYTHONDONTWRITEBYTECODE

# make models CPU=1 (which the tests use) leaves out torchvision: its published build needs CUDA.
CPU ?=
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c envs/constraints.txt

.PHONY: help install models models-small text propainter videopainter demo world bench compare review estimate test test-fast check format dag clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z][a-z -]*:.*## / { printf "%-24s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(VENV)/.dev ## make .venv and link the SLURM profile
	@$(BIN)/python -m pvtt.cli.install_profile profiles/slurm

# Re-used while the pins are unchanged; made anew beside the old one's stamp when they are not.
$(VENV)/.core: envs/core.txt envs/constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "python3 >= 3.11 is needed, this is " + sys.version.split()[0])'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the core environment into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c envs/constraints.txt -r envs/core.txt -e .
	@$(BIN)/python -m compileall -q $(VENV)/lib workflow || true
	@touch $@

$(VENV)/.dev: $(VENV)/.core envs/dev.txt envs/review.txt envs/world.txt
	@echo "Installing what checks and tests need ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c envs/constraints.txt -r envs/dev.txt
	@$(BIN)/python -m compileall -q $(VENV)/lib || true
	@touch $@

$(VENV)/.world: $(VENV)/.core envs/world.txt
	@echo "Installing the renderer ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c envs/constraints.txt -r envs/world.txt
	@touch $@

models: $(VENV)/.models$(if $(CPU),-cpu) ## add what the model backends need to .venv; CPU=1: without torchvision

$(VENV)/.models: $(VENV)/.core envs/models.txt envs/constraints-models.txt
	@echo "Installing the models' environment, several gigabytes ..."
	@$(PIP) -c envs/constraints-models.txt -r envs/models.txt
	@touch $@ $@-cpu

models-small: $(VENV)/.core ## fetch the small pretrained networks, which run on the CPU (0.2 GB)
	@$(BIN)/pvtt models fetch --for-config config/presets/small-models.yaml

text: $(VENV)/.core ## add what reading text in photos needs (products.text: rapidocr), 0.1 GB
	@$(PIP) -c envs/constraints-models.txt -e '.[text]'
	@$(BIN)/pvtt models fetch pp-ocrv6-small

# Torch is the build that pip finds; PIP_EXTRA_INDEX_URL can name an index that has it for the CPU alone.
$(VENV)/.models-cpu: $(VENV)/.core envs/models.txt envs/constraints-models.txt
	@echo "Installing what model backends need on a CPU ..."
	@grep -vE '^(#|-r|torchvision=|sam2=)' envs/models.txt > $@.txt
	@$(PIP) -c envs/constraints-models.txt -r $@.txt
	@$(PIP) --no-deps $$(grep '^sam2=' envs/models.txt)
	@touch $@

$(VENV)/.review: $(VENV)/.core envs/review.txt
	@$(PIP) -r envs/review.txt
	@touch $@

propainter videopainter: %: .venv-%/.done ## an environment of its own, .venv-<name>, for a model whose stack needs one

.venv-%/.done: envs/%.txt
	@echo "Installing the environment of $*, several gigabytes ..."
	@test -x .venv-$*/bin/python || $(PYTHON) -m venv .venv-$*
	@.venv-$*/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

demo: $(VENV)/.core $(if $(filter small,$(MODELS)),models-small) ## run the whole pipeline on the demo videos: MODELS=small
	@$(BIN)/snakemake --cores $(CORES) $(if $(MODELS),--configfile config/presets/$(MODELS)-models.yaml) \
		--config results=$(RESULTS) $(if $(DEMO_PAIRS),max_pairs=$(DEMO_PAIRS))
	@echo
	@echo "dataset: $(abspath $(RESULTS))/dataset"
	@echo "report:  $(abspath $(RESULTS))/report/index.html"

world: $(VENV)/.world ## render product videos with their truth: SIZE=tiny|demo|bench|reference|large SEED=n WORLD=folder DEPTH=1
	@PYTHONPATH=benchmarks $(BIN)/python -m world $(WORLD) --size $(SIZE) --seed $(SEED) $(if $(DEPTH),,--no-depth)

$(WORLD)/products.csv: | $(VENV)/.world
	@$(MAKE) --no-print-directory world

bench: $(WORLD)/products.csv ## measure every stage on the world: WORLD=folder FEED=folder BENCH="more arguments"
	@$(BIN)/python benchmarks/bench.py --world $(WORLD) $(if $(FEED),--feed $(FEED)) --out $(WORLD)/bench --jobs $(CORES) $(BENCH)

compare: $(VENV)/.core ## runs side by side: RUNS="a b", or RUNS=results BACKENDS="vace" STAGE=insertion CONFIG="catalogue=..."
	@set -e; runs="$(RUNS)"; for backend in $(BACKENDS); do \
	run="$(OUT)/runs/$$(printf %s "$$backend" | tr -c A-Za-z0-9 -)"; \
	test -e "$$run/clips.tsv" || $(BIN)/python -m pvtt fork "$(RESULTS)" "$$run" --stage $(STAGE); \
	$(BIN)/snakemake --cores $(CORES) --config $(CONFIG) "results=$$run" "$(STAGE)={\"backend\": \"$$backend\"}"; \
	runs="$$runs $$run"; done; \
	$(BIN)/python -m pvtt compare $$runs --out "$(OUT)" $(COMPARE)

review: $(VENV)/.review ## judge the pairs of RESULTS on a local web page: REVIEW="--rater NAME --limit N --summary"
	@$(BIN)/python -m pvtt review "$(RESULTS)" $(REVIEW)

estimate: $(VENV)/.core ## what a run will cost before it is spent: CONFIG="catalogue=..." RESULTS=folder ESTIMATE="--nodes 4"
	@$(BIN)/python -m pvtt estimate --config $(CONFIG) "results=$(RESULTS)" $(ESTIMATE)

test: $(VENV)/.dev $(VENV)/.models-cpu ## every test that this machine can run
	@$(BIN)/python -m pytest -n $(CORES) --dist loadgroup

test-fast: $(VENV)/.dev ## unit tests and dry runs: what to run before every commit
	@$(BIN)/python -m pytest -n $(CORES) --dist loadgroup -m "not slow" tests/unit tests/dag

check: $(VENV)/.dev ## formatting, lint, types, layers, workflow lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/snakefmt --check Snakefile workflow/rules
	$(BIN)/snakemake --lint

format: $(VENV)/.dev ## apply formatters
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow/rules

dag: $(VENV)/.core ## draw the pipeline, the layers and the data flow as docs/*.svg
	@scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT && \
	$(BIN)/python tests/dag/fabricate.py "$$scratch" && \
	$(BIN)/snakemake --directory "$$scratch" --config catalogue=feed/products.csv --rulegraph dot --quiet all \
	| $(BIN)/python -m pvtt.cli.draw_dag docs/dag.svg
	@$(BIN)/python docs/draw_architecture.py

clean: ## remove the demo's results, keep the environment
	rm -rf $(RESULTS) .snakemake
