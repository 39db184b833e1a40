#!/usr/bin/env bash
# Installs the Debian 12 packages that privdnn is built from. Run it as often as you like: it asks dpkg what is
# missing and does nothing when nothing is.
#
#   scripts/setup.sh --demo         what building and running the program needs, without mpirun
#   scripts/setup.sh                also what the tests need, and OpenMPI
#   scripts/setup.sh --tools        also the tools of `make format`, `make lint`, `make fuzz` and `make fresh`
#   scripts/setup.sh --check        install nothing: print what is missing and exit 1 if anything is
#
# --check goes with each of the others. Exit codes: 0 everything is installed, 1 something is not, 2 wrong usage.
set -euo pipefail

# Compiler and build tools. GCC 12 is Debian 12's g++. Not build-essential, whose packaging tools nothing here uses.
toolchain=(make g++ cmake ninja-build)

# Tensors, autograd and plaintext execution. The OpenMP build of OpenBLAS is named because nothing may fall back to
# the pthread build: its threads fight with LibTorch's own OpenMP threads (2.7 times slower training).
tensors=(libtorch-dev libopenblas0-openmp)

# The model format, and the message format that it is written in.
models=(libonnx-dev libprotobuf-dev protobuf-compiler)

# Images: gzip files and JPEGs of data sets; PNGs of what attacks reconstruct.
images=(zlib1g-dev libjpeg62-turbo-dev libpng-dev)

# The service between owner and user. gRPC's CMake files look for c-ares, RE2 and zlib by themselves.
service=(libgrpc++-dev libgrpc-dev protobuf-compiler-grpc libc-ares-dev libre2-dev libsqlite3-dev)

# Cryptographic primitives and checksums.
primitives=(libssl-dev libsodium-dev libxxhash-dev)

# Statuses, threads, formatting, logs, JSON, command lines.
foundations=(libabsl-dev libtbb-dev libfmt-dev libspdlog-dev nlohmann-json3-dev libcli11-dev)

# Plots in reports.
plots=(libjs-chart.js)

# Not with --demo. One command on several machines: the library, and mpirun. Without them the program is built for one
# process (PRIVDNN_WITH_MPI).
ranks=(libopenmpi-dev openmpi-bin)

# Not with --demo. Unit tests; the browser that reports are opened in; a cache for those who build often.
tests=(libgtest-dev libgmock-dev chromium ccache)

# Only with --tools: formatter, linters, the compiler and run-time library of the fuzz targets, and what makes a bare
# Debian.
tools=(clang clang-format clang-tidy libclang-rt-14-dev shellcheck debootstrap doxygen)

say() { printf 'setup: %s\n' "$*"; }
die() {
  printf 'setup: %s\n' "$*" >&2
  exit 1
}

usage() { sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; }

check_only=false
wanted='test'
for argument in "$@"; do
  case $argument in
    --check) check_only=true ;;
    --demo | --test | --tools) wanted=${argument#--} ;;
    -h | --help) usage && exit 0 ;;
    *)
      say "unknown argument '$argument'; see scripts/setup.sh --help" >&2
      exit 2
      ;;
  esac
done

packages=("${toolchain[@]}" "${tensors[@]}" "${models[@]}" "${images[@]}" "${service[@]}" "${primitives[@]}"
  "${foundations[@]}" "${plots[@]}")
if [[ $wanted != demo ]]; then packages+=("${ranks[@]}" "${tests[@]}"); fi
if [[ $wanted == tools ]]; then packages+=("${tools[@]}"); fi

if ! { command -v dpkg-query && command -v apt-get; } >/dev/null; then
  die "this is no Debian: there is no dpkg-query or no apt-get. Install your system's equivalents of these packages," \
    "then say SETUP=no: ${packages[*]}"
fi

# Prints the named packages that are not installed, one a line.
missing_packages() {
  local package status
  for package in "$@"; do
    status=$(dpkg-query -W -f '${db:Status-Abbrev}\n' "$package" 2>/dev/null || true)
    grep -q '^.i' <<<"$status" || printf '%s\n' "$package"
  done
}

# Prints "NAME TARGET" for each BLAS or LAPACK alternative that points at OpenBLAS's pthread build.
pthread_alternatives() {
  command -v update-alternatives >/dev/null || return 0
  update-alternatives --get-selections |
    awk '$1 ~ /^(libblas\.so|liblapack\.so|libopenblas\.so)/ && $3 ~ /openblas-pthread/ {print $1, $3}'
}

as_root=()
if [[ $EUID -ne 0 ]]; then as_root=(sudo); fi

require_root() {
  if [[ $EUID -ne 0 ]] && ! command -v sudo >/dev/null; then
    die "$1. That needs root to put right, and there is no sudo: run scripts/setup.sh --$wanted as root"
  fi
}

apt_get() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get -q -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 "$@" </dev/null
}

mapfile -t missing < <(missing_packages "${packages[@]}")
mapfile -t pthread_blas < <(pthread_alternatives)

if $check_only; then
  if [[ ${#missing[@]} -gt 0 ]]; then printf '%s\n' "${missing[@]}"; fi
  if [[ ${#pthread_blas[@]} -gt 0 ]]; then say "OpenBLAS's pthread build is selected: ${pthread_blas[*]}" >&2; fi
  [[ ${#missing[@]} -eq 0 && ${#pthread_blas[@]} -eq 0 ]]
  exit
fi

if [[ ${#missing[@]} -gt 0 ]]; then
  require_root "these packages are missing: ${missing[*]}"
  # shellcheck source=/dev/null
  release=$(. /etc/os-release && printf '%s' "${ID:-unknown} ${VERSION_ID:-}")
  hint=
  if [[ $release != "debian 12" ]]; then
    say "warning: package names are Debian 12's, this is $release"
    hint="; install this system's equivalents, then say SETUP=no"
  fi
  say "installing ${#missing[@]} packages: ${missing[*]}"
  # An unrelated broken source must not stop the set-up; a package that cannot be had is reported by the installation.
  apt_get update || say "warning: apt-get update failed; going on with the package lists that are there"
  # Archives are of no use once they are unpacked, and take a quarter of the space.
  apt_get -o APT::Keep-Downloaded-Packages=false install -y --no-install-recommends "${missing[@]}" ||
    die "apt-get could not install them$hint"
  mapfile -t missing < <(missing_packages "${packages[@]}")
  [[ ${#missing[@]} -eq 0 ]] || die "still not installed: ${missing[*]}"
  mapfile -t pthread_blas < <(pthread_alternatives)
fi

for alternative in "${pthread_blas[@]}"; do
  require_root "OpenBLAS's pthread build is selected: $alternative"
  read -r name target <<<"$alternative"
  say "selecting OpenBLAS's OpenMP build for $name"
  "${as_root[@]}" update-alternatives --set "$name" "${target/openblas-pthread/openblas-openmp}"
done

say "all ${#packages[@]} packages are installed"
