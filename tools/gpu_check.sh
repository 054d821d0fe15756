#!/usr/bin/env bash
# Checks that need an NVIDIA GPU: the kernels' tests, the variants of every op held together, and
# every golden model against its recording, in float32 and bfloat16, at every level and in every
# graph mode.
#
#   tools/gpu_check.sh BUILD [--sanitize]     BUILD: a build of the preset cuda
#
# --sanitize runs the kernels' tests under compute-sanitizer's memcheck and racecheck instead.
# Ends with "N passed, N failed"; exit code 1 if any failed.
set -u
build=${1:?expected the folder of a cuda build}
cd "$(dirname "$0")/.."
passed=0
failed=0
note() { # NAME STATUS OUTPUT
  if [ "$2" -eq 0 ]; then passed=$((passed + 1)); else
    failed=$((failed + 1))
    echo "FAILED: $1"
    echo "$3" | tail -12
  fi
}

if [ "${2:-}" = "--sanitize" ]; then
  for tool in memcheck racecheck; do
    out=$(compute-sanitizer --tool $tool --error-exitcode 9 \
      "$build/kernels_test" --gtest_filter='Gpu*' --gtest_brief=1 2>&1)
    note "$tool" $? "$out"
    echo "$out" | grep -E "ERROR SUMMARY|RACECHECK SUMMARY|tests ran" | tail -2
  done
else
  out=$("$build/kernels_test" --gtest_filter='Gpu*' 2>&1)
  status=$?
  echo "$out" | grep -E '^\[ +(PASSED|FAILED|SKIPPED)' | tail -40
  [ $status -eq 0 ] || echo "$out" | grep -B1 -A14 'Failure' | head -150
  note "kernels_test" $status ""
  out=$("$build/bench_test" --gtest_filter='Gpu*' --gtest_brief=1 2>&1)
  note "bench_test" $? "$out"
  modes="-O0;-O1;-O2;-O3;-O2 -cc.cudagraph_mode=FULL;-O2 -cc.cudagraph_mode=FULL_DECODE_ONLY"
  modes="$modes;-O2 -cc.cudagraph_mode=NONE;-O2 -cc.cudagraph_mode=PIECEWISE"
  for model in tests/golden/models/*/; do
    name=$(basename "$model")
    for dtype in float32 bfloat16; do
      while read -r -d ';' flags; do
        # shellcheck disable=SC2086  # flags is a list of words
        out=$("$build/ropewalk" verify "$model" --golden "$model/golden.safetensors" \
          --device cuda --dtype $dtype $flags 2>&1)
        note "$name $dtype $flags" $? "$out"
      done <<<"$modes;"
    done
  done
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
