#!/usr/bin/env bash
# No file names a machine's own path, a package registry or a mirror: a clone works anywhere.
# Usage: neutral_text.sh SOURCE_DIR
set -euo pipefail
cd "$1"

# A bracket in each pattern keeps this file from finding itself.
paths='(^|[^A-Za-z0-9_.])/([w]ork|[h]ome/[a-z]|[U]sers/[A-Za-z]|[r]oot/)'
hosts='([d]eb|[s]ecurity|[f]tp|[s]napshot)\.debian\.org|[p]ypi\.org|[p]ythonhosted|[d]ocker\.io'
hosts+='|[g]hcr\.io|[q]uay\.io|[n]pmjs|[c]rates\.io|[a]rtifactory|[n]exus[./]|[c]onan\.io'
hosts+='|[p]roxy\.golang\.org|[m]irrors?\.[a-z]'

places=()
for place in include src tests examples cmake configs docs scripts .ci README.md CMakeLists.txt \
    CMakePresets.json; do
    if [[ -e $place ]]; then
        places+=("$place")
    fi
done
if grep -rnIE "$paths|$hosts" "${places[@]}"; then
    echo "the lines above name a machine, a registry or a mirror" >&2
    exit 1
fi
