#!/usr/bin/env bash
# Installs the built tree below a fresh prefix and looks for what a package must hold.
# Usage: install_package.sh CMAKE BUILD_DIR PREFIX
set -euo pipefail
cmake=$1
build_dir=$2
prefix=$3

rm -rf "$prefix"
"$cmake" --build "$build_dir" --target failover_http
"$cmake" --install "$build_dir" --prefix "$prefix" >/dev/null

status=0
for pattern in include/failover/failover.hpp 'lib*/libfailover_http.a' \
    'lib*/cmake/failover/failover-config.cmake' 'lib*/cmake/failover/failover-http-targets.cmake' \
    'lib*/cmake/failover/failover-config-version.cmake'; do
    if [[ -z $(find "$prefix" -path "$prefix/${pattern/lib\*/lib*}") ]]; then
        echo "not installed: $pattern"
        status=1
    fi
done
if grep -rIl "$build_dir" "$prefix" | grep -v "^$prefix/include/"; then
    echo "the files above name the build directory: the package would not work elsewhere"
    status=1
fi
exit $status
