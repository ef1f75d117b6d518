# Every target makes the virtual environment it needs; python3 >= 3.10, a C++17 compiler and make
# are all that must be there.
PYTHON ?= python3
VENV ?= .venv

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
SOURCES := pyproject.toml setup.py $(shell find csrc headscore -type f \
	! -name '*.so' ! -name '*.pyc' ! -path 'headscore/*.cpp')

CPP := csrc tests -name '*.cpp' -o -name '*.h' -o -name '*.inl' -o -name '*.cu' -o -name '*.cuh'

.PHONY: demo test lint bench mutants hostile docs wheel sanitize cross cuda-check gpu format clean

demo: $(VENV)/installed
	$(BIN)/headscore demo

# With bytecode, also where the environment wants none: pytest rewrites every assertion of the tests.
# Those marked slow run where CI is set.
test: $(VENV)/installed $(VENV)/test-tools
	PYTHONDONTWRITEBYTECODE= $(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist worksteal \
		$(if $(CI),,-m 'not slow') $(PYTEST_ARGS)

lint: $(VENV)/installed $(VENV)/lint-tools
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PATH=$(BIN):$$PATH cython-lint --max-line-length 100 $$(find headscore -name '*.pyx')
	find $(CPP) | xargs $(BIN)/clang-format --dry-run --Werror
	$(BIN)/codespell

bench: $(VENV)/installed $(VENV)/bench-tools
	for each in bench_sieve_scores bench_analyze bench_host bench_start memory; do \
		$(BIN)/python benchmarks/$$each.py $(BENCH) || exit 1; \
	done

# Mutants of the sources, each with the tests that are about it.
mutants: $(VENV)/installed $(VENV)/test-tools $(VENV)/bench-tools
	$(BIN)/python benchmarks/robustness/mutants.py $(MUTANTS)

# Files that are broken or made to do harm; crashes after each operation on files (Debian: strace);
# calls of the system that fail. Hours, with every one of them.
hostile: $(VENV)/installed $(VENV)/test-tools
	for each in hostile_files hostile_inputs; do \
		$(BIN)/python benchmarks/robustness/$$each.py || exit 1; \
	done
	for each in broken_files broken_inputs crash_consistency faults; do \
		$(BIN)/python benchmarks/robustness/$$each.py --all || exit 1; \
	done

docs: $(VENV)/installed $(VENV)/docs-tools
	cd docs && $(abspath $(BIN))/mkdocs build --quiet

# The kernel and the sources of the host without Python: memory and undefined behaviour with $(CXX),
# data races of the kernel and of its pool with clang.
KERNEL := -std=c++17 -O1 -g -pthread -ffp-contract=fast -fno-math-errno -Wall -Wextra -Wno-psabi \
	-Icsrc csrc/cpu/*.cpp tests/driver.cpp
HOST := -std=c++17 -O1 -g -ffp-contract=off -Wall -Wextra -Icsrc csrc/planning/*.cpp \
	csrc/sentences/*.cpp tests/host_driver.cpp
sanitize:
	mkdir -p build
	$(CXX) $(HOST) -fsanitize=address,undefined -fno-sanitize-recover=all -o build/driver-host
	build/driver-host headscore/demo/demo.conllu
	$(CXX) $(KERNEL) -fsanitize=address,undefined -fno-sanitize-recover=all -o build/driver-memory
	for isa in baseline avx2 avx512; do HEADSCORE_CPU_ISA=$$isa build/driver-memory || exit 1; done
	clang++ $(KERNEL) -Wno-pass-failed -fsanitize=thread -o build/driver-races
	build/driver-races

# The kernel on 64-bit Arm, emulated (Debian: g++-aarch64-linux-gnu qemu-user), built by GCC and by
# clang; then all that a CPU runs built by clang for the systems that are not here. zig is a clang
# with the headers and libraries of every system.
ZIG := $(BIN)/python -m ziglang c++
ZIG_TARGETS := aarch64-linux-musl aarch64-linux-gnu aarch64-macos x86_64-macos x86_64-windows-gnu \
	x86_64-linux-gnu.2.28
cross: $(VENV)/cross-tools
	mkdir -p build/cross
	aarch64-linux-gnu-g++ $(KERNEL) -O3 -g0 -static -o build/cross/kernel-gcc
	qemu-aarch64 build/cross/kernel-gcc
	built() { $(ZIG) -target $$1 $$3 -O3 -g0 -o build/cross/$$2-$$1; }; \
	status=0; \
	for target in $(ZIG_TARGETS); do \
		built $$target kernel "$(KERNEL)" && built $$target host "$(HOST)" \
			&& echo $$target ok || { echo $$target failed; status=1; }; \
	done; \
	exit $$status
	qemu-aarch64 build/cross/kernel-aarch64-linux-musl

# A wheel for this Python as a release has it, in dist/, and what is in it; then installed where there
# is no compiler, and tested.
wheel: $(VENV)/base $(VENV)/wheel-tools
	rm -rf build/lib* build/wheel build/room dist
	PIP_CONSTRAINT=constraints.txt $(BIN)/python -m build --outdir build/wheel
	PATH=$(abspath $(BIN)):$$PATH auditwheel repair --strip --wheel-dir dist build/wheel/*.whl
	mv build/wheel/*.tar.gz dist
	$(BIN)/auditwheel show dist/*.whl
	$(BIN)/check-wheel-contents dist/*.whl
	$(PYTHON) -m venv build/room
	build/room/bin/python -m pip install -q torch==2.13.0
	build/room/bin/python -m pip install -q -c constraints.txt dist/*.whl pytest hypothesis
	cp -r tests pyproject.toml build/room
	cd build/room && export PATH=$$PWD/bin && headscore doctor && \
		pytest -o addopts= --strict-markers tests/backends/test_sieve_scores.py

# What nvcc says of the CUDA kernels, for every target: warnings; registers, blocks, spills, size and
# time of the build.
cuda-check: $(VENV)/installed $(VENV)/test-tools
	HEADSCORE_CUDA_TARGETS="80 86 89 90 100 120" $(BIN)/pytest tests/backends/test_cuda_build.py
	$(BIN)/python benchmarks/cuda_build.py

# All that needs a GPU, in a quarter of an hour and without network, see there.
gpu:
	PYTHON="$(PYTHON)" benchmarks/gpu.sh

format: $(VENV)/lint-tools
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	find $(CPP) | xargs $(BIN)/clang-format -i

clean:
	rm -rf $(VENV) build dist *.egg-info

$(VENV)/base: constraints.txt
	$(PYTHON) -m venv --clear $(VENV)
	$(PIP) install -c constraints.txt pip
	$(PIP) install torch==2.13.0
	touch $@

# The package is built and installed, not linked: tests run against what a user gets. Files of an
# earlier build would be installed too, also where they are gone from the tree.
$(VENV)/installed: $(VENV)/base $(SOURCES)
	rm -rf build/lib*
	$(PIP) install -c constraints.txt --build-constraint constraints.txt '.[demo,report]'
	touch $@

$(VENV)/%-tools: $(VENV)/base pyproject.toml
	$(PIP) install -c constraints.txt --group $*
	touch $@
