#!/usr/bin/env bash
# What an attacker with labelled images makes of LeNet-5: from nothing (A_t), and from the plaintext part of packages
# with less and more encrypted (A_rec). Prints a table, means of SEEDS attackers; docs/attacks.md has one.
#
#   PRIVDNN_DATA=~/data experiments/attack-lenet5-mnist.sh      # PRIVDNN=path/to/privdnn; default: build/release/privdnn
#   SEEDS="1 2 3" SAMPLES=1000 OUT=runs/augmented experiments/attack-lenet5-mnist.sh --augmentation
#
# Arguments go to every attack. Reports are kept in OUT (default: runs/attack-lenet5-mnist), and what is there isn't run
# again: another directory for other arguments. About a minute a seed on an idle core.
set -euo pipefail
# shellcheck source=experiments/help.sh
source "$(dirname "${BASH_SOURCE[0]}")/help.sh"
cd "$(dirname "${BASH_SOURCE[0]}")/.."
: "${PRIVDNN_DATA:?set it to the data root, see privdnn data list}"

# shellcheck source=experiments/program.sh
source experiments/program.sh
seeds=${SEEDS:-1 2 3} samples=${SAMPLES:-1000} out=${OUT:-runs/attack-lenet5-mnist}
# name|selection
rows=('one neuron of either convolution|1:0;2:0' 'the default, 2 and 13|assets/lenet5-mnist/selection.json'
  'both convolutions|1:all;2:all' 'the first of three fully connected layers|3:all'
  'both convolutions and that layer|1:all;2:all;3:all')

mkdir -p "$out"

# attack REPORT ARGUMENTS...: runs it unless the report is there. Stopped, it goes on where it was.
attack() {
  local report=$out/$1
  shift
  [[ -s $report ]] && return
  "$program" attack "$@" --data-set mnist --samples "$samples" --threads 1 --checkpoint "$report.state" --json \
    >"$report.part" && mv "$report.part" "$report" && rm -f "$report.state"
}
# number FIELD REPORTS...: the mean of a field at the top level of JSON objects.
number() {
  local field=$1
  shift
  (cd "$out" && sed -n "s/^  \"$field\": \([-0-9.e+]*\),\{0,1\}$/\1/p" "$@") |
    awk '{ sum += $1 } END { printf "%.2f", sum / NR }'
}
reports() { for seed in $seeds; do printf '%s-%s.json ' "$1" "$seed"; done; }

for seed in $seeds; do
  attack "scratch-$seed.json" scratch --seed "$seed" "$@"
  for i in "${!rows[@]}"; do
    attack "recover-$i-$seed.json" recover --seed "$seed" --selection "${rows[i]#*|}" "$@"
    attack "freeze-$i-$seed.json" recover --seed "$seed" --selection "${rows[i]#*|}" --freeze "$@"
  done
done

# shellcheck disable=SC2046 # a list of names without spaces
printf '%s images, mean of seeds %s; A_t, from nothing: %s %%\n\n' "$samples" "$seeds" \
  "$(number accuracy_after_training $(reports scratch))"
printf '| encrypted | hidden weights | A_s, %% | A_r, %% | A_rec, %% | A_rec with --freeze, %% |\n|---|---|---|---|---|---|\n'
for i in "${!rows[@]}"; do
  # shellcheck disable=SC2046
  printf '| %s | %.0f | %s | %s | %s | %s |\n' "${rows[i]%|*}" "$(number weights_unknown $(reports "recover-$i"))" \
    "$(number accuracy_separated $(reports "recover-$i"))" "$(number accuracy_without_core $(reports "recover-$i"))" \
    "$(number accuracy_after_training $(reports "recover-$i"))" \
    "$(number accuracy_after_training $(reports "freeze-$i"))"
done
