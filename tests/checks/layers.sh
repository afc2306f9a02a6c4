#!/usr/bin/env bash
# Who may include whom. A lower layer never includes a higher one, folders of one layer do not see
# each other unless listed, pure layers are std and Boost.System only and read no clock, and each
# third-party library is named in its own folder only.
# Usage: layers.sh SOURCE_DIR
set -euo pipefail
cd "$1"

find include src -name '*.hpp' -o -name '*.cpp' | sort | xargs awk '
function folder_of(path,   part, n) {
    n = split(path, part, "/")
    if (path ~ /^include\/failover\//) {
        return n > 3 ? part[3] : "face:" part[3]
    }
    return "src/" part[2]
}
function rank_of(folder) { return folder in rank ? rank[folder] : -1 }
function complain(text) { print FILENAME ":" FNR ": " text; bad = 1 }
function normal(path) {                      # a/b/../c -> a/c
    while (match(path, /[^\/.]+\/\.\.\//)) {
        path = substr(path, 1, RSTART - 1) substr(path, RSTART + RLENGTH)
    }
    return path
}
function check_layer(target,   from, to) {
    from = folder_of(FILENAME); to = folder_of(target)
    if (from == to) { return }
    if (rank_of(from) < 0) { complain("folder " from " has no layer; see tests/checks/layers.sh"); return }
    if (rank_of(to) < 0) { complain("includes " target ", which has no layer"); return }
    if (rank_of(to) > rank_of(from)) { complain(from " may not include " to ": it is a higher layer") }
    if (rank_of(to) == rank_of(from) && !((from ">" to) in peer)) {
        complain(from " may not include " to ": same layer")
    }
}
function check_third_party(header,   library, folder) {
    folder = folder_of(FILENAME)
    for (library in allowed) {
        if (header ~ library && index(allowed[library], " " folder " ") == 0) {
            complain(folder " may not name <" header ">")
        }
    }
    if (rank_of(folder) <= 2 && header ~ /[\/.]/ && header !~ /^boost\/(system\/|assert\.hpp$)/) {
        complain("a pure layer may include std and Boost.System only, not <" header ">")
    }
    if (rank_of(folder) <= 2 && header ~ /^(iostream|thread|future|condition_variable|fstream)$/) {
        complain("a pure layer neither prints, reads nor waits: <" header ">")
    }
}
BEGIN {
    rank["face:fwd.hpp"] = 0; rank["face:version.hpp"] = 0; rank["base"] = 0
    rank["endpoint"] = 1; rank["config"] = 1
    rank["face:message.hpp"] = 1; rank["face:call_options.hpp"] = 1
    rank["health"] = rank["select"] = rank["retry"] = rank["role"] = 2
    rank["face:db_options.hpp"] = rank["face:db_params.hpp"] = 2
    rank["face:cache_reply.hpp"] = 1
    rank["discovery"] = rank["engine"] = rank["face:topology.hpp"] = 3
    rank["face:cache_options.hpp"] = rank["face:cache_topology.hpp"] = 3
    rank["src/config"] = rank["src/discovery"] = rank["src/http"] = rank["src/observe"] = 4
    rank["src/postgres"] = rank["src/redis"] = 4
    rank["face:client.hpp"] = rank["face:manager.hpp"] = 5
    rank["face:db.hpp"] = rank["face:cache.hpp"] = rank["src/manager"] = 5
    rank["face:failover.hpp"] = 6; rank["src/cli"] = 6
    # A configuration holds endpoints, options name messages, and the engine watches providers.
    peer["config>endpoint"]; peer["face:message.hpp>endpoint"]
    peer["face:call_options.hpp>face:message.hpp"]; peer["engine>discovery"]
    peer["engine>face:cache_options.hpp"]; peer["engine>face:cache_topology.hpp"]
    peer["face:manager.hpp>face:client.hpp"]
    # Statements are judged in the words of the attempts of calls.
    peer["role>retry"]
    # JSON over HTTP: providers ask through the connections of calls.
    peer["src/discovery>src/http"]
    peer["src/manager>face:client.hpp"]; peer["src/manager>face:manager.hpp"]
    peer["face:db.hpp>face:manager.hpp"]; peer["face:cache.hpp>face:manager.hpp"]
    peer["src/manager>face:db.hpp"]; peer["src/manager>face:cache.hpp"]

    allowed["^boost/beast"] = " src/http src/observe "
    allowed["^(openssl/|boost/asio/ssl)"] = " src/discovery src/http "
    allowed["^yaml-cpp/"] = " src/config src/discovery "
    allowed["^nlohmann/"] = " src/discovery src/observe "
    allowed["^(prometheus|spdlog)/"] = " src/observe "
    allowed["^pqxx"] = " src/postgres face:db.hpp "
    allowed["^libpq-fe"] = " src/postgres "
    allowed["^hiredis"] = " src/redis "
}
/^[ \t]*#[ \t]*include[ \t]*[<"]/ {
    header = $0
    sub(/^[^<"]*[<"]/, "", header); sub(/[>"].*$/, "", header)
    if ($0 ~ /"/) {
        directory = FILENAME; sub(/[^\/]*$/, "", directory)
        check_layer(normal(directory header))
    } else if (header ~ /^failover\//) {
        check_layer("include/" header)
    } else {
        check_third_party(header)
    }
}
/(steady_clock|system_clock|Clock)::now|random_device/ && !/^[ \t]*\/\// {
    if (rank_of(folder_of(FILENAME)) <= 2) { complain("a pure layer is given its time and chance") }
}
END { exit bad }
'
echo "layers: ok"
