#!/usr/bin/env bash
# Code in the documentation is cut from files that are compiled: below a line
# <!-- snippet: FILE#TAG --> a fenced block repeats what stands between //[TAG and //] in FILE.
# Usage: snippets.sh SOURCE_DIR [--write]    fails where a block differs; --write corrects it
set -euo pipefail
cd "$1"
mode=${2:-}

# The region without its common indentation. An unknown file or tag is an error.
region() {
    awk -v tag="$2" '
        $1 == "//[" tag { inside = 1; found = 1; next }
        inside && $1 == "//]" { inside = 0 }
        inside {
            lines[++count] = $0
            if ($0 != "") {
                match($0, /^ */)
                indent = (indent == "" || RLENGTH < indent) ? RLENGTH : indent
            }
        }
        END {
            if (!found || inside || count == 0) { exit 1 }
            for (i = 1; i <= count; ++i) { print substr(lines[i], indent + 1) }
        }' "$1"
}

# The page with each marked block replaced by its region.
render() {
    local line file tag
    while IFS= read -r line; do
        printf '%s\n' "$line"
        [[ $line =~ ^'<!-- snippet: '([^#]+)#([a-z_]+)' -->'$ ]] || continue
        file=${BASH_REMATCH[1]} tag=${BASH_REMATCH[2]}
        IFS= read -r line
        if [[ $line != '```'?* ]]; then
            echo "$page: no fenced block after the marker of $file#$tag" >&2
            return 1
        fi
        printf '%s\n' "$line"
        if ! region "$file" "$tag"; then
            echo "$page: $file has no region $tag" >&2
            return 1
        fi
        while IFS= read -r line && [[ $line != '```' ]]; do :; done
        printf '%s\n' "$line"
    done <"$1"
}

status=0
snippets=0
while IFS= read -r page; do
    fresh=$(render "$page")
    snippets=$((snippets + $(grep -c '^<!-- snippet: ' "$page" || true)))
    if [[ $mode == --write ]]; then
        printf '%s\n' "$fresh" >"$page"
    elif ! diff -u --label "$page" --label "$page as it should be" "$page" <(printf '%s\n' "$fresh"); then
        status=1
    fi
done < <(printf '%s\n' README.md; find docs -name '*.md' | sort)

# The two programs of the README are short, and every C++ block there is cut from a file.
fences=$(grep -c '^```cpp' README.md)
marks=$(grep -c '^<!-- snippet: ' README.md)
if ((fences != marks)); then
    echo "README.md: $fences blocks of C++, $marks of them cut from a file" >&2
    status=1
fi
for program in 01_sync_get 02_async_get; do
    lines=$(region "examples/$program.cpp" program | grep -c .)
    if ((lines > 15)); then
        echo "examples/$program.cpp: $lines lines, 15 are allowed" >&2
        status=1
    fi
done
if ((snippets < 5)); then
    echo "only $snippets snippets found: the markers are not recognised" >&2
    status=1
fi
exit $status
