#!/usr/bin/env bash
# Builds one fuzz target with clang and runs it on its seeds and on what grows from them.
# Usage: run.sh SOURCE_DIR BUILD_DIR TARGET SECONDS
set -euo pipefail
source_dir=$1 build_dir=$2 target=$3 seconds=$4

sources=("$source_dir/tests/fuzz/$target.cpp")
libraries=()
case $target in
    consul) sources+=("$source_dir"/src/discovery/consul_catalog.cpp) ;;
    slices | watch) sources+=("$source_dir"/src/discovery/slice_json.cpp) ;;
    kubeconfig)
        sources+=("$source_dir"/src/discovery/kube{config,_credentials}.cpp "$source_dir"/src/config/*.cpp)
        libraries+=(-lyaml-cpp)
        ;;
    config)
        sources+=("$source_dir"/src/config/*.cpp)
        libraries+=(-lyaml-cpp)
        ;;
    *) echo "no target $target" >&2 && exit 2 ;;
esac

mkdir -p "$build_dir/grown/$target"
compiler=$(command -v clang++-14 || command -v clang++)
ccache=$(command -v ccache || true)
objects=()
# Without the check of function types: clang 14 cannot assemble coroutines with it.
for source in "${sources[@]}"; do
    object=$build_dir/$target-$(basename "$(dirname "$source")")-$(basename "$source").o
    $ccache "$compiler" -std=c++20 -O1 -g1 -fsanitize=fuzzer,address,undefined \
        -fno-sanitize=function -fno-sanitize-recover=undefined -I"$source_dir/include" -I"$source_dir/src" \
        -c "$source" -o "$object"
    objects+=("$object")
done
"$compiler" -fsanitize=fuzzer,address,undefined "${objects[@]}" "${libraries[@]}" \
    -o "$build_dir/$target"
# A finding is left beside the program and named in the output.
cd "$build_dir"
exec "./$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=65536 \
    -print_final_stats=1 -verbosity=0 -artifact_prefix="$build_dir/$target-finding-" \
    "grown/$target" "$source_dir/tests/fuzz/corpus/$target"
