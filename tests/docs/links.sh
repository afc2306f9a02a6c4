#!/usr/bin/env bash
# Each relative link of README.md and docs/ leads to a file, and each #part to a heading of it.
# Usage: links.sh SOURCE_DIR
set -euo pipefail
cd "$1"

# Anchors of a page's headings, as the usual Markdown viewers make them.
anchors() {
    grep -E '^#+ ' "$1" | sed -E 's/^#+ +//' | tr '[:upper:]' '[:lower:]' |
        sed -E 's/[^a-z0-9 _-]//g; s/ /-/g'
}

# The page without its code, where [](...) is a lambda.
prose() { awk '/^```/ { code = !code; next } !code' "$1"; }

status=0
checked=0
while IFS= read -r page; do
    while IFS= read -r link; do
        [[ $link == *://* ]] && continue
        file=${link%%#*}
        target=$(dirname "$page")/$file
        [[ -z $file ]] && target=$page
        checked=$((checked + 1))
        if [[ ! -e $target ]]; then
            echo "$page: $link leads nowhere" >&2
            status=1
        elif [[ $link == *#* ]] && ! anchors "$target" | grep -Fqx -- "${link#*#}"; then
            echo "$page: $target has no heading for #${link#*#}" >&2
            status=1
        fi
    done < <(prose "$page" | grep -oE '\]\([^)]+\)' | sed -E 's/^\]\((.*)\)$/\1/')
done < <(printf '%s\n' README.md; find docs -name '*.md' | sort)
if ((checked < 10)); then
    echo "only $checked links found" >&2
    status=1
fi
exit $status
