#!/usr/bin/env bash
# How much partial encryption saves: LeNet-5 with its default core neurons beside LeNet-5 with every layer encrypted
# (the two convolutions around a square in one round trip, each fully connected layer in one of its own), and what either
# package is worth without the owner. Prints a table; docs/performance.md has one.
#
#   experiments/full-encryption.sh            # PRIVDNN=path/to/privdnn; default: build/release/privdnn
#   IMAGES=1000 REPEATS=5 THREADS=1 experiments/full-encryption.sh
#
# About a minute on an idle machine for the 300 images and 3 repeats that are the default, five for the second line.
# `bench infer` runs owner and user as two processes and compares every decrypted integer with the integer reference.
set -euo pipefail
# shellcheck source=experiments/help.sh
source "$(dirname "${BASH_SOURCE[0]}")/help.sh"
at_most 0 "$@"
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# shellcheck source=experiments/program.sh
source experiments/program.sh
images=${IMAGES:-300} repeats=${REPEATS:-3} threads=${THREADS:-1}
every_layer='1:all;2:all;3:all;4:all;5:all'
default=assets/lenet5-mnist/selection.json
# name|selection|bits of a quantised input value, of every segment
runs=("partial|$default|8" "full|$every_layer|8" "full|$every_layer|10" "full|$every_layer|12")

log=$(mktemp)
trap 'rm -f "$log"' EXIT

# The number in a field of a JSON object, at its top level.
number() { sed -n "s/^  \"$1\": \([-0-9.e+]*\),\{0,1\}$/\1/p" <<<"$2"; }

printf '%s images, %s repeats, %s threads; medians; milliseconds and bytes are an image'"'"'s\n\n' "$images" "$repeats" "$threads"
printf '| encrypted | input bits | round trips | user, encrypted, ms | user, rest, ms | owner, ms | plaintext network, ms | bytes up | bytes down | package, bytes | accuracy original, %% | private, %% | without the owner, %% | integers that differ |\n'
printf -- '|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n'
for run in "${runs[@]}"; do
  IFS='|' read -r name selection bits <<<"$run"
  json=$("$program" bench infer --selection "$selection" --input-bits "$bits" --images "$images" --repeats "$repeats" \
    --threads "$threads" --json 2>"$log") || { cat "$log" >&2; exit 1; }
  printf '| %s | %s | %s | %.3f | %.3f | %.3f | %.3f | %s | %s | %s | %.1f | %.1f | %.1f | %s of %s |\n' "$name" "$bits" \
    "$(number round_trips "$json")" "$(number user_encrypted_ms_per_image "$json")" \
    "$(number user_plain_ms_per_image "$json")" "$(number owner_ms_per_image "$json")" \
    "$(number plain_ms_per_image "$json")" "$(number bytes_up_per_image "$json")" \
    "$(number bytes_down_per_image "$json")" "$(number package_bytes "$json")" "$(number accuracy_original "$json")" \
    "$(number accuracy_private "$json")" "$(number accuracy_without_owner "$json")" \
    "$(number integer_mismatches "$json")" "$(number integers_compared "$json")"
done
