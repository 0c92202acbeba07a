# shellcheck shell=bash
# Shared by the scripts: progress, packages, the build. Sourced, not run.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
started=$SECONDS

say() { printf '[%3d s] %s\n' "$((SECONDS - started))" "$*"; }
die() { say "$*" >&2; exit 1; }

# as_root COMMAND...: as root, or with sudo.
as_root() {
  if [[ $(id -u) == 0 ]]; then "$@"
  elif command -v sudo >/dev/null; then sudo -n "$@" || sudo "$@"
  else die "not root and no sudo: please run as root: $*"; fi
}

# packages GROUP...: names of the Debian packages of these groups.
packages() {
  local groups=" $* "
  while read -r group name _; do
    [[ -n $group && $group != \#* && $groups == *" $group "* ]] && echo "$name"
  done <"$root/scripts/packages"
  return 0
}

installed() { [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]; }

# install_packages GROUP...: installs what is missing, and says what and why.
install_packages() {
  local missing=() name
  for name in $(packages "$@"); do
    # Another node than Debian's brings its own npm; both are fine.
    case $name in
      nodejs) command -v node >/dev/null && continue ;;
      npm) command -v npm >/dev/null && continue ;;
    esac
    installed "$name" || missing+=("$name")
  done
  if ((${#missing[@]} == 0)); then say "all Debian packages are there"; return; fi
  say "missing Debian packages:"
  for name in "${missing[@]}"; do
    printf '           %-20s %s\n' "$name" "$(awk -v n="$name" '$2 == n { $1 = $2 = ""; print; exit }' "$root/scripts/packages")"
  done
  if [[ ${no_install:-} ]]; then die "--no-install was given: install them yourself"; fi
  export DEBIAN_FRONTEND=noninteractive
  say "installing ${#missing[@]} packages"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# build PRESET [TARGET...]: configures and builds, quietly unless something is wrong. Configures anew each
# time: of a folder that another preset, or another compiler, has left behind CMake would keep half.
build() {
  local preset=$1
  shift
  local log="$root/build/$preset.log"
  mkdir -p "$root/build"
  say "building ($preset); the first time takes some minutes"
  if ! (cd "$root" && cmake --fresh --preset "$preset" >"$log" 2>&1); then tail -n 40 "$log"; die "cmake failed"; fi
  if ! (cd "$root" && ninja -C "build/$preset" "$@" 2>&1 | tee -a "$log" |
        awk -v s="$started" '/^\[[0-9]+\/[0-9]+\]/ { split(substr($1, 2), n, "[/\\]]"); if (n[1] == n[2] || n[1] % 25 == 0) { printf "         %d of %d steps\n", n[1], n[2]; fflush() } next } /error|FAILED|warning/ { print; fflush() }'); then
    tail -n 60 "$log"
    die "the build failed (whole output: $log)"
  fi
}

# free_port: a port on loopback that nobody uses now.
free_port() {
  local port
  for _ in $(seq 50); do
    port=$((20000 + RANDOM % 20000))
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
  done
  die "no free port found"
}
listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
