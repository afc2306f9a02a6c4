// SPDX-License-Identifier: MIT
#pragma once

#include "temp_dir.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace failover::test {

/// One request and its answer as a real apiserver gave it.
struct RecordedExchange {
    struct Piece {
        /// Since the request was sent.
        std::chrono::duration<double> at{};
        /// Without the chunk's frame.
        std::string data{};
        bool chunk = false;
    };
    std::string target{};
    std::string status_line{};
    std::vector<std::string> fields{};
    std::vector<Piece> pieces{};
    /// The answer ended in order.
    bool complete = false;
    std::chrono::duration<double> ended{};

    [[nodiscard]] int status() const { return std::stoi(status_line.substr(9, 3)); }
    [[nodiscard]] bool watch() const {
        return target.find("watch=true") != std::string::npos ||
               target.find("/watch/") != std::string::npos;
    }
    [[nodiscard]] std::string body() const {
        std::string all;
        for (const Piece& piece : pieces) {
            all += piece.data;
        }
        return all;
    }
    [[nodiscard]] std::string head() const {
        std::string text = status_line + "\r\n";
        for (const std::string& field : fields) {
            text += field + "\r\n";
        }
        return text + "\r\n";
    }
    /// A piece as it was on the wire: in a chunk, when it was in one.
    [[nodiscard]] static std::string framed(const Piece& piece) {
        if (!piece.chunk) {
            return piece.data;
        }
        char size[24];
        std::snprintf(size, sizeof size, "%zx\r\n", piece.data.size());
        return size + piece.data + "\r\n";
    }
    /// Every byte of the answer.
    [[nodiscard]] std::string wire() const {
        std::string text = head();
        for (const Piece& piece : pieces) {
            text += framed(piece);
        }
        return text;
    }
};

inline std::filesystem::path kube_data() {
    return std::filesystem::path{FAILOVER_SOURCE_DIR} / "tests/data/kube";
}

/// The exchanges of a connection; see tests/data/kube.
inline std::vector<RecordedExchange> read_transcript(const std::string& name) {
    std::ifstream in{kube_data() / (name + ".jsonl")};
    std::vector<RecordedExchange> all;
    double sent = 0;
    for (std::string line; std::getline(in, line);) {
        const auto event = nlohmann::json::parse(line);
        const std::string kind = event.value("ev", "");
        if (kind == "send") {
            all.emplace_back();
            const std::string text = event.at("data");
            const auto begin = text.find(' ') + 1;
            all.back().target = text.substr(begin, text.find(' ', begin) - begin);
            sent = event.at("t");
        }
        if (all.empty()) {
            continue;
        }
        RecordedExchange& now = all.back();
        const std::chrono::duration<double> at{event.value("t", 0.0) - sent};
        if (kind == "headers") {
            now.status_line = event.at("status_line");
            now.fields = event.at("headers").get<std::vector<std::string>>();
        } else if (kind == "chunk" || kind == "body") {
            now.pieces.push_back({.at = at, .data = event.at("data"), .chunk = kind == "chunk"});
            now.complete = kind == "body" || now.pieces.back().data.empty();
            now.ended = at;
        } else if (kind == "eof" || kind == "end") {
            now.ended = at;
        }
    }
    if (all.empty()) {
        throw std::runtime_error{"no transcript " + name};
    }
    return all;
}

/// The first exchange.
inline RecordedExchange recorded(const std::string& name) {
    return read_transcript(name).front();
}

} // namespace failover::test
