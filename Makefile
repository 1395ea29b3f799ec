# Every target makes what it needs first; nothing but Python 3.11 (or 3.12) and make has to be there.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
MADE := $(VENV)/.made
PYTEST := $(BIN)/python -m pytest
SIDE_BY_SIDE := --numprocesses 2 --dist loadfile
UPGRADE ?= --upgrade
COMPILE := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --quiet
VERSION := $(shell sed -n 's/^VERSION = "\([^"]*\)".*/\1/p' components/image.py)
REGISTRY ?= localhost:5000
QUIET := MLFLOW_DISABLE_TELEMETRY=true ORT_DISABLE_TELEMETRY=1 FEAST_USAGE=False DO_NOT_TRACK=true

.DEFAULT_GOAL := help
.PHONY: help env demo test check acceptance bench lock images push-images docker cluster-secrets apply test-cluster kubectl clean

help:  ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

env: $(MADE)  ## .venv with journey in it, every package pinned by hash

# The lock pins uv too: pip checks and installs that one package, uv the other two hundred in seconds.
$(MADE): requirements.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)) and "expected Python 3.11 or 3.12, found " + sys.version.split()[0] + ": name another with make PYTHON=…")'
	$(PYTHON) -m venv --clear $(VENV)
	awk '/^uv==/ {on = 1} on {print} on && !/\\$$/ {exit}' requirements.txt > $(VENV)/uv.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(VENV)/uv.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	touch $@

demo: $(MADE)  ## the whole story on simulated payments: train, serve, drift, retrain, promote
	$(QUIET) $(BIN)/journey demo

test: $(MADE)  ## the tests, in under five minutes
	$(QUIET) $(PYTEST) -m 'not acceptance and not cluster' $(SIDE_BY_SIDE)

acceptance: $(MADE)  ## the long runs: demonstration, census, kfp.local, kills, cut network
	$(QUIET) $(PYTEST) -m 'acceptance and not alone' $(SIDE_BY_SIDE) --durations=10
	$(QUIET) $(PYTEST) -m 'acceptance and alone' --durations=10

check: $(MADE)  ## lint, types and the layers of the design
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(MADE)  ## measured ratios against named baselines, written to build/bench.json
	$(QUIET) $(BIN)/python -m benchmarks

lock: $(MADE)  ## the locks made anew: for here, the steps' image, the server's; `make lock UPGRADE=` moves no version that needn't
	$(COMPILE) $(UPGRADE) pyproject.toml --extra dev -o requirements.txt
	$(COMPILE) pyproject.toml -c requirements.txt -o components/requirements.txt
	$(COMPILE) serving/requirements.in -c requirements.txt -o serving/requirements.txt

images: docker  ## journey-steps and journey-serving, built by Docker; unchanged sources take seconds
	docker build --quiet --build-arg VERSION=$(VERSION) --file components/Dockerfile --tag journey-steps:$(VERSION) .
	docker build --quiet --build-arg VERSION=$(VERSION) --file serving/Dockerfile --tag journey-serving:$(VERSION) .

push-images: docker  ## both images to REGISTRY, by default localhost:5000
	for image in journey-steps:$(VERSION) journey-serving:$(VERSION); do \
	  docker tag $$image $(REGISTRY)/$$image && docker push --quiet $(REGISTRY)/$$image || exit 1; \
	done

docker:
	@docker version --format '{{.Server.Version}}' >/dev/null 2>&1 \
	  || { echo "expected a Docker engine that answers, found none: install Docker, start it, or set DOCKER_HOST" >&2; exit 1; }

PROJECT ?= examples/payments
TARGET ?= kind
OVERLAY ?= kind
SOURCES ?=

cluster-secrets: kubectl $(MADE)  ## random secrets of PROJECT's TARGET; those that are there are kept (SOURCES: variables that its sources name)
	$(QUIET) $(BIN)/journey secrets -p $(PROJECT) --target $(TARGET) $(addprefix --source ,$(SOURCES))

apply: kubectl  ## manifests/overlays/OVERLAY to the cluster of KUBECONFIG
	kubectl apply -k manifests/overlays/$(OVERLAY)

test-cluster: $(MADE)  ## the tests that need a Kubernetes: KUBECONFIG's, or one that KUBE brings up; without either they skip
	$(QUIET) tests/cluster/run

kubectl:
	@.ci/kubectl

clean:  ## what was made here, the environment too
	rm -rf $(VENV) .venv-serving build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
