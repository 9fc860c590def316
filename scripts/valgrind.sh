#!/usr/bin/env bash
# Runs the tests of the tokenizers and of all that reads files under valgrind's memcheck; exit 1 if it has anything to
# say: a read of what was never written, or past an end, or a byte that is definitely lost.
#   scripts/valgrind.sh [PROGRAM...]   without one: tensor_test text_test data_test interop_test fuzz_test
# Built into build-valgrind/ without -march=native (valgrind 3.19 knows no AVX-512); one thread.
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$REPOSITORY"
build="build-valgrind"
programs=("$@")
if ((${#programs[@]} == 0)); then programs=(tensor_test text_test data_test interop_test fuzz_test); fi

command -v valgrind >/dev/null || die "valgrind is not on the PATH (Debian: apt-get install valgrind libc6-dbg)"
cmake --preset valgrind
cmake --build "$build" --parallel "$(build_jobs)" --target "${programs[@]}"

export OMP_NUM_THREADS=1
failed=0
for program in "${programs[@]}"; do
  path="$build/tests/$program"
  if [[ "$program" == fuzz_test ]]; then path="$build/tests/fuzz/fuzz_test"; fi
  log="$build/$program.valgrind.log" start=$SECONDS status=0
  valgrind --quiet --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite --show-leak-kinds=definite \
    --num-callers=20 --log-file="$log" "$path" --gtest_brief=1 || status=$?
  printf '%-14s %5d s  %s\n' "$program" $((SECONDS - start)) "$( ((status == 0)) && echo "nothing found" || echo "FAILED ($status): $log")"
  if ((status != 0)); then failed=1; fi
done
exit "$failed"
