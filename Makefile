# Set up, run, check. Needs Python 3.11+, Node.js 20.19+ with npm, and git; all else goes into .venv and
# labextension/node_modules. Every step leaves a stamp, so that a second run starts at once.
#
#   make lab ARGS="--no-browser --port=8890"     more arguments for JupyterLab
#   make test ARGS="tests/unit -k store"         more arguments for pytest
#   make test PYTHON=/opt/python3.13/bin/python3 another Python than the first one found

.DEFAULT_GOAL := help
.NOTPARALLEL:

VENV := .venv
STAMPS := $(VENV)/stamps
NODE_MODULES := labextension/node_modules/.yarn-state.yml
BUNDLE := jupyter_chatd/labextension/package.json
BUNDLE_SOURCES := $(shell find labextension/src labextension/style labextension/schema -type f) labextension/tsconfig.json labextension/build-widgets.mjs
INSTALLED_BUNDLE := $(VENV)/share/jupyter/labextensions/jupyter-chatd
SERVER_CONFIG := etc/jupyter/jupyter_server_config.d/jupyter_chatd.json
QUICKSTART := $(wildcard notebooks/quickstart.ipynb)
# Of the system, as command:Debian-package: what nothing goes without, and what the sandbox and desktops are made with.
NEEDED := git:git node:nodejs npm:npm
WANTED := $(if $(filter Linux,$(shell uname)),bwrap:bubblewrap chromium:chromium Xvnc:tigervnc-standalone-server openbox:openbox xterm:xterm ffmpeg:ffmpeg)

IS_SUPPORTED := import sys; raise SystemExit(sys.version_info < (3, 11))
CAN_MAKE_VENV := import ensurepip, venv
ifndef PYTHON
PYTHON := $(shell for python in python3 python3.13 python3.12 python3.11 missing-python3; do \
	$$python -c '$(IS_SUPPORTED)' 2>/dev/null && break; done; echo $$python)
endif

# So that jlpm finds jupyter-builder, and a terminal in JupyterLab finds `jupyter chatd`. Stays below PYTHON.
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: help
help: ## List these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: lab
lab: system-of-lab $(STAMPS)/lab $(STAMPS)/front-end ## Start JupyterLab with the agent, on the quickstart notebook
	exec jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) \
		$(if $(QUICKSTART),--LabApp.default_url=/lab/tree/$(QUICKSTART)) $(ARGS)

.PHONY: test
test: system $(STAMPS)/dev $(STAMPS)/front-end $(STAMPS)/proxy ## Run all tests
	python -m tests $(ARGS)
	cd labextension && jlpm test

.PHONY: check
check: lint test ## Check format, style and types, then run all tests

.PHONY: lint
lint: system $(STAMPS)/dev $(NODE_MODULES) ## Only the first half of make check
	ruff format --check
	ruff check
	pyright
	cd labextension && jlpm lint

.PHONY: fix
fix: $(STAMPS)/dev $(NODE_MODULES) ## Format, and mend what can be mended
	ruff check --fix
	ruff format
	cd labextension && jlpm fix

.PHONY: bench
bench: $(STAMPS)/dev $(STAMPS)/front-end ## Measure, and write docs/benchmarks.md; ARGS="tools steps" measures some rows
	python -m tests.bench $(ARGS)

.PHONY: soak
soak: $(STAMPS)/dev ## An hour of random faults: nothing may be lost, nothing may grow; ARGS="--minutes 2" is a look
	python -m tests.soak $(ARGS)

.PHONY: bundle
bundle: $(STAMPS)/front-end ## Build and install the front end, if its sources are newer

.PHONY: clean
clean: ## Remove all that make made
	rm -rf $(VENV) .venv-bench dist .pytest_cache .ruff_cache .hypothesis jupyter_chatd/labextension \
		test-screenshots labextension/.yarn labextension/lib labextension/lib-test labextension/node_modules

# --- Steps -----------------------------------------------------------------------------------------------

# Installs what is missing where it may (root on Debian), else says what to install.
# Arguments: what there has to be; what is said where it cannot be installed, and done then.
define install
	@missing=; for need in $(1); do \
		command -v "$${need%%:*}" >/dev/null || missing="$$missing $${need##*:}"; done; \
	[ -d $(VENV) ] || $(PYTHON) -c '$(CAN_MAKE_VENV)' 2>/dev/null || missing="$$missing python3-venv"; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -q && \
		DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $$missing; then exit 0; fi; \
	echo "Missing:$$missing (as Debian calls them). $(2)" >&2; $(3)
endef

.PHONY: system
system:
	$(call install,$(NEEDED) $(WANTED),Install them and run make again.,exit 1)

.PHONY: system-of-lab
system-of-lab:
	$(call install,$(NEEDED),Install them and run make again.,exit 1)
	$(call install,$(WANTED),Without them the agent has no sandbox or no desktop: see jupyter chatd doctor.,true)

$(STAMPS)/venv:
	@$(PYTHON) -c '$(IS_SUPPORTED)' 2>/dev/null || { \
		echo "Needs Python 3.11 or newer: install one, or name it with make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c '$(CAN_MAKE_VENV)' 2>/dev/null || { \
		echo "$(PYTHON) cannot make a virtual environment: on Debian install the package python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@mkdir -p $(STAMPS) && touch $@

# The front end has its own step below, so pip does not build it.
$(STAMPS)/dev: pyproject.toml $(SERVER_CONFIG) $(STAMPS)/venv
	SKIP_JUPYTER_BUILDER=1 python -m pip install --quiet --editable '.[dev]'
	@touch $@ $(STAMPS)/lab

# What a JupyterHub of the tests listens with.
$(STAMPS)/proxy: | $(STAMPS)/dev
	npm install --global --prefix $(VENV) --no-fund --no-audit configurable-http-proxy@4.6
	@touch $@

$(STAMPS)/lab: pyproject.toml $(SERVER_CONFIG) $(STAMPS)/venv
	SKIP_JUPYTER_BUILDER=1 python -m pip install --quiet --editable '.[lab,bundle]'
	@touch $@

$(NODE_MODULES): labextension/package.json labextension/yarn.lock labextension/.yarnrc.yml | $(STAMPS)/lab
	cd labextension && jlpm install --immutable
	@touch $@

$(BUNDLE): $(NODE_MODULES) $(BUNDLE_SOURCES)
	cd labextension && jlpm build:prod

# The editable install carries the server's configuration like a wheel, and the front end as it was at that
# moment: this brings it up to date.
$(STAMPS)/front-end: $(BUNDLE) labextension/install.json $(STAMPS)/lab
	@rm -rf $(INSTALLED_BUNDLE) && mkdir -p $(dir $(INSTALLED_BUNDLE))
	cp -R jupyter_chatd/labextension $(INSTALLED_BUNDLE)
	@cp labextension/install.json $(INSTALLED_BUNDLE)/
	@touch $@
