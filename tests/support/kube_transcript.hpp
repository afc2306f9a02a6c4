// SPDX-License-Identifier: MIT
#pragma once

#include "temp_dir.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <stdexcept>
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
        /// Bytes there were, when the recorder kept only the first of them; else 0.
        std::size_t cut_of = 0;
    };
    /// Empty with `target`: the recording begins after the request.
    std::string method{};
    std::string target{};
    std::string status_line{};
    std::vector<std::string> fields{};
    std::vector<Piece> pieces{};
    /// The answer ended in order, and all of it was kept.
    bool complete = false;
    std::chrono::duration<double> ended{};
    /// Why there is no answer at all, in the recorder's words.
    std::string trouble{};
    /// When what was recorded began a new phase.
    std::vector<std::chrono::duration<double>> steps{};

    [[nodiscard]] int status() const { return std::stoi(status_line.substr(9, 3)); }
    [[nodiscard]] bool watch() const {
        return target.find("watch=true") != std::string::npos ||
               target.find("/watch/") != std::string::npos;
    }
    [[nodiscard]] bool answered() const { return !status_line.empty(); }
    /// The pieces up to the first of which an end is missing: what a client would get of a
    /// connection that breaks there.
    [[nodiscard]] std::vector<Piece> until_cut() const {
        auto end = std::find_if(pieces.begin(), pieces.end(),
                                [](const Piece& piece) { return piece.cut_of > 0; });
        return {pieces.begin(), end == pieces.end() ? end : end + 1};
    }
    [[nodiscard]] std::string body() const {
        std::string all;
        for (const Piece& piece : until_cut()) {
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
        std::snprintf(size, sizeof size, "%zx\r\n", std::max(piece.data.size(), piece.cut_of));
        return size + piece.data + (piece.cut_of > 0 ? "" : "\r\n");
    }
    /// Every byte of the answer.
    [[nodiscard]] std::string wire() const {
        std::string text = head();
        for (const Piece& piece : until_cut()) {
            text += framed(piece);
        }
        return text;
    }
};

inline std::filesystem::path kube_data() {
    return std::filesystem::path{FAILOVER_SOURCE_DIR} / "tests/data/kube";
}

namespace transcript_detail {

/// The bytes that the recorder wrote as characters of the same number.
inline std::string bytes_of(const std::string& text) {
    std::string bytes;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto first = static_cast<unsigned char>(text[i]);
        const bool two = first >= 0xC0 && i + 1 < text.size();
        bytes += two ? static_cast<char>((first << 6U) | (text[++i] & 0x3F)) : text[i];
    }
    return bytes;
}

inline RecordedExchange::Piece piece_of(const nlohmann::json& event) {
    constexpr std::string_view mark = "\xE2\x80\xA6(cut)";
    RecordedExchange::Piece piece{.chunk = event.at("ev") == "chunk"};
    std::string text = event.at("data");
    if (text.ends_with(mark)) {
        text.resize(text.size() - mark.size());
        piece.cut_of = event.at("size");
    }
    piece.data = bytes_of(text);
    return piece;
}

inline void begin_request(const std::string& text, RecordedExchange& exchange) {
    const auto begin = text.find(' ') + 1;
    exchange.method = text.substr(0, begin - 1);
    exchange.target = text.substr(begin, text.find(' ', begin) - begin);
}

} // namespace transcript_detail

/// The exchanges of a connection; see tests/data/kube. An attempt to connect that failed is one.
inline std::vector<RecordedExchange> read_transcript(const std::string& name) {
    std::ifstream in{kube_data() / (name + ".jsonl")};
    std::vector<RecordedExchange> all;
    double sent = 0;
    for (std::string line; std::getline(in, line);) {
        const auto event = nlohmann::json::parse(line);
        const std::string kind = event.value("ev", "");
        if (kind == "send") {
            all.emplace_back();
            transcript_detail::begin_request(event.at("data"), all.back());
            sent = event.at("t");
        }
        if (all.empty() && (kind == "connect_error" || kind == "headers")) {
            all.emplace_back();
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
            now.pieces.push_back(transcript_detail::piece_of(event));
            now.pieces.back().at = at;
            now.complete = kind == "body" || event.at("data") == "";
            now.ended = at;
        } else if (kind == "STEP") {
            now.steps.push_back(at);
        } else if (kind == "connect_error") {
            now.trouble = event.at("error");
        } else if (kind == "eof" || kind == "end") {
            now.ended = at;
            if (now.status_line.empty() && now.trouble.empty()) {
                now.trouble = kind == "eof" ? "peer closed (EOF)" : event.at("how");
            }
        }
    }
    if (all.empty()) {
        throw std::runtime_error{"no transcript " + name};
    }
    for (RecordedExchange& exchange : all) {
        const std::size_t kept = exchange.until_cut().size();
        exchange.complete = exchange.complete && kept == exchange.pieces.size() &&
                            exchange.pieces.back().cut_of == 0;
    }
    return all;
}

/// The first exchange.
inline RecordedExchange recorded(const std::string& name) {
    return read_transcript(name).front();
}

} // namespace failover::test
