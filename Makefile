# A front door to CMake and its presets: `make help` lists what it does. Variables to set on the command line:
#   JOBS=4            parallel compilations and tests
#   SETUP=no          do not look after packages (systems other than Debian 12)
#   FUZZ_SECONDS=600  how long `make fuzz` runs each target
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.NOTPARALLEL:
MAKEFLAGS += --no-builtin-rules --no-print-directory

# As many jobs as there are cores, but a unit that includes LibTorch takes 1.2 GB to compile: 1.5 GiB for each job.
JOBS := $(or $(JOBS),$(shell awk -v cores="$$(nproc)" -v limit="$$(cat /sys/fs/cgroup/memory.max 2>/dev/null)" \
  '/^MemAvailable:/ {free = $$2} \
   END {if (limit ~ /^[0-9]+$$/ && limit / 1024 < free) free = limit / 1024; \
        jobs = int(free / 1572864); if (jobs > cores) jobs = cores; print jobs < 1 ? 1 : jobs}' /proc/meminfo))
FUZZ_SECONDS ?= 60
CTEST := ctest --no-tests=error -j $(JOBS)

# Set up again only when the list of packages may have changed.
ifeq ($(SETUP),no)
demo_stamp :=
test_stamp :=
tools_stamp :=
else
setup_hash := $(firstword $(shell sha256sum scripts/setup.sh))
demo_stamp := build/.setup-demo-$(setup_hash)
test_stamp := build/.setup-test-$(setup_hash)
tools_stamp := build/.setup-tools-$(setup_hash)
endif

.PHONY: build
build: build/release/build.ninja  ## build the programs, build/release/privdnn and privdnn-owner (the default)
	@cmake --build --preset release -j $(JOBS) --target privdnn privdnn-owner

.PHONY: demo
demo: build  ## private inference from end to end on a small model; the figures go to build/demo.json
	@build/release/privdnn demo --out build/demo.json

.PHONY: test
test: build/release/.tests build/asan-ubsan/build.ninja  ## build and run every test, some also under sanitizers
	@cmake --build --preset release -j $(JOBS)
	@cmake --build --preset asan-ubsan -j $(JOBS)
	@$(CTEST) --preset asan-ubsan
	@$(CTEST) --preset release

.PHONY: format
format: $(tools_stamp)  ## lay out the C++ files with clang-format
	@scripts/check-format.sh --fix

# clang 14 cannot compile LibTorch's headers as C++20, so units that include them are left out. The rest must find the
# headers that the build generates: ninja knows which files those are.
.PHONY: lint
lint: $(tools_stamp) build/dev/build.ninja  ## check layout, C++ (clang-tidy) and shell scripts
	@scripts/check-format.sh
	@shellcheck demo test scripts/*.sh experiments/*.sh .ci/run
	@generated=$$(ninja -C build/dev -t targets all | sed -n 's/^\([^:]*\.h\): CUSTOM_COMMAND$$/\1/p'); \
	 if [[ -n $$generated ]]; then ninja --quiet -C build/dev -j $(JOBS) $$generated; fi
	@mapfile -t files < <(find privdnn apps tests -name '*.cc' -print0 | sort -z \
	   | xargs -0 grep -LE '^#include [<"](torch|ATen|c10)/'); \
	 run-clang-tidy -quiet -p build/dev -j $(JOBS) -extra-arg=-Wno-unknown-warning-option \
	   "$${files[@]/#/^$(CURDIR)/}"

# A target is a program in build/fuzz/fuzz. What it has found so far is kept in build/fuzz/corpus; fuzz/corpus/TARGET
# seeds it.
.PHONY: fuzz
fuzz: $(tools_stamp) build/fuzz/build.ninja  ## build the fuzz targets and run each for FUZZ_SECONDS
	@cmake --build --preset fuzz -j $(JOBS)
	@mapfile -t targets < <(find build/fuzz/fuzz -maxdepth 1 -type f -executable | sort); \
	 if [[ $${#targets[@]} -eq 0 ]]; then echo 'no fuzz target was built' >&2; exit 1; fi; \
	 for target in "$${targets[@]}"; do \
	   name=$${target##*/}; seeds=fuzz/corpus/$$name; \
	   mkdir -p build/fuzz/corpus/$$name build/fuzz/crashes; \
	   echo "== $$name, $(FUZZ_SECONDS) s"; \
	   $$target -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1 -artifact_prefix=build/fuzz/crashes/$$name- \
	     build/fuzz/corpus/$$name $$(if [[ -d $$seeds ]]; then echo $$seeds; fi); \
	 done

.PHONY: fresh
fresh: $(tools_stamp)  ## run ./demo in a bare Debian 12 of its own, as root: packages, build, figures
	@scripts/fresh-root.sh

.PHONY: docs
docs: $(tools_stamp)  ## pages of the library's public headers with Doxygen, in build/docs/html
	@rm -rf build/docs && mkdir -p build/docs
	@doxygen docs/Doxyfile

.PHONY: clean
clean:  ## remove everything that was built
	@rm -rf build

.PHONY: help
help:  ## this list
	@sed -n 's/^\([a-z]*\):.*  ## /\1\t/p' Makefile | expand -t 10

# Ninja runs CMake again by itself when a CMake file changes; only a changed preset needs this.
build/%/build.ninja: CMakePresets.json | $(test_stamp)
	@cmake --preset $*
	@touch -c $@

# The program needs fewer packages than its tests: the first build leaves these out, and later ones leave things as
# they are.
build/release/build.ninja: CMakePresets.json | $(demo_stamp)
	@cmake --preset release $(if $(wildcard build/release/CMakeCache.txt),,-D PRIVDNN_BUILD_TESTS=OFF)
	@touch -c $@

# Adds the tests to a build that may have begun without them, and finds the packages that have come since. Nothing that
# was built is built again, but for what asks whether there is MPI.
build/release/.tests: CMakePresets.json $(test_stamp)
	@cmake --preset release -D PRIVDNN_BUILD_TESTS=ON
	@touch -c build/release/build.ninja && touch $@

# Installs a set of packages. The stamp of an older list goes when a newer one is written.
ifneq ($(SETUP),no)
build/.setup-%-$(setup_hash):
	@scripts/setup.sh --$*
	@mkdir -p build && rm -f build/.setup-$*-* && touch $@
endif

.PRECIOUS: build/%/build.ninja build/.setup-%-$(setup_hash)
