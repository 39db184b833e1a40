# shellcheck shell=bash
# Sourced by experiments that run in the repository's root: $program, which PRIVDNN names, or else what make builds.
export LC_ALL=C # numbers have points
program=${PRIVDNN:-build/release/privdnn}
if [[ ! -x $program ]]; then
  printf '%s: %s is not there; make builds it, PRIVDNN names another\n' "$(basename "$0" .sh)" "$program" >&2
  exit 1
fi
