SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup stubs format lint types breaking check test up down status demo bench k8s-check

TOOLS := .tools
UV := $(TOOLS)/uv/bin/uv
RUN := .venv/bin/
export UV_PYTHON_DOWNLOADS := never
export PYTHONUNBUFFERED := 1

help:  ## Show this list.
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.synced  ## Install what the other targets need, below this folder.

$(UV):
	@python3 -m pip --version >/dev/null 2>&1 || { echo "python3 with pip is missing: install python3-pip"; exit 1; }
	python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target $(TOOLS)/uv uv

.venv/.synced: pyproject.toml uv.lock | $(UV)
	$(UV) sync --locked --quiet
	@touch $@

PROTOS := $(sort $(wildcard protos/assent/*/v1/*.proto))

stubs: setup  ## Generate protos/gen from protos/assent.
	rm -rf protos/gen/assent && mkdir -p protos/gen
	PATH="$$PWD/$(RUN):$$PATH" $(RUN)python -m grpc_tools.protoc -Iprotos \
	    --python_out=protos/gen --mypy_out=quiet:protos/gen $(PROTOS)
	PATH="$$PWD/$(RUN):$$PATH" $(RUN)python -m grpc_tools.protoc -Iprotos \
	    --grpc_python_out=protos/gen --mypy_grpc_out=quiet:protos/gen $(filter %_service.proto,$(PROTOS))

format: setup  ## Format Python and protos.
	$(RUN)ruff format . && $(RUN)ruff check --fix --quiet . ; $(RUN)buf format -w

lint: setup  ## Formatting, lint rules and protos.
	$(RUN)ruff format --check . && $(RUN)ruff check .
	$(RUN)buf lint && $(RUN)buf format -d --exit-code

types: setup  ## mypy --strict.
	$(RUN)mypy
