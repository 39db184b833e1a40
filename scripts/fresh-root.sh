#!/usr/bin/env bash
# Makes the smallest Debian 12 there is (debootstrap's minbase), copies this checkout into it, and runs ./demo there:
# what somebody sees who has nothing. Needs root, debootstrap, and a mirror that can be reached.
#
#   scripts/fresh-root.sh [options] [COMMAND ...]    COMMAND, ./demo if left out, runs in the copied checkout
#
#   --base DIR       a minbase root to begin from; made and left there if DIR does not exist
#   --keep DIR       leave the root, with what was built, in DIR, which must not exist
#   --mirror URL     where packages come from; left out, the first that apt uses here
#
# Prints what the command took: packages, disk, processor time. Exit codes: the command's; 1 if there is no root to run
# it in, 2 wrong usage. The root has processes and mounts of its own, which end with the command.
set -euo pipefail

say() { printf 'fresh-root: %s\n' "$*"; }
die() {
  say "$*" >&2
  exit 1
}
wrong_usage() {
  say "$*; see scripts/fresh-root.sh --help" >&2
  exit 2
}
usage() { sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; }

base=''
keep=''
mirror=''
while [[ $# -gt 0 ]]; do
  case $1 in
    -h | --help) usage && exit 0 ;;
    --base | --keep | --mirror)
      [[ $# -gt 1 && -n $2 ]] || wrong_usage "$1 wants a value"
      declare "${1#--}=$2"
      shift 2
      ;;
    -*) wrong_usage "unknown option '$1'" ;;
    *) break ;;
  esac
done
if [[ $# -eq 0 ]]; then set -- ./demo; fi
checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

[[ $EUID -eq 0 ]] || die "debootstrap and chroot need root"
command -v debootstrap >/dev/null || die "there is no debootstrap here: install the package of that name"
[[ -z $keep || ! -e $keep ]] || die "$keep exists already"

# The mirror that the main archive comes from here, if apt says so.
mirror_here() {
  # shellcheck disable=SC2016
  apt-get indextargets --format '$(REPO_URI) $(CREATED_BY) $(CODENAME)' 2>/dev/null |
    awk '$2 == "Packages" && $3 == "bookworm" {print $1; exit}'
}

# Prints nothing but errors, unless it fails.
make_root() {
  local log
  log=$(mktemp)
  debootstrap --variant=minbase bookworm "$1" ${mirror:+"$mirror"} >"$log" 2>&1 || {
    tail -n 20 "$log" >&2
    rm -f "$log"
    die "debootstrap failed"
  }
  rm -f "$log"
}

work=$(mktemp -d "${TMPDIR:-/tmp}/privdnn-fresh-XXXXXX")
# The mounts are the command's own: there is nothing below the root but its files.
trap 'rm -rf --one-file-system "$work"' EXIT
root=${keep:-$work/root}

mirror=${mirror:-$(mirror_here)}
if [[ -n $base ]]; then
  if [[ ! -e $base ]]; then
    say "making a bare Debian 12 in $base"
    make_root "$base"
  fi
  cp -a "$base" "$root"
else
  say "making a bare Debian 12"
  make_root "$root"
fi

mkdir -p "$root/root/privdnn"
tar -C "$checkout" --exclude=./build --exclude=./.git --exclude=./data --exclude=./runs --exclude=./.cache -cf - . |
  tar -C "$root/root/privdnn" --no-same-owner -xf -
for file in /etc/resolv.conf /etc/hosts; do
  if [[ -e $file ]]; then cp -L "$file" "$root$file"; fi
done

# Of the environment only what reaches a mirror goes along.
environment=(PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root CI=true)
for name in http_proxy https_proxy no_proxy JOBS; do
  if [[ -v $name ]]; then environment+=("$name=${!name}"); fi
done

# In a mount and process namespace: $1 the root, the rest the command.
# shellcheck disable=SC2016
inside='
  root=$1 && shift
  mount -t proc proc "$root/proc" && mount --rbind /sys "$root/sys" && mount --rbind /dev "$root/dev" &&
    mount -t tmpfs tmpfs "$root/dev/shm" || exit 1
  exec chroot "$root" /bin/sh -c "cd /root/privdnn && exec \"\$@\"" sh "$@"'

packages() { grep -c '^Status: install ok installed' "$root/var/lib/dpkg/status"; }
megabytes() { du -s --block-size=1MB "$1" | cut -f1; }

packages_before=$(packages)
disk_before=$(megabytes "$root")
say "$packages_before packages, $disk_before MB; running $*"
rc=0
# Killing unshare ends whatever runs in there.
child=''
trap 'if [[ -n $child ]]; then kill -KILL "$child"; fi; exit 130' INT TERM HUP
TIMEFORMAT='fresh-root: processor time %U s user, %S s system; %R s on the clock'
time {
  env -i "${environment[@]}" unshare --mount --pid --fork --kill-child sh -c "$inside" sh "$root" "$@" </dev/null &
  child=$!
  wait "$child" || rc=$?
}
child=''
built=0
if [[ -d $root/root/privdnn/build ]]; then built=$(megabytes "$root/root/privdnn/build"); fi
say "$(($(packages) - packages_before)) packages more, $(($(megabytes "$root") - disk_before)) MB more, of these" \
  "$built MB in build/; exit code $rc"
exit "$rc"
