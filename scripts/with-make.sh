#!/usr/bin/env bash
# Behind ./demo and ./test: a bare machine has no make, so this installs it first, with whatever else the target needs.
#
#   scripts/with-make.sh SCRIPT TARGET [JOBS=N] [SETUP=no]
#
# SCRIPT is the script that speaks to the user; TARGET is a target of the Makefile and a set of scripts/setup.sh.
set -euo pipefail
exec </dev/null # nothing here asks

usage() { sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$1"; }

if [[ $# -lt 2 ]]; then
  usage "${BASH_SOURCE[0]}" >&2
  exit 2
fi
script=$1
target=$2
shift 2

wrong_usage() {
  printf '%s: %s; see ./%s --help\n' "$target" "$*" "${script##*/}" >&2
  exit 2
}

setup=${SETUP:-yes}
for argument in "$@"; do
  case $argument in
    -h | --help)
      usage "$script"
      exit 0
      ;;
    JOBS=*) [[ ${argument#*=} =~ ^[1-9][0-9]*$ ]] || wrong_usage "JOBS is a number from 1, not '${argument#*=}'" ;;
    SETUP=no | SETUP=yes) setup=${argument#*=} ;;
    SETUP=*) wrong_usage "SETUP is yes or no, not '${argument#*=}'" ;;
    *) wrong_usage "unknown argument '$argument'" ;;
  esac
done

cd "$(dirname "${BASH_SOURCE[0]}")/.."
if ! command -v make >/dev/null; then
  if [[ $setup == no ]]; then
    printf '%s: there is no make here, and SETUP=no installs nothing\n' "$target" >&2
    exit 1
  fi
  scripts/setup.sh "--$target"
fi
make "$target" "$@" || exit 1
