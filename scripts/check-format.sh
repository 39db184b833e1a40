#!/usr/bin/env bash
# Checks, or with --fix rewrites, the layout of the C++ files against .clang-format.
# Different releases of clang-format lay code out differently: Debian 12's, 14, is the one that counts.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case ${1:-} in
  '') action=(--dry-run -Werror) ;;
  --fix) action=(-i) ;;
  *)
    printf 'usage: scripts/check-format.sh [--fix]\n' >&2
    exit 2
    ;;
esac

formatter=${CLANG_FORMAT:-$(command -v clang-format-14 || command -v clang-format || true)}
if [[ -z $formatter ]]; then
  printf 'check-format: no clang-format here; scripts/setup.sh --tools installs it\n' >&2
  exit 1
fi

directories=()
for directory in privdnn apps tests fuzz bench examples experiments; do
  if [[ -d $directory ]]; then directories+=("$directory"); fi
done
find "${directories[@]}" -type f \( -name '*.cc' -o -name '*.h' \) -print0 |
  sort -z | xargs -0 -r "$formatter" --style=file "${action[@]}"
