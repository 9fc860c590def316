# Shared by the scripts beside it (sourced, not run): where the repository lies, how to build it, timed headings.
# shellcheck shell=bash

REPOSITORY="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
export REPOSITORY

# ccache saves most of a rebuild where it is installed; CMake reads this variable at the first configuration.
if [[ -z "${CMAKE_CXX_COMPILER_LAUNCHER:-}" ]] && command -v ccache >/dev/null; then
  export CMAKE_CXX_COMPILER_LAUNCHER=ccache
fi

say() { printf '\n== %s\n' "$*"; }
note() { printf 'note: %s\n' "$*" >&2; }
die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

cores() { nproc 2>/dev/null || getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1; }

# Jobs for the compiler: one for each core, but only as many as there is memory for (about 1.5 GB each).
build_jobs() {
  local jobs kilobytes fit
  jobs="$(cores)"
  if [[ -r /proc/meminfo ]]; then
    kilobytes="$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo)"
    fit=$((${kilobytes:-0} / 1500000))
    if ((fit >= 1 && fit < jobs)); then jobs=$fit; fi
  fi
  echo "$jobs"
}

# configure FOLDER [cmake arguments]: Ninja for a new folder where it is installed; a configured one keeps its generator.
configure() {
  local folder="$1"
  shift
  local -a generator=()
  if [[ ! -f "$folder/CMakeCache.txt" ]] && command -v ninja >/dev/null; then generator=(-G Ninja); fi
  cmake -S "$REPOSITORY" -B "$folder" ${generator[@]+"${generator[@]}"} "$@"
}

# Installs what is missing and builds the program into build/, without the tests.
build_kiln() {
  say "Checking for the libraries"
  "$REPOSITORY/scripts/install_dependencies.sh"
  say "Building (Release, without the tests)"
  local -a unity=()  # several files a compiler call: half the time of a first build
  if [[ ! -f build/CMakeCache.txt ]]; then unity=(-DCMAKE_UNITY_BUILD=ON); fi
  configure build -DCMAKE_BUILD_TYPE=Release -DKILN_TESTS=OFF ${unity[@]+"${unity[@]}"} >/dev/null
  cmake --build build --target kiln_binary --parallel "$(build_jobs)"
}
