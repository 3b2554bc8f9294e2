# gradcam. `make` lists what can be done.

# Where `make install` puts the program.
PREFIX ?= $(HOME)/.local
# What `make run` opens; any arguments of gradcam.
ARGS ?= assets/demo/images
# 1: libtorch with CUDA; 0: without; unset: with it where there is an NVIDIA driver.
CUDA ?=

kind = $(if $(filter 1,$(CUDA)),cuda,$(if $(filter 0,$(CUDA)),cpu,auto))

.PHONY: help setup run test check install
help:
	@echo "make run                 open the interface on the bundled images (ARGS='FOLDER --model FILE')"
	@echo "make test                run all tests"
	@echo "make check               formatting, lints, documentation"
	@echo "make install PREFIX=DIR  install the program and its libraries ($(PREFIX))"
	@echo "make setup               install libtorch here, which the others do by themselves (CUDA=1, CUDA=0)"

setup:
	@scripts/libtorch.sh $(kind)

run: setup
	cargo build --release
	@target/release/gradcam $(ARGS)

test: setup
	cargo test

check: setup
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --document-private-items

install: setup
	cargo build --release
	@scripts/install.sh "$(PREFIX)"
