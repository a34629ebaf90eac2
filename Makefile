# Two commands on a fresh machine: `make demo` and `make test`; both need python3 >= 3.11 and nothing else.
PYTHON ?= python3
CORES ?= $(shell getconf _NPROCESSORS_ONLN)
RESULTS ?= results
# What make world renders: tiny, demo, bench or large, and its seed.
SIZE ?= bench
SEED ?= 0
WORLD ?= worlds/$(SIZE)-$(SEED)
# Depth maps are most of a world's bytes; nothing here reads them.
DEPTH ?=
# What make bench measures besides the world: a feed of real videos with truth/, where there is one; more arguments.
FEED ?= $(wildcard ../shared/data/feed)
BENCH ?=
# All pairs of the demo feed take three times as long; empty for all.
DEMO_PAIRS ?= 16
VENV := .venv
BIN := $(VENV)/bin
export OMP_NUM_THREADS ?= 1
unexport PYTHONDONTWRITEBYTECODE

.PHONY: install demo world bench test check format dag clean

install: $(VENV)/.dev ## make .venv and link the SLURM profile
	@$(BIN)/python -m pvtt.profile profiles/slurm

# Re-used while the pins are unchanged; made anew beside the old one's stamp when they are not.
$(VENV)/.core: envs/core.txt envs/constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "python3 >= 3.11 is needed, this is " + sys.version.split()[0])'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the core environment into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c envs/constraints.txt -r envs/core.txt -e .
	@$(BIN)/python -m compileall -q $(VENV)/lib workflow || true
	@touch $@

$(VENV)/.dev: $(VENV)/.core envs/dev.txt envs/world.txt
	@echo "Installing what checks and tests need ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c envs/constraints.txt -r envs/dev.txt
	@$(BIN)/python -m compileall -q $(VENV)/lib || true
	@touch $@

$(VENV)/.world: $(VENV)/.core envs/world.txt
	@echo "Installing the renderer ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c envs/constraints.txt -r envs/world.txt
	@touch $@

demo: $(VENV)/.core ## run the whole pipeline on the generated feed
	@$(BIN)/snakemake --cores $(CORES) --config results=$(RESULTS) $(if $(DEMO_PAIRS),max_pairs=$(DEMO_PAIRS))
	@echo
	@echo "dataset: $(abspath $(RESULTS))/dataset"
	@echo "report:  $(abspath $(RESULTS))/report/index.html"

world: $(VENV)/.world ## render product videos with their truth: SIZE=tiny|demo|bench|large SEED=n WORLD=folder DEPTH=1
	@PYTHONPATH=benchmarks $(BIN)/python -m world $(WORLD) --size $(SIZE) --seed $(SEED) $(if $(DEPTH),,--no-depth)

$(WORLD)/products.csv: | $(VENV)/.world
	@$(MAKE) --no-print-directory world

bench: $(WORLD)/products.csv ## measure every stage on the world: WORLD=folder FEED=folder BENCH="more arguments"
	@$(BIN)/python benchmarks/bench.py --world $(WORLD) $(if $(FEED),--feed $(FEED)) --out $(WORLD)/bench --jobs $(CORES) $(BENCH)

test: $(VENV)/.dev ## every test that this machine can run
	@$(BIN)/python -m pytest -n $(CORES) --dist loadgroup

check: $(VENV)/.dev ## formatting, lint, types, workflow lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile workflow/rules
	$(BIN)/snakemake --lint

format: $(VENV)/.dev ## apply formatters
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow/rules

dag: $(VENV)/.core ## draw the pipeline as docs/dag.svg
	@scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT && \
	$(BIN)/python tests/dag/fabricate.py "$$scratch" && \
	$(BIN)/snakemake --directory "$$scratch" --config catalogue=feed/products.csv --rulegraph dot --quiet all \
	| $(BIN)/python -m pvtt.dag docs/dag.svg

clean: ## remove the demo's results, keep the environment
	rm -rf $(RESULTS) .snakemake
