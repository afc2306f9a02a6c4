#!/usr/bin/env bash
# What #include <failover/failover.hpp> costs a user: at most 100,000 preprocessed lines, and no
# header of a library that belongs behind a .cpp.
# Usage: header_cost.sh SOURCE_DIR COMPILER
set -euo pipefail
source_dir=$1
compiler=$2
limit=100000
unit='#include <failover/failover.hpp>'

lines=$("$compiler" -std=c++20 -E -P -I "$source_dir/include" -x c++ - <<<"$unit" | wc -l)
echo "failover/failover.hpp: $lines preprocessed lines of $limit"

hidden='/(boost/beast|boost/asio/ssl|openssl|yaml-cpp|nlohmann|pqxx|hiredis|spdlog|fmt|prometheus)/'
if "$compiler" -std=c++20 -M -I "$source_dir/include" -x c++ - <<<"$unit" | tr ' ' '\n' |
    grep -E "$hidden"; then
    echo "failover/failover.hpp must not include the headers above" >&2
    exit 1
fi
if ((lines > limit)); then
    echo "failover/failover.hpp grew beyond $limit lines" >&2
    exit 1
fi
