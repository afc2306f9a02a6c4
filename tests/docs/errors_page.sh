#!/usr/bin/env bash
# docs/errors.md has one row for each Errc, and its conditions are those of the table in the code.
# Usage: errors_page.sh SOURCE_DIR
set -euo pipefail
cd "$1"
table=include/failover/base/detail/errc_table.hpp
page=docs/errors.md

# "name reaction reaction": the reactions sorted, "none" left out, in the page's words.
rows_of_code() {
    tr '\n' ' ' <"$table" |
        grep -oE '\{Errc::[a-z_]+, "[a-z_]+", [a-z_ |]+,' |
        sed -E 's/\{Errc::([a-z_]+), "\1", ([a-z_ |]+),/\1 \2/; s/\|/ /g' |
        while read -r name reactions; do
            words=$(printf '%s\n' $reactions |
                sed 's/^none$//; s/^rejected$/rejected_locally/; s/^config$/bad_config/' |
                sort | xargs)
            echo "$name $words" | xargs
        done | sort
}

# Rows of the page: | `name` | conditions | meaning | remedy |
rows_of_page() {
    sed -nE 's/^\| `([a-z_]+)` \| ([^|]*) \|.*/\1 \2/p' "$page" | tr -d '`,' |
        while read -r name conditions; do
            words=$(printf '%s\n' $conditions | sed 's/^-$//' | sort | xargs)
            echo "$name $words" | xargs
        done | sort
}

# Each enumerator has a row in the code's table, or the comparison below would prove nothing.
enumerators=$(sed -n '/^enum class Errc {/,/^};/p' include/failover/base/errc.hpp |
    grep -cE '^    [a-z_]+( = 1)?,')
rows=$(rows_of_code | wc -l)
if ((enumerators != rows || rows < 20)); then
    echo "$enumerators enumerators, $rows rows read from $table" >&2
    exit 1
fi
conditions=$(rows_of_page | grep -vE '^(not_sent|maybe_executed|timed_out|rejected_locally) ' || true)
diff -u --label "$table" --label "$page" <(rows_of_code) <(printf '%s\n' "$conditions")
