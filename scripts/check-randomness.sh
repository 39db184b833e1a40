#!/usr/bin/env bash
# Fails if DeterministicRandom is used where secrets may be drawn: anywhere but in tests, fuzzers, and the files below,
# which draw data, start weights or what an experiment repeats.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

allowed=(
  random.h random.cc                   # the class itself
  architectures.cc dataset.cc          # start weights, which images to take
  network_input.cc                     # random pixels of `bench infer`
  retrain.cc inversion.cc              # attacks, on parties of their own
  attack_invert_command.cc extraction_attack.cc
  obfuscate_command.cc                 # with --seed, and a warning
)
pattern=$(printf '%s\n' "${allowed[@]}" | sed 's/\./\\./g' | paste -sd '|')
found=$(grep -rn --include='*.cc' --include='*.h' --exclude-dir={build,fuzz,.git} DeterministicRandom . \
          | grep -vE "^[^:]*(_test\.cc|/test_[a-z_]*\.h|/($pattern)):" | grep -vE '^[^:]*:[0-9]+: *//' || true)
if [[ -n $found ]]; then
  printf '%s\n' "$found" >&2
  echo 'DeterministicRandom is for tests and experiments; secrets come from SystemRandom' >&2
  exit 1
fi
