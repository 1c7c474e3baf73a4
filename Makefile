# Everything runs in a virtual environment of its own, made at first use. A stamp in it stands for
# "flambeau is installed with this extra"; it is remade when the C++ sources or the build change.
# The install is editable, so a change to the Python sources needs nothing.

PYTHON ?= python3
VENV   ?= .venv
TORCH  ?=#        TORCH=1 installs PyTorch, the oracle of tests that skip without it (and expecttest,
#                without which its table of operators does not load)
ARGS   ?=#        passed on, for example: make test ARGS='tests/nn -x'

BIN      := $(VENV)/bin
CPP      := $(shell find csrc -name '*.h' -o -name '*.cpp')
BUILD    := pyproject.toml CMakeLists.txt $(CPP)
WITH     := $(if $(TORCH),$(VENV)/.torch)
SANITIZE := build/sanitize
REPORT   := $(CURDIR)/$(SANITIZE)/report
# The tests of what is written in C++: kernels, operations, tensors, the engine, threads.
NATIVE   := $(addprefix tests/,autograd backends core kernels ops runtime)

.PHONY: demo test lint readme bench stubs docs coverage wheel sanitize clean

demo: $(VENV)/.demo
	$(BIN)/flambeau demo digits $(ARGS)

test: $(VENV)/.test $(WITH)
	$(BIN)/python -m pytest -n auto $(ARGS)

lint: $(VENV)/.lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/clang-format --dry-run -Werror $(CPP)
	$(BIN)/mypy --strict --follow-imports=silent flambeau/core flambeau/autograd
	$(BIN)/lint-imports --no-cache
	$(BIN)/python tools/check_mentions.py

readme: $(VENV)/.test
	$(BIN)/python tools/run_readme.py README.md docs/*.md

bench: $(VENV)/.test $(VENV)/.torch
	$(BIN)/python -m benchmarks $(ARGS)

wheel: $(VENV)/.build
	rm -f dist/flambeau-*.whl
	$(BIN)/pip wheel --quiet --no-build-isolation --no-deps --wheel-dir dist .
	$(BIN)/python tools/check_wheel.py dist/flambeau-*.whl

# The sanitizers' runtimes come first in the process; libstdc++ with them, because the address
# sanitizer looks up the functions that throw when it starts. CPython frees little at its exit, so
# leaks are not asked for.
sanitize: $(SANITIZE)/.installed
	rm -f $(REPORT).*
	LD_PRELOAD="$$(g++ -print-file-name=libasan.so) $$(g++ -print-file-name=libstdc++.so)" \
	ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1:log_path=$(REPORT) \
	UBSAN_OPTIONS=print_stacktrace=1:log_path=$(REPORT) \
	PYTHONMALLOC=malloc PYTHONSAFEPATH=1 \
	$(SANITIZE)/venv/bin/python -m pytest -q -n auto $(NATIVE) $(ARGS) || { cat $(REPORT).*; exit 1; }

stubs: $(VENV)/.test
	$(BIN)/python tools/stubs.py $(ARGS)

docs: $(VENV)/.test
	$(BIN)/python tools/docs.py

coverage: $(VENV)/.test $(VENV)/.torch
	$(BIN)/python tools/coverage.py $(ARGS)

clean:
	rm -rf build dist docs/operations $(VENV) demo-output .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

$(VENV)/.build: pyproject.toml tools/build_requires.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet $$($(PYTHON) tools/build_requires.py)
	touch $@

$(VENV)/.demo $(VENV)/.test $(VENV)/.lint: $(VENV)/.build $(BUILD)
	$(BIN)/pip install --quiet --no-build-isolation -e '.[$(patsubst .%,%,$(@F))]'
	touch $@

$(VENV)/.torch: | $(VENV)/.build
	$(BIN)/pip install --quiet torch==2.13.0 expecttest
	touch $@

$(SANITIZE)/.installed: $(BUILD) $(shell find flambeau -name '*.py')
	$(PYTHON) -m venv $(SANITIZE)/venv
	$(SANITIZE)/venv/bin/pip install --quiet '.[test]' \
	  -C build-dir=$(SANITIZE)/cmake -C cmake.define.FLAMBEAU_ISAS=v3 \
	  -C cmake.define.FLAMBEAU_SANITIZE=address,undefined
	touch $@
