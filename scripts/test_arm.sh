#!/usr/bin/env bash
# Cross-compiles kiln for 64-bit Arm into build-arm64/ and runs tests under qemu-user, which shows that they pass, not how
# fast Arm is. Needs Debian's compiler and emulator; the libraries come from its arm64 packages, unpacked beside the build.
#   scripts/test_arm.sh [PROGRAM...]   without one: core_test tensor_test kernels_test nn_test optim_test train_test
# Products of bfloat16 are tested twice: with BFMMLA, and on a processor without it.
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$REPOSITORY"
build="build-arm64"
sysroot="$REPOSITORY/$build/sysroot"
programs=("$@")
if ((${#programs[@]} == 0)); then
  programs=(core_test tensor_test kernels_test nn_test optim_test train_test)
fi

# An emulator cannot run these. What takes minutes of arithmetic skips itself (KILN_EMULATED, tests/support/sanitized.h).
left_out=(
  # qemu 7.2 makes a fork of a vfork, so that posix_spawn never reports a program that is missing.
  LineProcess.AProgramThatIsMissingIsAnError
  CommandRewards.WordsAreNotSplitByAShell
  CommandRewards.OneThatIsMissingIsAnErrorAtTheFirstAnswer
  # These measure speed; each of the proposals times training steps of several models.
  Machine.MeasuresPlausibleCeilings
  'Proposal.*'
)

packages=(libspdlog-dev libgmock-dev zlib1g-dev libzstd-dev libxxhash-dev libpcre2-dev libeigen3-dev libcli11-dev
          nlohmann-json3-dev libboost-dev)

# Unpacks arm64 packages and all they depend on. apt-get works in a folder of its own, so that the system stays as it is.
fill_sysroot() {
  local apt="$REPOSITORY/$build/apt" package link target
  mkdir -p "$apt"/{state,cache}/
  local -a get=(apt-get -q -y -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Debug::NoLocking=true
                -o Dir::State="$apt/state" -o Dir::State::status=/dev/null -o Dir::Cache="$apt/cache")
  "${get[@]}" update
  "${get[@]}" --download-only --no-install-recommends install "${packages[@]}"
  for package in "$apt"/cache/archives/*.deb; do dpkg-deb -x "$package" "$sysroot.part"; done
  find "$sysroot.part" -lname '/*' -printf '%p %l\n' | while read -r link target; do
    ln -sfr "$sysroot.part$target" "$link"  # absolute links would lead out of the sysroot
  done
  mv "$sysroot.part" "$sysroot"
  rm -r "$apt"
}

for tool in aarch64-linux-gnu-g++ qemu-aarch64; do
  command -v "$tool" >/dev/null || die "$tool is not on the PATH (Debian: apt-get install g++-aarch64-linux-gnu qemu-user)"
done
if [[ ! -d "$sysroot" ]]; then
  say "Unpacking the libraries into $sysroot"
  fill_sysroot
fi

say "Building into $build"
cmake --preset arm64
cmake --build "$build" --parallel "$(build_jobs)" --target "${programs[@]}"

say "Testing"
failed=0
# run PROCESSOR PROGRAM [FILTER]
run() {
  local start=$SECONDS status=0 filter="${3:-*}"
  qemu-aarch64 -cpu "$1" -L "$sysroot" "$build/tests/$2" --gtest_brief=1 \
    --gtest_filter="$filter-$(IFS=: && echo "${left_out[*]}")" || status=$?
  printf '%-14s %-10s %5d s  %s\n' "$2" "$1" $((SECONDS - start)) "$( ((status == 0)) && echo passed || echo "FAILED ($status)")"
  if ((status != 0)); then failed=1; fi
}
for program in "${programs[@]}"; do
  run max "$program"
  if [[ "$program" == kernels_test ]]; then run cortex-a72 "$program" 'Matmul.*'; fi
done
exit "$failed"
