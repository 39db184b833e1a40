#!/usr/bin/env bash
# Networks of LeNet-5 for two users, obfuscated in several ways: what they keep, what core neurons stolen from one are
# worth in the other, before and after training on images of the thief's own. Prints the table of
# docs/attacks.md.
#
#   PRIVDNN_DATA=~/data experiments/obfuscation.sh      # PRIVDNN=path/to/privdnn; default: build/release/privdnn
#   SAMPLES="100 1000" OUT=runs/elsewhere experiments/obfuscation.sh --epochs 10
#
# Arguments go to every `obfuscate`. Reports are kept in OUT (default: runs/obfuscation), and what is there isn't run
# again. About 15 minutes of a core.
set -euo pipefail
# shellcheck source=experiments/help.sh
source "$(dirname "${BASH_SOURCE[0]}")/help.sh"
cd "$(dirname "${BASH_SOURCE[0]}")/.."
: "${PRIVDNN_DATA:?set it to the data root, see privdnn data list}"

# shellcheck source=experiments/program.sh
source experiments/program.sh
samples=${SAMPLES:-100 1000} out=${OUT:-runs/obfuscation}
selection=assets/lenet5-mnist/selection.json
# name|options of obfuscate
rows=('mixed neurons (default)|--kernel 1' 'the same, next layer kept|--kernel 1 --keep-next'
  '3x3 kernels, one a neuron|--kernel 3 --no-mixing' 'the same, next layer kept|--kernel 3 --no-mixing --keep-next'
  '3x3 kernels that mix|--kernel 3')

mkdir -p "$out"

# report NAME ARGUMENTS...: the JSON of a command, unless it is there. Exit code 1 of obfuscate says that accuracy was
# lost; its report is there all the same.
report() {
  local name=$out/$1.json
  shift
  [[ -s $name ]] && return
  "$program" "$@" --json >"$name.part" || [[ $1 == obfuscate && -s $name.part ]] || return
  mv "$name.part" "$name"
}
# number FIELD REPORT: a field at the top level of a JSON object, per cent to two places; - if it isn't a number.
number() {
  local value
  value=$(sed -n "s/^ *\"$1\": \([-0-9.e+]*\),\{0,1\}$/\1/p" "$out/$2.json" | head -n 1)
  if [[ -n $value ]]; then printf '%.2f' "$value"; else printf -- '-'; fi
}

for i in "${!rows[@]}"; do
  read -ra options <<<"${rows[i]#*|}"
  for user in alice bob; do
    report "$i-$user" obfuscate --selection "$selection" --user "$user" --seed 1 --threads 1 --out "$out/$i-$user.onnx" \
      "${options[@]}" "$@"
  done
  models=("$out/$i-alice.onnx" "$out/$i-bob.onnx")
  report "$i-stolen" attack transplant "${models[@]}" --selection "$selection" --data-set mnist --threads 1
  for n in $samples; do
    for attack in transplant recover; do
      from=("${models[@]}")
      [[ $attack == transplant ]] || from=("${models[1]}")
      report "$i-$attack-$n" attack "$attack" "${from[@]}" --selection "$selection" --data-set mnist --samples "$n" \
        --freeze --threads 1
    done
  done
done

printf '| obfuscation | alice, A_o | bob, A_o | bob, A_r | alice'"'"'s neurons in bob'"'"'s |'
for n in $samples; do printf ' trained on %s images | A_rec on these |' "$n"; done
printf '\n|---|---|---|---|---|'
for n in $samples; do printf -- '---|---|'; done
printf '\n'
for i in "${!rows[@]}"; do
  printf '| %s | %s | %s | %s | %s |' "${rows[i]%|*}" "$(number test_accuracy "$i-alice")" \
    "$(number test_accuracy "$i-bob")" "$(number accuracy_without_core "$i-stolen")" \
    "$(number accuracy_before_training "$i-stolen")"
  for n in $samples; do
    printf ' %s | %s |' "$(number accuracy_after_training "$i-transplant-$n")" \
      "$(number accuracy_after_training "$i-recover-$n")"
  done
  printf '\n'
done
