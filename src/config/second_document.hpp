// SPDX-License-Identifier: MIT
#pragma once

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <optional>
#include <sstream>
#include <string>
#include <utility>

namespace failover::config {

/// Where the content of the second document of `text` begins; none: it has one at most. Throws
/// YAML::Exception.
///
/// For YAML::LoadAll(), which never returns when a document begins with a token that it does not
/// consume, such as ",": it takes it for one empty document after the other.
[[nodiscard]] inline std::optional<YAML::Mark> second_document(const std::string& text) {
    class Begins final : public YAML::EventHandler {
    public:
        void OnDocumentStart(const YAML::Mark&) override { begun_ = false; }
        void OnDocumentEnd() override {}
        void OnNull(const YAML::Mark& mark, YAML::anchor_t) override { begin(mark); }
        void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { begin(mark); }
        void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                      const std::string&) override {
            begin(mark);
        }
        void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                             YAML::EmitterStyle::value) override {
            begin(mark);
        }
        void OnSequenceEnd() override {}
        void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                        YAML::EmitterStyle::value) override {
            begin(mark);
        }
        void OnMapEnd() override {}

        YAML::Mark root{};

    private:
        void begin(const YAML::Mark& mark) {
            if (!std::exchange(begun_, true)) {
                root = mark;
            }
        }

        bool begun_ = false;
    };
    std::istringstream stream{text};
    YAML::Parser parser{stream};
    Begins begins;
    if (parser.HandleNextDocument(begins) && parser.HandleNextDocument(begins)) {
        return begins.root;
    }
    return std::nullopt;
}

} // namespace failover::config
