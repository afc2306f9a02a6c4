# Shared by the scripts beside it; sourced, never run.

set -euo pipefail

repo_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
jobs=$(nproc)

# The same text compiled in another build directory is the same object: the install tests build the
# library once more, from the cache.
export CCACHE_NOHASHDIR=1

say() { printf '\n== %s\n' "$*"; }
fail() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

# Runs a command as root: directly, or through sudo.
as_root() {
    if [[ $(id -u) -eq 0 ]]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        fail "needs root or sudo for: $*"
    fi
}

# Configures a preset and builds the targets named; all of them when none is.
build_preset() {
    local preset=$1 log
    shift
    log=$(mktemp)
    if ! (cd "$repo_dir" && cmake --preset "$preset") >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        fail "configuring preset $preset failed"
    fi
    rm -f "$log"
    cmake --build "$repo_dir/build/$preset" -j "$jobs" ${1:+--target "$@"}
}
