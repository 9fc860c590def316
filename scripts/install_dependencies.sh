#!/usr/bin/env bash
# Installs what kiln is built with, on Debian 12, Ubuntu 24.04 or newer; calls apt-get only where something is missing.
#   --development   also what format checks, clang-tidy and quick rebuilds need
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# Needed by every build, and the tests.
required=(g++ cmake ninja-build pkg-config libeigen3-dev libcli11-dev libspdlog-dev libfmt-dev nlohmann-json3-dev
          libboost-dev libgtest-dev libgmock-dev libpcre2-dev libxxhash-dev zlib1g-dev libzstd-dev)
# kiln builds without these: plots are SVG alone where librsvg is absent; lines of a chat cannot be edited where libedit
# is; kiln serve draws no curves where dygraphs is; a training has one machine where MPI is; Google Benchmark is for
# bench/ alone, Python for tests that kill trainings and read what kiln exports.
optional=(librsvg2-dev libedit-dev libjs-dygraphs mpi-default-dev mpi-default-bin libbenchmark-dev python3)

for argument in "$@"; do
  case "$argument" in
    --development)
      required+=(git clang clang-format clang-tidy libclang-rt-dev)  # the last: sanitizers
      optional+=(ccache shellcheck fish zsh tmux)  # the last three: tests complete commands and talk in them
      ;;
    -h | --help)
      sed -n '2,3s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
      exit 0
      ;;
    *)
      printf 'error: %s: unknown option; the only one is --development\n' "$argument" >&2
      exit 2
      ;;
  esac
done

# The programs' packages: one that lies on the PATH from elsewhere (pip, a tarball, conda) will do.
declare -A program=([g++]=g++ [cmake]=cmake [ninja-build]=ninja [pkg-config]=pkg-config [git]=git [ccache]=ccache
                    [clang]=clang++ [clang-format]=clang-format [clang-tidy]=clang-tidy [shellcheck]=shellcheck
                    [fish]=fish [zsh]=zsh [tmux]=tmux [python3]=python3)

# missing PACKAGE...: those that are neither installed nor, for a program, on the PATH.
missing() {
  local installed package
  installed=" $(dpkg-query -W -f='${Package}=${db:Status-Status} ' "$@" 2>/dev/null || true)"
  for package in "$@"; do
    if [[ "$installed" == *" $package=installed "* ]]; then continue; fi
    if [[ -n "${program[$package]:-}" ]] && command -v "${program[$package]}" >/dev/null; then continue; fi
    echo "$package"
  done
}

# Debian 12's cmake is 3.25; older systems (Ubuntu 22.04) have libraries too old for kiln as well.
check_cmake() {
  local version
  version="$(cmake --version | awk 'NR == 1 { print $3 }')"
  if [[ "$(printf '%s\n' 3.25 "$version" | sort -V | head -n 1)" != 3.25 ]]; then
    die "cmake $version is too old, kiln needs 3.25 (Debian 12, Ubuntu 24.04 or newer; or: pip install cmake)"
  fi
}

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
  cat >&2 <<'END'
note: there is no apt-get here, so nothing was installed. kiln needs, from your system's packages:
  a C++20 compiler (GCC 12, Clang 15 or newer), CMake 3.25, Ninja or make, pkg-config,
  Eigen 3.4, CLI11, spdlog, fmt, nlohmann_json 3.11, PCRE2 (8 bit), xxHash, zlib, zstd, Boost 1.74 (headers), GoogleTest;
  and may use librsvg 2.52 (plots as PNG), libedit (line editing in chats), MPI (several machines),
  dygraphs (npm; cmake -DDYGRAPHS=.../node_modules/dygraphs), Google Benchmark (bench/), ccache.
vcpkg.json names the same set, but for librsvg: cmake -S . -B build -DCMAKE_TOOLCHAIN_FILE=<vcpkg>/scripts/buildsystems/vcpkg.cmake
END
  for tool in cmake pkg-config; do
    command -v "$tool" >/dev/null || die "$tool is not on the PATH"
  done
  check_cmake
  exit 0  # CMake names what is still missing
fi

mapfile -t needed < <(missing "${required[@]}")
mapfile -t wanted < <(missing "${optional[@]}")

if ((${#needed[@]} == 0 && ${#wanted[@]} == 0)); then
  check_cmake
  exit 0
fi

as_root=()
may_install=true
if ((EUID != 0)); then
  if command -v sudo >/dev/null; then as_root=(sudo); else may_install=false; fi
fi
apt() {
  ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive \
    apt-get -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@"
}

if ((${#needed[@]} > 0)); then
  if ! $may_install; then
    die "missing packages, and neither root nor sudo to install them with; ask an administrator for:
  apt-get install --no-install-recommends ${needed[*]}${wanted[*]:+ ${wanted[*]}}"
  fi
  say "Installing ${needed[*]}${wanted[*]:+ ${wanted[*]}}"
  apt update || note "apt-get update failed; going on with the package lists at hand"
fi

# Of the optional packages, those that this system's lists know.
available=()
for package in ${wanted[@]+"${wanted[@]}"}; do
  if $may_install && apt-cache show "$package" >/dev/null 2>&1; then
    available+=("$package")
  else
    note "$package cannot be installed here; kiln does without it"
  fi
done

install() { apt install -y --no-install-recommends "$@"; }
if ((${#needed[@]} == 0)); then
  if ((${#available[@]} > 0)) && ! install "${available[@]}"; then
    note "could not install ${available[*]}; kiln does without"
  fi
elif ! install "${needed[@]}" ${available[@]+"${available[@]}"} && ! install "${needed[@]}"; then
  die "apt-get could not install ${needed[*]}; kiln needs Debian 12, Ubuntu 24.04 or newer (Ubuntu: with universe on)"
fi
check_cmake
