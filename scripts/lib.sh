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

# Configures a preset, with configure_options, and builds the targets named; all of them when none is.
configure_options=()
build_preset() {
    local preset=$1 log
    shift
    log=$(mktemp)
    if ! (cd "$repo_dir" && cmake --preset "$preset" "${configure_options[@]}") >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        fail "configuring preset $preset failed"
    fi
    rm -f "$log"
    cmake --build "$repo_dir/build/$preset" -j "$jobs" ${1:+--target "$@"}
}

# apt of this shell, from now on, sees one suite of Debian, fetched by the mirror that the machine
# uses itself, and keeps what it needs below a directory; the system's own sources are not touched.
# A third argument is a line for apt.conf.
use_debian_suite() {
    local suite=$1 apt=$2 mirror
    command -v apt-get >/dev/null || fail "needs Debian's apt-get"
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' |
        grep '/debian/$' | sort -u | head -n 1) || fail "apt names no mirror of Debian"
    rm -rf "$apt"
    mkdir -p "$apt"/{lists/partial,cache/archives/partial,etc/preferences.d,etc/sources.list.d}
    : >"$apt/status"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" \
        >"$apt/etc/sources.list"
    cat >"$apt/apt.conf" <<CONF
Dir::Etc::SourceList "$apt/etc/sources.list";
Dir::Etc::SourceParts "$apt/etc/sources.list.d";
Dir::Etc::Preferences "/dev/null";
Dir::State::Lists "$apt/lists";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
Acquire::Languages "none";
APT::Sandbox::User "root";
${3:-}
CONF
    export APT_CONFIG=$apt/apt.conf
}
