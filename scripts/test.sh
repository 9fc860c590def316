#!/usr/bin/env bash
# Installs what is missing, builds everything, runs the whole test suite. Arguments go to ctest, e.g. -R Tokenizer.
# BUILD_DIR names another build folder than build/, CMAKE_ARGS further arguments for CMake.
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$REPOSITORY"
build="${BUILD_DIR:-build}"
read -r -a cmake_arguments <<<"${CMAKE_ARGS:-}"

scripts/install_dependencies.sh

say "Building into $build"
configure "$build" -DCMAKE_BUILD_TYPE=Release -DKILN_TESTS=ON ${cmake_arguments[@]+"${cmake_arguments[@]}"}
cmake --build "$build" --parallel "$(build_jobs)"

say "Testing"
ctest --test-dir "$build" --output-on-failure --no-tests=error --parallel "$(cores)" "$@"
