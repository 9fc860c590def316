#!/usr/bin/env bash
# Builds the fuzz targets (clang, libFuzzer, address and undefined-behaviour sanitizers) into build-fuzz/, runs them one
# after another and prints a Markdown table of what came of it; exit 1 if anything was found.
#   scripts/fuzz.sh [TARGET...]   all of tests/fuzz without one
#   SECONDS_EACH                  how long each target runs (default 600)
# What libFuzzer adds to the seeds stays in build-fuzz/corpus/TARGET, for the next run; findings lie in
# build-fuzz/found/TARGET. A finding that is mended belongs, minimized (-minimize_crash=1), into tests/fuzz/found/TARGET.
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$REPOSITORY"
seconds="${SECONDS_EACH:-600}"
build="build-fuzz"

# No input is longer than 16 KiB. Reading one takes a few MiB whatever it says, most of it a tokenizer's cache and pieces
# of a file, so that one allocation of 16 MiB, or 1 GiB in all (most of it the sanitizer's), is by a number in the file.
limits=(-max_len=16384 -malloc_limit_mb=16 -rss_limit_mb=1024 -timeout=10)

command -v clang++ >/dev/null || die "clang++ is not on the PATH (Debian: apt-get install clang)"
targets=("$@")
if ((${#targets[@]} == 0)); then
  for folder in tests/fuzz/corpus/*/; do targets+=("$(basename "$folder")"); done
fi
cmake --preset fuzz
cmake --build "$build" --parallel "$(build_jobs)" --target "${targets[@]/#/fuzz_}"

# Files that targets write and read go to memory where there is a place for that.
TMPDIR="$(mktemp -d -p "$([[ -w /dev/shm ]] && echo /dev/shm || echo /tmp)" kiln-fuzz-XXXXXX)"
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
export OMP_NUM_THREADS=1 ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=0 UBSAN_OPTIONS=print_stacktrace=1

table="| target | seconds | of processor time | executions | edges | inputs kept | findings |"$'\n'"|---|---|---|---|---|---|---|"
TIMEFORMAT="%U %S"
found=0
for target in "${targets[@]}"; do
  [[ -x "$build/tests/fuzz/fuzz_$target" ]] || die "$target: no such target; tests/fuzz/corpus lists them"
  kept="$build/corpus/$target" findings="$build/found/$target" log="$build/fuzz_$target.log"
  seeds=("tests/fuzz/corpus/$target")
  if [[ -d "tests/fuzz/found/$target" ]]; then seeds+=("tests/fuzz/found/$target"); fi
  rm -rf "$findings"
  mkdir -p "$kept" "$findings"
  say "$target, $seconds s; its log is $log"
  status=0
  { time "$build/tests/fuzz/fuzz_$target" "${limits[@]}" -dict=tests/fuzz/tokens.dict -max_total_time="$seconds" \
    -artifact_prefix="$findings/" -print_final_stats=1 "$kept" "${seeds[@]}" >"$log" 2>&1; } 2>"$log.time" || status=$?
  if ((status != 0)); then tail -n 40 "$log"; fi
  table+=$'\n'"$(awk -v target="$target" -v findings="$(find "$findings" -type f | wc -l)" \
    -v processor="$(awk '{ printf "%d", $1 + $2 }' "$log.time")" '
    /^#[0-9]+/ { for (i = 2; i < NF; ++i) { if ($i == "cov:") edges = $(i + 1); if ($i == "corp:") kept = $(i + 1) } }
    /^Done / { seconds = $5 }
    /^stat::number_of_executed_units:/ { executions = $2 }
    END { sub("/.*", "", kept); print "| " target " | " seconds " | " processor " | " executions " | " edges " | " kept " | " findings " |" }
  ' "$log")"
  if ((status != 0)); then found=1; fi
done

say "Fuzzing"
printf '%s\n' "$table"
exit "$found"
