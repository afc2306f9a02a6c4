#!/usr/bin/env bash
# Prints the ten largest files of the library; one beyond 500 lines holds a second concept.
# Usage: file_sizes.sh SOURCE_DIR
set -euo pipefail
cd "$1"
limit=500

sizes=$(find include src \( -name '*.hpp' -o -name '*.cpp' \) -print0 | xargs -0 wc -l |
    grep -v ' total$' | sort -rn)
head -n 10 <<<"$sizes"
if awk -v limit=$limit '$1 > limit { print $2 ": " $1 " lines, at most " limit; bad = 1 }
                        END { exit !bad }' <<<"$sizes"; then
    exit 1
fi
