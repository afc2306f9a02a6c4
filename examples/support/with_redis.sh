#!/usr/bin/env bash
# with_redis.sh CONFIG PROGRAM: runs PROGRAM in a new directory that holds CONFIG as config.yaml.
# PRIMARY_REDIS_URL and SECONDARY_REDIS_URL name two Redis servers on loopback that know nothing of
# each other and end with this script; PRIMARY_REDIS_PID is the first one's process.
set -euo pipefail
config=$(realpath "$1")
program=$(realpath "$2")

directory=$(mktemp -d)
servers=()
clean_up() {
    kill -KILL "${servers[@]}" 2>/dev/null || true
    rm -rf "$directory"
}
trap clean_up EXIT
cp "$config" "$directory/config.yaml"
cd "$directory"

# start: a server on a free port, which is left in $port. One that finds it taken ends at once.
start() {
    for ((attempt = 0; attempt < 20; ++attempt)); do
        port=$((20000 + RANDOM % 10000))
        # It also ends when this script is killed.
        setpriv --pdeathsig KILL -- redis-server --port "$port" --bind 127.0.0.1 --save '' \
            --appendonly no --dir "$directory" >"$port.log" 2>&1 &
        servers+=($!)
        disown # the shell is not to report that it was killed
        for ((i = 0; i < 200; ++i)); do
            kill -0 $! 2>/dev/null || break
            grep -q 'Ready to accept connections' "$port.log" && return
            sleep 0.05
        done
    done
    cat "$port.log" >&2
    exit 1
}

start
export PRIMARY_REDIS_URL="redis://127.0.0.1:$port" PRIMARY_REDIS_PID=$!
start
export SECONDARY_REDIS_URL="redis://127.0.0.1:$port"
"$program"
