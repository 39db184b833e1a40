# shellcheck shell=sh
# Sourced by every script here before anything else: --help prints the comment at the script's top.
case ${1-} in
  -h | --help)
    sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
esac

# wrong_usage WHAT: ends the script.
wrong_usage() {
  printf '%s: %s; --help says more\n' "$(basename "$0")" "$1" >&2
  exit 2
}

# at_most NUMBER ARGUMENTS...: refuses more of them than that, and options.
at_most() {
  most=$1
  shift
  [ $# -le "$most" ] || wrong_usage "takes at most $most arguments, not $#"
  for argument; do
    case $argument in
      -*) wrong_usage "there is no option $argument" ;;
    esac
  done
}
