#!/usr/bin/env bash
# The checks beside this file see what they are for: each is run on a small tree that breaks its
# rule, and must fail with the file's name.
# Usage: checks_fail.sh SOURCE_DIR
set -euo pipefail
checks=$1/tests/checks
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
status=0

fresh_tree() {
    rm -rf "$tree"
    mkdir -p "$tree"/include/failover/{base,config,endpoint,health,select,engine} \
        "$tree"/src/{http,manager} "$tree"/{tests,examples}
}

# expect_failure CHECK FILE LINE...: FILE holding LINEs makes CHECK fail and be named.
expect_failure() {
    local check=$1 file=$2 output
    shift 2
    fresh_tree
    printf '%s\n' '// SPDX-License-Identifier: MIT' '#pragma once' "$@" >"$tree/$file"
    if output=$(bash "$checks/$check.sh" "$tree" 2>&1); then
        echo "$check accepts $file: $*"
        status=1
    elif [[ $output != *"$file"* && $check != header_share ]]; then
        echo "$check fails on $file without naming it: $output"
        status=1
    fi
}

header=include/failover
expect_failure layers $header/base/low.hpp '#include <failover/health/high.hpp>'
expect_failure layers $header/health/a.hpp '#include <failover/select/b.hpp>'
expect_failure layers $header/endpoint/a.hpp '#include <failover/config/b.hpp>'
expect_failure layers $header/select/a.hpp '#include <boost/asio/post.hpp>'
expect_failure layers $header/select/a.hpp '#include <sys/socket.h>'
expect_failure layers $header/health/a.hpp 'auto now = Clock::now();'
expect_failure layers $header/engine/a.hpp '#include <boost/beast/http.hpp>'
expect_failure layers src/manager/a.cpp '#include <yaml-cpp/yaml.h>'
expect_failure layers src/http/a.cpp '#include "../manager/runtime.hpp"'
expect_failure layers $header/topology.hpp '#include <pqxx/pqxx>'
expect_failure layers $header/engine/a.hpp '#include <libpq-fe.h>'
expect_failure layers $header/stray.hpp '#include <failover/base/time.hpp>'
expect_failure file_sizes src/http/long.cpp "$(seq 600)"
expect_failure header_share src/http/long.cpp 'int more;'
expect_failure neutral_text $header/base/a.hpp "// see /ho""me/someone/notes"
expect_failure neutral_text src/http/a.cpp "// fetched from de""b.debian.org"

fresh_tree
echo 'int bare;' >"$tree/$header/base/bare.hpp"
if bash "$checks/licence.sh" "$tree" >"$tree/log"; then
    echo "licence accepts a file without a licence line"
    status=1
fi
exit $status
