# The two commands to know: make demo, make test.
PRESET ?= release
BUILD = build/$(PRESET)

.PHONY: demo build test check sanitize cuda fuzz bench tidy format docs clean

demo: deps-build
	@cmake --preset release -DRW_TESTS=OFF -B build/demo >/dev/null
	@cmake --build build/demo --target ropewalk
	build/demo/ropewalk run models/tales-5m --prompt "Once upon a time" --echo --max-tokens 160

test: deps-build deps-test check
	cmake --preset release
	cmake --build build/release
	ctest --preset release
	$(MAKE) sanitize

# The same tests under ASan and UBSan.
sanitize: deps-build deps-test
	cmake --preset dev
	cmake --build build/dev
	ctest --preset dev

# The CUDA backend, its tests and its benchmark; needs nvcc of CUDA 13. ARCH: compute capabilities,
# as in CMAKE_CUDA_ARCHITECTURES. Tests that need a GPU skip where there is none;
# tools/gpu_check.sh build/cuda runs everything on one.
ARCH ?= 80-real;90a-real;100-real;100-virtual
CUDA_TARGETS ?= ropewalk kernels_test bench_test gpu_bench
cuda: deps-build deps-test
	cmake --preset cuda -DCMAKE_CUDA_ARCHITECTURES="$(ARCH)"
	cmake --build build/cuda --target $(CUDA_TARGETS)
	build/cuda/kernels_test --gtest_filter='Gpu*:*Nvrtc*' --gtest_brief=1

# What needs no compiler: layers, formatting.
check:
	python3 tools/check_layers.py
	python3 bench/h200_page.py --check
	git ls-files '*.h' '*.cc' '*.cu' '*.cuh' | xargs clang-format --dry-run --Werror

format:
	git ls-files '*.h' '*.cc' '*.cu' '*.cuh' | xargs clang-format -i

tidy: deps-build deps-test deps-lint
	cmake --preset release
	git ls-files 'src/*.cc' | xargs -P 2 -n 4 clang-tidy -p build/release --quiet

# Fuzzers for libFuzzer, e.g. build/fuzz/config_fuzz tests/corpus/config_fuzz
fuzz: deps-build deps-fuzz
	cmake --preset fuzz
	cmake --build build/fuzz

# The kernels beside the machine's roofs: build/bench/bench/kernels_bench
bench: deps-build deps-bench
	cmake --preset bench
	cmake --build build/bench --target kernels_bench ropewalk

# The pages under docs/ that are generated from the plan's tables; a test holds them fresh.
docs: build
	$(BUILD)/ropewalk docs docs

build: deps-build
	cmake --preset $(PRESET)
	cmake --build $(BUILD)

deps-%:
	@tools/install_deps.sh $*

clean:
	rm -rf build
