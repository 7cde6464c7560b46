SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup stubs format lint types breaking check test test-s3 chaos browser up down status demo bench k8s-check

TOOLS := .tools
UV := $(TOOLS)/uv/bin/uv
RUN := .venv/bin/
export UV_PYTHON_DOWNLOADS := never
export PYTHONUNBUFFERED := 1
# Nine processes start from these packages: compile them once.
export UV_COMPILE_BYTECODE := 1

help:  ## Show this list.
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.synced  ## Install what the other targets need, below this folder.

$(UV):
	@python3 -m pip --version >/dev/null 2>&1 || { echo "python3 with pip is missing: install python3-pip"; exit 1; }
	@echo "Installing uv into $(TOOLS) ..."
	@python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target $(TOOLS)/uv uv

.venv/.synced: pyproject.toml uv.lock | $(UV)
	@echo "Installing Python packages into .venv (once; 10 to 60 s) ..."
	@$(UV) sync --locked --quiet
	@touch $@

PROTOS := $(sort $(wildcard protos/assent/*/v1/*.proto))

STUBS := protos/gen
PROTOC := PATH="$$PWD/.venv/bin:$$PATH" $(RUN)python -m grpc_tools.protoc -Iprotos

stubs: setup  ## Generate protos/gen from protos/assent.
	rm -rf $(STUBS)/assent && mkdir -p $(STUBS)
	$(PROTOC) --python_out=$(STUBS) --mypy_out=quiet:$(STUBS) $(PROTOS)
	$(PROTOC) --grpc_python_out=$(STUBS) --mypy_grpc_out=quiet:$(STUBS) $(filter %_service.proto,$(PROTOS))

format: setup  ## Format Python and protos.
	$(RUN)ruff check --fix --quiet . ; $(RUN)ruff format . && $(RUN)buf format -w

lint: setup  ## Formatting, lint rules and protos.
	$(RUN)ruff format --check . && $(RUN)ruff check .
	$(RUN)buf lint && $(RUN)buf format -d --exit-code

types: setup  ## mypy --strict.
	$(RUN)mypy

BASE := $(if $(shell git rev-parse -q --verify refs/heads/main),branch=main,ref=HEAD)

breaking: setup  ## Protos stay compatible with those on main; stubs are what the protos say.
	$(RUN)buf breaking --against '.git#$(BASE)'
	@mkdir -p build && rm -rf build/stubs && $(MAKE) --no-print-directory stubs STUBS=build/stubs >/dev/null
	diff -r --exclude=__pycache__ build/stubs protos/gen || { echo "protos/gen is stale: run make stubs"; exit 1; }

check: lint types breaking k8s-check  ## Everything that needs no running part: format, lint, types, stubs, shape.
	$(RUN)pytest -q tests/test_architecture.py

test: setup browser  ## Every test, on real parts. ARGS="tests/consent -k C3" picks some.
	$(RUN)pytest $(or $(ARGS),--numprocesses=2 --dist=loadfile)

test-s3: setup  ## Erasure on a real S3 server, Ceph's radosgw, which it installs (as root) where it is missing.
	@$(RUN)python -m tests.recording.radosgw
	$(RUN)pytest -m radosgw tests/recording $(ARGS)

chaos: setup  ## 20 kills of Postgres under 20,000 answers, half of each for the services; make test has a small one.
	ASSENT_CHAOS_KILLS=20 ASSENT_CHAOS_ANSWERS=20000 $(RUN)pytest $(ARGS) tests/chaos

browser: setup
	@$(RUN)python -m deploy.local.browser >/dev/null

up: setup  ## Start the stack in the background and write .run/stack.env.
	@$(RUN)python -m deploy.local up

down: setup  ## Stop it.
	@$(RUN)python -m deploy.local down

status: setup  ## Show what runs, where, and its log.
	@$(RUN)python -m deploy.local status || true

demo: setup  ## The main job on a real recording, told as a story.
	@$(RUN)python -m deploy.demo

bench: setup  ## Measure, as ratios to a named peer in the same run. ARGS="answers", "verdict", "intake", "erasure", "listeners", "words" or "media" picks one.
	@$(RUN)python -m bench $(ARGS)

k8s-check: setup  ## Render and validate the Kubernetes manifests, offline.
	@$(RUN)python -m deploy.k8s_check
