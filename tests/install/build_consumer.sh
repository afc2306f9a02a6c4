#!/usr/bin/env bash
# Configures, builds and runs one consumer project in a fresh directory; then looks at the program:
# a user of HTTP alone must not load a database's or a cache's library. A project for another
# component names it in its folder: postgres_only, redis_only, whole_package.
# Usage: build_consumer.sh CMAKE SOURCE_DIR BUILD_DIR CONFIGURE_ARGUMENT...
set -euo pipefail
cmake=$1
source_dir=$2
build_dir=$3
shift 3

rm -rf "$build_dir"
"$cmake" -S "$source_dir" -B "$build_dir" "$@"
"$cmake" --build "$build_dir"
"$build_dir/consumer"

case $(basename "$source_dir") in postgres_only | redis_only | whole_package) exit 0 ;; esac
if ldd "$build_dir/consumer" | grep -E 'libpqxx|libpq\.|libhiredis'; then
    echo "an HTTP consumer must not load the libraries above" >&2
    exit 1
fi
