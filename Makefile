# SPDX-License-Identifier: Apache-2.0
# The front door. CMake presets stand behind it: see CMakePresets.json and `make help`.
PREFIX ?= /usr/local
FUZZ_SECONDS ?= 600
FUZZ_TARGETS ?=
PEERS ?= onnxruntime openvino
MINUTES ?= 60
export FUZZ_SECONDS FUZZ_TARGETS PEERS MINUTES

.PHONY: build demo test test-oracles test-web bench bench-peers fuzz crash valgrind soak coverage install clean help

build: ## build the command and the library in build/release
	@scripts/build release

demo: ## install what is missing, build, classify pictures
	@scripts/deps build
	@scripts/build release
	@scripts/demo

test: ## install what is missing; every suite and every check
	@scripts/deps test
	@scripts/test

test-oracles: ## compare with Keras and timm, in a private Python environment
	@scripts/deps oracles
	@scripts/build release -DXC_TESTS=ON
	@scripts/test-oracles

test-web: ## the pages that the command writes, in headless Chromium; screenshots in build/web
	@scripts/deps web
	@scripts/build release
	@scripts/test-web

bench: ## measure speed
	@scripts/build release
	@scripts/bench

bench-peers: ## compare with others, in private Python environments; PEERS="onnxruntime openvino litert torch keras"
	@scripts/build release
	@scripts/bench-peers

fuzz: ## FUZZ_SECONDS for each target; FUZZ_TARGETS="a b" for some
	@scripts/deps test
	@scripts/fuzz

crash: ## kill a training run 200 times; the end must be the same bytes
	@scripts/deps test
	@scripts/build release -DXC_TESTS=ON
	@XC_KILLS=200 build/release/tests/train/test_train_crash

valgrind: ## a short training run under valgrind
	@scripts/deps valgrind
	@scripts/build release
	@scripts/valgrind

soak: ## train for MINUTES=60 and print the resident size as it goes
	@scripts/build release
	@scripts/soak

coverage: ## executed lines of our own parsers
	@scripts/deps test
	@scripts/coverage

install: ## PREFIX=/usr/local, DESTDIR=
	@scripts/build release -DCMAKE_INSTALL_PREFIX=$(PREFIX)
	@cmake --install build/release

clean: ## remove build/
	rm -rf build

help: ## this list
	@sed -n 's/^\([a-z-]*\): *## */\1\t/p' Makefile | expand -t 16
