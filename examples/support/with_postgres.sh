#!/usr/bin/env bash
# with_postgres.sh CONFIG PROGRAM: runs PROGRAM in a new directory that holds CONFIG as config.yaml.
# PRIMARY_DATABASE_URL and SECONDARY_DATABASE_URL name a PostgreSQL primary and a standby, which
# listen on sockets in that directory and end with this script. The primary confirms a commit once
# the standby shows it, so that what is read there does not depend on the moment.
set -euo pipefail
config=$(realpath "$1")
program=$(realpath "$2")

bin=/usr/lib/postgresql/15/bin # Debian keeps the servers' programs out of PATH
[[ -x $bin/postgres ]] || bin=$(pg_config --bindir)
directory=$(mktemp -d)
servers=()
clean_up() {
    for pid in "${servers[@]}"; do
        kill -QUIT "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$directory"
}
trap clean_up EXIT

# A server refuses to run as root. It also ends when this script is killed.
as_server=(env LC_ALL=C setpriv)
if ((EUID == 0)); then
    as_server+=(--reuid=postgres --regid=postgres --init-groups)
    chown postgres "$directory"
fi
as_server+=(--pdeathsig QUIT --)
cp "$config" "$directory/config.yaml"
cd "$directory"

# start DATA PORT SETTING...
start() {
    local data=$1 port=$2 settings=()
    shift 2
    for setting in listen_addresses= unix_socket_directories="$directory" port="$port" fsync=off "$@"; do
        settings+=(-c "$setting")
    done
    "${as_server[@]}" "$bin/postgres" -D "$directory/$data" "${settings[@]}" >"$data.log" 2>&1 &
    servers+=($!)
    for ((i = 0; i < 200; ++i)); do
        "$bin/pg_isready" -q -h "$directory" -p "$port" && return
        kill -0 $! 2>/dev/null || break
        sleep 0.1
    done
    cat "$data.log" >&2
    exit 1
}

"${as_server[@]}" "$bin/initdb" -D "$directory/primary" -U postgres -A trust -E UTF8 --no-locale \
    --no-sync >initdb.log
start primary 5432 synchronous_standby_names='*' synchronous_commit=remote_apply
"${as_server[@]}" "$bin/pg_basebackup" -h "$directory" -p 5432 -U postgres -D "$directory/standby" \
    -R -c fast --no-sync
start standby 5433

export PRIMARY_DATABASE_URL="host=$directory port=5432 user=postgres dbname=postgres"
export SECONDARY_DATABASE_URL="host=$directory port=5433 user=postgres dbname=postgres"
"$program"
