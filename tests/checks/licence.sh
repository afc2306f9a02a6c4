#!/usr/bin/env bash
# Every C++ file says its licence in its first line, and every header guards itself.
# Usage: licence.sh SOURCE_DIR
set -euo pipefail
cd "$1"
find include src tests examples \( -name '*.hpp' -o -name '*.cpp' \) -print0 | sort -z |
    xargs -0 awk '
function leave() {
    if (file ~ /\.hpp$/ && !guarded) { print file ": #pragma once is missing"; bad = 1 }
}
FNR == 1 {
    leave(); file = FILENAME; guarded = 0
    if ($0 != "// SPDX-License-Identifier: MIT") {
        print FILENAME ":1: must be // SPDX-License-Identifier: MIT"; bad = 1
    }
}
$0 == "#pragma once" { guarded = 1 }
END { leave(); exit bad }
'
