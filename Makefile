# One-word tasks, the same here and in CI. Needs python3 >= 3.11 with venv, git and make; every task sets itself up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SUPPLY := $(VENV)/supply
COMPILED := $(VENV)/.compiled
# What action.yml runs.
RUNS := action.yml action bumper requirements.txt pyproject.toml
ACTIONLINT := $(VENV)/bin/actionlint-1.7.12

.PHONY: demo pictures page test test-all lint types check actions bench trees e2e e2e-all e2e-peers soak audit dist lock gotk-components clean setup

demo: setup
	@$(BIN)/bump demo $(ARGS)

# The tests of one file share servers and stay on one processor. Compiled files are kept even where the shell asks not to: each process
# that a test starts would compile the program anew.
PYTEST := env -u PYTHONDONTWRITEBYTECODE $(BIN)/pytest -n auto --dist loadfile
test: $(COMPILED)
	$(PYTEST) -m "not slow" $(ARGS)

# With those marked slow, and all examples of the generated tests.
test-all: $(COMPILED)
	$(PYTEST) --hypothesis-profile=thorough $(ARGS)

# In a new checkout, once: else each worker compiles all test modules for itself.
$(COMPILED): | setup
	@for half in "tests/[a-h]*/" "tests/[i-z]*/ tests/test_*.py"; do \
	  env -u PYTHONDONTWRITEBYTECODE $(BIN)/pytest --collect-only -qq --ignore tests/actions --ignore tests/e2e $$half >/dev/null & \
	done; wait
	@touch $@

lint: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: setup
	$(BIN)/mypy

# Our own platform, warnings included.
check: setup
	$(BIN)/bump check --strict $(ARGS)

# The action and the workflows, linted and then run by a runner. Needs Go, which builds actionlint and act once.
actions: setup $(ACTIONLINT)
	$(ACTIONLINT)
	$(BIN)/zizmor --offline --quiet --no-progress --persona pedantic action.yml .github
	$(BIN)/pytest tests/actions $(ARGS)

$(ACTIONLINT): | setup
	@command -v go >/dev/null || { echo "go is missing: actionlint is built with it. On Debian: apt-get install golang" >&2; exit 1; }
	@GOBIN=$(abspath $(VENV))/go go install github.com/rhysd/actionlint/cmd/actionlint@v$(lastword $(subst -, ,$@))
	@mv $(VENV)/go/actionlint $@

# make bench ROUNDS=1 is the short form of .ci/run.
bench: setup
	env -u PYTHONDONTWRITEBYTECODE $(if $(ROUNDS),BUMP_BENCH_ROUNDS=$(ROUNDS)) $(BIN)/python -m benchmarks $(ARGS)

# The finder and `bump check` on other people's Flux repositories: a folder of them, each in a folder of its own.
trees: setup
	@test -n "$(TREES)" || { echo "which? make trees TREES=DIR, a folder with a folder for each repository" >&2; exit 2; }
	@$(BIN)/python -m benchmarks.trees "$(TREES)" $(ARGS)

# On a cluster that has Flux only where KUBECONFIG stands in the command line: what the shell exports may be anybody's cluster.
ifeq ($(origin KUBECONFIG),command line)
e2e: setup
	$(BIN)/python tests/e2e/build.py --images
	E2E_KUBECONFIG="$(abspath $(KUBECONFIG))" $(BIN)/pytest tests/e2e/test_bump.py $(ARGS)
else
e2e: setup
	$(BIN)/python tests/e2e/build.py
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/pytest tests/e2e -m "not slow" $(ARGS)
endif

# With all scenarios and the page of what bump said of each, and with the further controllers that some start (source-watcher,
# helm-controller, Flagger, Argo Rollouts).
e2e-all: setup
	$(BIN)/python tests/e2e/build.py --all
	env -u PYTHONDONTWRITEBYTECODE BUMP_E2E_VERDICTS=docs/verdicts.md $(BIN)/pytest tests/e2e $(ARGS)

# Long runs, resumable: make soak PART=kills FOR=10m; SHORT=1 as .ci/run has it, PUBLISH=1 writes the figures into SECURITY.md.
soak: setup
	@PYTHONPATH=tests:. $(BIN)/python -m soak $(addprefix --part ,$(PART)) $(if $(FOR),--for $(FOR)) $(if $(SHORT),--short) $(if $(PUBLISH),--publish) $(ARGS)

# What people run after a push, and `bump track`, on the same deploys.
e2e-peers: setup
	$(BIN)/python tests/e2e/build.py --peers
	@env -u PYTHONDONTWRITEBYTECODE BUMP_E2E_VERDICTS=docs/verdicts.md PYTHONPATH=tests $(BIN)/python -m e2e.peers $(ARGS)

# Known vulnerabilities in what the Action installs and in what we develop with. Needs the package index, whose advisories it asks.
audit: $(SUPPLY)/.ready
	$(SUPPLY)/bin/pip-audit --strict --require-hashes --disable-pip --progress-spinner off $(foreach list,$(wildcard requirements*.txt),--requirement $(list))

# What a release holds, of the commit that is checked out: the files that run as an archive, their digests, and what the Action installs
# (CycloneDX). The same commit gives the same bytes.
OUT ?= build/release
dist: $(SUPPLY)/.ready
	@mkdir -p $(OUT)
	git archive --format=tar --prefix=bump/ HEAD $(RUNS) | gzip --no-name > $(OUT)/bump.tar.gz
	folder=$$(mktemp -d) && git archive HEAD $(RUNS) | tar -x -C "$$folder" && (cd "$$folder" && find * -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum) > $(OUT)/files.sha256 && rm -r "$$folder"
	git show HEAD:requirements.txt | $(SUPPLY)/bin/cyclonedx-py requirements --output-reproducible --output-format JSON --output-file $(OUT)/bump.cdx.json -
	cd $(OUT) && sha256sum bump.tar.gz files.sha256 bump.cdx.json > SHA256SUMS

$(SUPPLY)/.ready: requirements-supply.txt | setup
	@echo "installing what releases are made with into $(SUPPLY)"
	@$(PYTHON) -m venv $(SUPPLY)
	@$(SUPPLY)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-supply.txt
	@touch $@

# Flux's own manifests for the controllers that this tree needs, as `flux bootstrap` writes and commits them: by the program `flux` where
# it is there, else from the Go modules of the version that the end-to-end tests run. The first line says which.
gotk-components: setup
	PYTHONPATH=tests $(BIN)/python -m e2e.components > k8s/flux-system/gotk-components.yaml.new
	@mv k8s/flux-system/gotk-components.yaml.new k8s/flux-system/gotk-components.yaml
	@head -1 k8s/flux-system/gotk-components.yaml

# The README's pictures of the terminal and of the comment, from the demo.
pictures: setup
	PYTHONPATH=tests $(BIN)/python tests/pictures.py

# docs/setup.md, which is what `bump setup` says.
page: setup
	$(BIN)/python -c 'from bumper.setup import reference; print(reference.text(), end="")' > docs/setup.md

# The lists of hashed requirements, from the ranges in pyproject.toml; the last one is of what releases are made with. Needs uv.
lock:
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header pyproject.toml -o requirements.txt
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header pyproject.toml --extra report -o requirements-report.txt
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header pyproject.toml --group dev -o requirements-dev.txt
	echo "cyclonedx-bom>=7.2 pip-audit>=2.10" | tr ' ' '\n' | uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header - -o requirements-supply.txt

setup: $(READY)

$(READY): requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "python3 >= 3.11 is needed, found: $$($(PYTHON) --version 2>&1). On Debian: apt-get install python3" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' || { echo "python3 has no venv. On Debian: apt-get install python3-venv" >&2; exit 1; }
	@command -v git >/dev/null || { echo "git is missing. On Debian: apt-get install git" >&2; exit 1; }
	@echo "installing the locked dependencies into $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
