#!/usr/bin/env bash
# Checks which module includes which, and which other library, against the table of modules in docs/architecture.md.
# Its third column lists the modules, its fourth the directories or headers of other libraries, that a module may
# include directly. Tests may also use what they test together, so they are left to CMake. Exit codes: 0 ok, 1 a border
# is crossed or the table is wrong, 2 wrong usage.
#
#   scripts/check-borders.sh [ROOT]     ROOT: a checkout, by default this one
set -euo pipefail

case ${1-} in
  -h | --help) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" && exit 0 ;;
  -*) printf "check-borders: unknown option '%s'; see --help\n" "$1" >&2 && exit 2 ;;
esac
cd "${1:-$(dirname "${BASH_SOURCE[0]}")/..}"

declare -A modules libraries
order=()
# shellcheck disable=SC2016 # the table's own back quotes
# A row: | `ring` | what it holds | `base` | `immintrin.h`, `openssl` |
while IFS='|' read -r _ name _ uses others _; do
  name=${name//[\` ]/}
  modules[$name]=" $(tr -d '`,' <<<"$uses") "
  libraries[$name]=" $(tr -d '`,' <<<"$others") "
  order+=("$name")
done < <(sed -n '/^## Modules/,/^## /p' docs/architecture.md | grep -E '^\| `[a-z]+` \|')

failed=false
complain() {
  printf '%s\n' "$*" >&2
  failed=true
}

# A DAG in the table's own order: a module uses only those above it.
seen=' '
for name in "${order[@]}"; do
  [[ -d privdnn/$name ]] || complain "docs/architecture.md: the module '$name' is no directory of privdnn/"
  for used in ${modules[$name]}; do
    [[ $seen == *" $used "* ]] || complain "docs/architecture.md: '$name' uses '$used', which is not above it"
  done
  seen+="$name "
done

for directory in privdnn/*/; do
  name=$(basename "$directory")
  if [[ -z ${modules[$name]+there} ]]; then
    complain "docs/architecture.md: no row for the module '$name'"
    continue
  fi
  while IFS=: read -r file line include; do
    if [[ $include =~ \"privdnn/([a-z]+)/ ]]; then
      used=${BASH_REMATCH[1]}
      [[ $used == "$name" || ${modules[$name]} == *" $used "* ]] ||
        complain "$file:$line: '$name' may not include '$used'"
    elif [[ $include =~ \<(([A-Za-z0-9_]+)/[^\>]+|[^\>]+\.h)\> ]]; then
      library=${BASH_REMATCH[2]:-${BASH_REMATCH[1]}}
      case $library in
        sys | fcntl.h | malloc.h | poll.h | signal.h | time.h | unistd.h) ;; # the system's
        *) [[ ${libraries[$name]} == *" $library "* ]] ||
          complain "$file:$line: '$name' may not include <$library>" ;;
      esac
    fi
  done < <(find "$directory" \( -name '*.h' -o -name '*.cc' \) ! -name '*_test.cc' ! -name 'test_*' ! -name '*_test_*' -print0 |
    xargs -0 grep -nE '^#include ["<]')
done

if $failed; then
  echo 'check-borders: a module includes what it may not; docs/architecture.md says who may use whom' >&2
  exit 1
fi
echo "check-borders: ${#order[@]} modules keep their borders"
