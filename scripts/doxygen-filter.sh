#!/usr/bin/env bash
# Makes a header's plain comments Doxygen's: whole lines document what follows, comments behind a declaration document
# that. Characters that Doxygen would take for commands or tags are escaped.
#
#   scripts/doxygen-filter.sh FILE.h
set -euo pipefail
sed -E \
  -e '/^ *\/\//{s/[\\@<>#%&$"]/\\&/g; s#^( *)//#\1///#; b}' \
  -e '/^ *#/b' \
  -e '/[;,{}].* \/\/ /{h; s#^.* // ##; s/[\\@<>#%&$"]/\\&/g; x; s#^(.*) // .*$#\1 ///< #; G; s#\n##}' \
  "$1"
