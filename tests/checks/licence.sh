#!/usr/bin/env bash
# Every C++ file says its licence in its first line, and every header guards itself.
# Usage: licence.sh SOURCE_DIR
set -euo pipefail
cd "$1"
status=0
while IFS= read -r -d '' file; do
    if [[ $(head -n 1 "$file") != '// SPDX-License-Identifier: MIT' ]]; then
        echo "$file:1: must be // SPDX-License-Identifier: MIT"
        status=1
    fi
    if [[ $file == *.hpp ]] && ! grep -q '^#pragma once$' "$file"; then
        echo "$file: #pragma once is missing"
        status=1
    fi
done < <(find include src tests examples \( -name '*.hpp' -o -name '*.cpp' \) -print0 | sort -z)
exit $status
