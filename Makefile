# Two commands for newcomers: make demo, make test.
PYTHON ?= $(shell python3.11 -c '' 2>/dev/null && echo python3.11 || echo python3.12)
BIN = .venv/bin
PORT ?= 8765
AGENT ?= highway-ego-attention
export OMP_WAIT_POLICY = PASSIVE
export OMP_NUM_THREADS = 1

.PHONY: help setup demo test test-all test-slow check format bench ship clean

help:
	@echo "make demo      record the shipped agent and look at it (CHECK=1: headless, in a real browser)"
	@echo "make test      the fast tests"
	@echo "make test-all  the fast and the slow tests"
	@echo "make check     format, lint, types, architecture"
	@echo "make bench     run every benchmark and write benchmarks/RESULTS.md"

setup: .venv/ready

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "torch==2.13.0" -c constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[dev]" -c constraints.txt
	touch .venv/ready

demo: setup
	rm -rf demo
	$(BIN)/policyscope record $(AGENT) --episodes 20 --seed 0 --out demo/recording
	$(BIN)/policyscope explain demo/recording --method attention --out demo/attention
ifdef CHECK
	$(BIN)/policyscope export demo/recording --out demo/page.html
	$(BIN)/python -m policyscope.panel.browser || $(BIN)/playwright install chromium
	$(BIN)/python -m policyscope.panel.check demo/page.html --serve --screenshot demo/page.png
else
	$(BIN)/policyscope export demo/recording --out demo/page.html --serve --port $(PORT)
endif

test: setup
	$(BIN)/python -m pytest -q -n 2 -m "not slow"

test-all: setup
	$(BIN)/python -m pytest -q -n 2

test-slow: setup
	$(BIN)/python -m pytest -q -n 2 -m slow

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_architecture.py

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup
	$(BIN)/python benchmarks/run_all.py

# make ship RUN=runs/long-0 NAME=highway-ego-attention: what a training run leaves, with its evaluation.
ship: setup
	rm -rf src/policyscope/shipped/$(NAME)
	mkdir -p src/policyscope/shipped/$(NAME)
	cp -r $(addprefix $(RUN)/,agent.json weights.safetensors initial.safetensors checkpoints) src/policyscope/shipped/$(NAME)
	$(BIN)/policyscope evaluate $(NAME) --episodes 500 --seed 0 --baselines random,untrained,constant:FASTER --card

clean:
	rm -rf demo .pytest_cache .mypy_cache .ruff_cache
