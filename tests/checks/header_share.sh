#!/usr/bin/env bash
# Header-mostly is a number: more than half of the library's lines are below include/. The command
# line program is not part of the library.
# Usage: header_share.sh SOURCE_DIR
set -euo pipefail
cd "$1"

count() { find "$@" \( -name '*.hpp' -o -name '*.cpp' \) -print0 | xargs -0 -r cat | wc -l; }

headers=$(count include)
sources=$(count src -not -path 'src/cli/*')
echo "include: $headers lines, src: $sources lines"
if ((headers <= sources)); then
    echo "more than half of the library's lines must be below include/" >&2
    exit 1
fi
