# cityloom: the few things that one does with it. `make` prints this list.

SHELL        := /bin/bash
CARGO        ?= cargo
PYTHON       ?= python3
DEMO_ARGS    ?=
BENCH_ROWS   ?= 20000000
FUSION_ROWS  ?= 100000000
TARGET       := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)
TOOLS        := $(TARGET)/tools
VENV         := $(TOOLS)/python
PEERS        := $(TOOLS)/peers
NODE_STAMP   := web/node_modules/.package-lock.json
WEB_SOURCES  := $(shell find web/src web/public web/index.html web/intake.html web/package.json web/vite.config.ts web/tsconfig.json -type f 2>/dev/null)

# Where cargo has put a benchmark's program.
bench-program = "$$($(CARGO) bench --locked --no-run --bench $(1) --message-format=json 2>/dev/null | sed -n 's/.*"executable":"\([^"]*$(1)-[^"]*\)".*/\1/p')"

.DEFAULT_GOAL := help
.PHONY: help tools demo build bench test soak setup audit lint fmt rust-test sql-test fuzz web-test e2e web clean

help:            ## print this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: web        ## build, start the demo city with its data, print the wall's address
	$(CARGO) build --profile demo --locked
	$(TARGET)/demo/cityloom demo $(DEMO_ARGS)

build: web       ## the optimised binary, pages inside
	$(CARGO) build --release --locked

bench: build $(PEERS)/ready   ## measure beside chdb, DuckDB and polars, write docs/benchmarks.md
	$(CARGO) bench --locked --no-run
	$(PEERS)/bin/python benches/peers/run.py --cityloom $(TARGET)/release/cityloom --refresh $(call bench-program,refresh) \
	  --live $(call bench-program,live) --layout $(call bench-program,layout) \
	  --rows $(BENCH_ROWS) --fusion $(FUSION_ROWS) --work $(TARGET)/bench --page docs/benchmarks.md
	$(CARGO) bench --locked --bench kernels

test: setup lint rust-test sql-test fuzz web-test e2e   ## everything that must hold
	@echo "== all checks passed"

soak: web        ## pull the plug of a running city 200 times (CITYLOOM_KILLS=1000 for more), and live a whole day of seconds
	CITYLOOM_KILLS=$${CITYLOOM_KILLS:-200} $(CARGO) test --locked --test it plug:: -- --nocapture
	CITYLOOM_WHOLE_DAY=1 $(CARGO) test --locked --release --lib a_day_of_seconds -- --nocapture

setup: tools $(NODE_STAMP) $(VENV)/ready   ## install what the tests need: a browser, fonts, node and python packages

tools:
	@./.ci/tools

lint:            ## format and lints
	@echo "== format"
	$(CARGO) fmt --check
	@echo "== lints"
	$(CARGO) clippy --all-targets --locked -- -D warnings
	$(CARGO) clippy --locked --package cityloom-fuzz -- -D warnings

audit:           ## known weaknesses in what it is built of, where cargo-deny and its database can be had
	@CARGO="$(CARGO)" ./.ci/audit

fmt:             ## format Rust and TypeScript
	$(CARGO) fmt
	cd web && npx biome format --write .

rust-test: web $(VENV)/ready   ## unit, property and integration tests
	@echo "== rust tests"
	CITYLOOM_ORACLE_PYTHON=$(VENV)/bin/python CITYLOOM_DATACONTRACT=$(VENV)/bin/datacontract \
	  $(CARGO) test --locked

sql-test:        ## every query of the demo city against its fixtures
	@echo "== queries"
	$(CARGO) build --locked
	$(TARGET)/debug/cityloom check
	$(TARGET)/debug/cityloom test

fuzz:            ## random bytes for all that reads bytes from outside (FUZZ_SECONDS=60 for more)
	@echo "== random bytes"
	CARGO="$(CARGO)" CARGO_TARGET_DIR="$(TARGET)" ./.ci/fuzz

web-test: $(NODE_STAMP)   ## the pages: format, types, unit tests
	@echo "== pages"
	cd web && npm run check && npm test

e2e: web         ## the wall in a real browser, on a mock and on the real server
	@echo "== browser, mock city"
	cd web && npm run e2e
	@echo "== browser, real city"
	$(CARGO) build --locked
	./.ci/with-demo $(TARGET)/debug/cityloom "cd web && npm run e2e"

web: web/dist/index.html   ## the pages

web/dist/index.html: $(NODE_STAMP) $(WEB_SOURCES)
	cd web && npm run build

$(NODE_STAMP): web/package-lock.json
	cd web && npm ci --no-audit --no-fund
	@touch $@

$(VENV)/ready: tests/oracle/requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r tests/oracle/requirements.txt
	@touch $@

$(PEERS)/ready: benches/peers/requirements.txt
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/pip install --quiet --disable-pip-version-check -r benches/peers/requirements.txt
	@touch $@

clean:           ## remove what was built
	rm -rf web/dist web/node_modules $(TOOLS)
	$(CARGO) clean
