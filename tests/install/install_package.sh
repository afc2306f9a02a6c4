#!/usr/bin/env bash
# Installs the built tree below a fresh prefix and looks for what a package must hold.
# Usage: install_package.sh CMAKE BUILD_DIR PREFIX
set -euo pipefail
cmake=$1
build_dir=$2
prefix=$3

rm -rf "$prefix"
targets=(failover_http)
for component in postgres redis; do
    if grep -q "^FAILOVER_WITH_${component^^}:BOOL=ON" "$build_dir/CMakeCache.txt"; then
        targets+=("failover_$component")
    fi
done
"$cmake" --build "$build_dir" --target "${targets[@]}"
"$cmake" --install "$build_dir" --prefix "$prefix" >/dev/null

status=0
patterns=(include/failover/failover.hpp 'lib*/cmake/failover/failover-config.cmake'
    'lib*/cmake/failover/failover-config-version.cmake')
for target in "${targets[@]}"; do
    patterns+=("lib*/lib$target.a" "lib*/cmake/failover/${target/_/-}-targets.cmake")
done
for pattern in "${patterns[@]}"; do
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
