# Everything a person or a build machine does with Hubgate. `make` alone lists it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

export CARGO_TARGET_DIR ?= $(HOME)/.cache/hubgate/target

RELEASE := $(CARGO_TARGET_DIR)/release

.PHONY: help demo demo-check demo-trial test prepare prepare-demo release fmt clippy doc deny unit it browser load crash push

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s  %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: prepare-demo release ## Run gateway, OpenID provider and demo hub on this machine
	@exec $(RELEASE)/demo

test: prepare fmt clippy doc deny unit browser demo-trial ## Run everything a change must pass

prepare: ## Install what building and testing needs and this machine lacks
	@.ci/prepare build test

prepare-demo:
	@.ci/prepare build

# The whole workspace at once: another set of packages would mean other features and a second build.
release:
	cargo build --locked --release --workspace --bins

fmt: ## Check the formatting
	cargo fmt --all --check

clippy: ## Lint; a warning is an error
	cargo clippy --locked --workspace --all-targets -- -D warnings

doc: ## Build the documentation; a broken link is an error
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps

# Advisories need a database of their own and are looked at when dependencies change: see deny.toml.
deny: ## Check licences, sources and duplicates of dependencies
	cargo deny --locked check bans licenses sources

unit: ## Run all Rust tests: beside the code, in the integration binary, in documentation
	cargo test --locked --workspace

it: ## Run the integration tests alone
	cargo test --locked --workspace --test it

browser: ## Sign in with a real browser at a certified OpenID provider
	cargo build --locked --workspace --bins
	.ci/browser

# The same four requests, with the unoptimised build that the tests have made already.
demo-trial:
	cargo build --locked --workspace --bins
	$(CARGO_TARGET_DIR)/debug/demo --check

demo-check: release ## Send the demo's four requests and check what comes of each
	$(RELEASE)/demo --check

load: prepare-demo release ## Compare the gateway's cost per request with a bare proxy's
	$(RELEASE)/hubgate-loadtest compare

crash: prepare-demo release ## Kill the gateway again and again: no unrecorded request, no lost or half change
	$(RELEASE)/hubgate-loadtest crash
	HUBGATE_KILLS=200 cargo test --workspace --test it -- admin_kill --nocapture

push: prepare-demo release ## Push a million resources through a gateway that is killed in the middle
	$(RELEASE)/hubgate-loadtest push
