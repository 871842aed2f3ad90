# Everything goes through config/stack/bootstrap.py, which makes .venv at the first call and costs nothing afterwards.
.DEFAULT_GOAL := help
.PHONY: help run manage models test test-long lint bench

SHELL := /bin/sh
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BOOTSTRAP := $(PYTHON) config/stack/bootstrap.py
# where the site keeps its data and listens, and whether a double of Stripe stands beside it
export STATE_DIR HOST PORT STRIPE

help: ## this list
	@echo "ArtistCloner. Commands:"
	@echo
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "  make %-10s %s\n", $$1, $$2 }'
	@echo
	@echo "Settings are variables: make run PORT=8001 STATE_DIR=~/pictures   (all of them: docs/configuration.md)"

run: ## start everything at http://localhost:8000 and keep it running; Ctrl-C stops it. STRIPE=double: buying, without money
	@exec $(BOOTSTRAP) run

manage: ## a management command, beside a running site or without: make manage CMD="credits grant me@example.com 500"
	@exec $(BOOTSTRAP) manage $(CMD)

models: ## what the engine can work with: make models CMD="list", "check", "pull sdxl", "use sdxl" (docs/models.md)
	@$(BOOTSTRAP)
	@.venv/bin/python -m gpu.engine models $(or $(CMD),list)

test: ## everything that belongs to a change; make test ARGS="tests/billing -k hold" gives pytest its arguments
	@$(if $(ARGS),,$(MAKE) --no-print-directory lint)
	@exec $(BOOTSTRAP) test $(ARGS)

test-long: ## the soak and the long property runs
	@exec $(BOOTSTRAP) test -m long $(ARGS)

lint: ## style, types and who may import whom
	@$(BOOTSTRAP)
	@.venv/bin/python -m ruff check .
	@.venv/bin/python -m ruff format --check .
	@.venv/bin/python -m mypy
	@.venv/bin/python -c "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"

bench: ## the engine against its baselines, and the main job timed; make bench QUICK=1 the engine alone, in five minutes
	@$(BOOTSTRAP)
	@.venv/bin/python -m tests.bench$(if $(QUICK), --quick)
