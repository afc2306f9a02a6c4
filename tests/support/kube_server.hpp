// SPDX-License-Identifier: MIT
#pragma once

#include "kube_transcript.hpp"
#include "scripts.hpp"

#include <atomic>
#include <chrono>
#include <deque>
#include <limits>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace failover::test {

/// Plays a recorded answer byte for byte, each piece at its time divided by `speed`; then closes
/// the connection when the recording was cut, and leaves it open when it was not.
inline Script replay(RecordedExchange recorded, double speed = 1000) {
    return [recorded = std::move(recorded), speed](Exchange& exchange, SeenRequest& request) {
        exchange.read_body(request);
        exchange.send(recorded.head());
        std::chrono::duration<double> before{};
        for (const RecordedExchange::Piece& piece : recorded.until_cut()) {
            exchange.pause(
                std::chrono::duration_cast<std::chrono::milliseconds>((piece.at - before) / speed));
            before = piece.at;
            exchange.send(RecordedExchange::framed(piece));
        }
        if (!recorded.complete) {
            exchange.close();
        }
    };
}

/// The part of an apiserver that concerns the EndpointSlices of one namespace: lists with pages,
/// watches with history, expiry of old versions, creating and replacing with conflicts. Shapes are
/// those of the transcripts; what it has no rule for is scripted with server().next().
///
/// Threads    safe.
class KubeServer {
public:
    explicit KubeServer(std::optional<ServerTls> tls = {})
        : server_{[this](Exchange& exchange, SeenRequest& request) { serve(exchange, request); },
                  std::move(tls)} {}

    [[nodiscard]] ScriptedServer& server() noexcept { return server_; }
    [[nodiscard]] std::uint16_t port() const noexcept { return server_.port(); }

    /// Adds or replaces a slice of ready endpoints.
    void put(const std::string& name, const std::vector<std::string>& addresses,
             const std::string& service = "db") {
        nlohmann::json endpoints = nlohmann::json::array();
        for (const std::string& address : addresses) {
            endpoints.push_back({{"addresses", {address}}, {"conditions", {{"ready", true}}}});
        }
        put_slice(
            {{"metadata", {{"name", name}, {"labels", {{"kubernetes.io/service-name", service}}}}},
             {"addressType", "IPv4"},
             {"endpoints", endpoints},
             {"ports", {{{"name", "redis"}, {"protocol", "TCP"}, {"port", 6379}}}}});
    }
    void put_slice(nlohmann::json slice) {
        const std::lock_guard lock{mutex_};
        const std::string name = slice["metadata"]["name"];
        store(slices_.contains(name) ? "MODIFIED" : "ADDED", std::move(slice));
    }
    void remove(const std::string& name) {
        const std::lock_guard lock{mutex_};
        erase(name);
    }
    [[nodiscard]] nlohmann::json slice(const std::string& name) const {
        const std::lock_guard lock{mutex_};
        const auto at = slices_.find(name);
        return at == slices_.end() ? nlohmann::json{} : at->second;
    }
    /// Every watch from a version before now is answered 410.
    void compact() {
        const std::lock_guard lock{mutex_};
        compacted_ = version_;
        history_.clear();
    }
    /// Lists that have a limit come in pages of this many slices. Default: all at once.
    void set_page_size(std::size_t size) { page_size_ = size; }
    /// Any other token is answered 401. Default: every one is accepted.
    void accept_token(const std::string& token) {
        const std::lock_guard lock{mutex_};
        token_ = token;
    }
    /// Whether POST, PUT and DELETE are answered 403. Default: they are not.
    void refuse_changes(bool refuse) { refuse_changes_ = refuse; }
    /// A POST takes so long, and counts even when the client has hung up by then. Default: zero.
    void delay_creations(std::chrono::milliseconds time) { creation_takes_ = time; }
    /// Slices that a POST has made.
    [[nodiscard]] unsigned created() const noexcept { return created_; }
    /// So many of the next DELETEs are answered 503.
    void fail_deletions(int times) { failing_deletions_ = times; }
    /// The next watch breaks off after so many bytes of its body.
    void cut_next_watch(std::size_t bytes) { cut_at_ = bytes; }
    /// Open watches end in order.
    void end_watches() { ++ended_; }
    /// Whether to read a service is answered 403. Default: it is not.
    void refuse_services(bool refuse) { refuse_services_ = refuse; }
    /// So many of the next reads of a service are answered 503.
    void fail_services(int times) { failing_services_ = times; }
    /// What services look like: name to spec. Default: there is none.
    void put_service(const std::string& name, nlohmann::json spec) {
        const std::lock_guard lock{mutex_};
        services_[name] = std::move(spec);
    }
    [[nodiscard]] unsigned lists() const noexcept { return lists_; }
    [[nodiscard]] unsigned watches() const noexcept { return watches_; }
    [[nodiscard]] int open_watches() const noexcept { return open_; }

private:
    using Json = nlohmann::json;
    struct Event {
        long version = 0;
        std::string line{};
        std::string service{};
    };
    static constexpr std::size_t never = std::numeric_limits<std::size_t>::max();
    static constexpr std::string_view base =
        "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices";

    void store(const char* type, Json slice) {
        slice["metadata"]["resourceVersion"] = std::to_string(++version_);
        slice["metadata"]["namespace"] = "shop";
        note(type, slice);
        const std::string name = slice["metadata"]["name"];
        slices_[name] = std::move(slice);
    }
    void erase(const std::string& name) {
        if (const auto at = slices_.find(name); at != slices_.end()) {
            Json last = std::move(at->second);
            slices_.erase(at);
            last["metadata"]["resourceVersion"] = std::to_string(++version_);
            note("DELETED", last);
        }
    }
    void note(const char* type, Json slice) {
        const std::string service = slice["metadata"]["labels"]["kubernetes.io/service-name"];
        slice["kind"] = "EndpointSlice";
        slice["apiVersion"] = "discovery.k8s.io/v1";
        history_.push_back(
            {version_, Json{{"type", type}, {"object", std::move(slice)}}.dump() + '\n', service});
    }

    static std::string parameter(const std::string& target, const std::string& name) {
        const auto at = target.find_first_of("?&") == std::string::npos
                            ? std::string::npos
                            : target.find(name + '=', target.find('?'));
        if (at == std::string::npos) {
            return {};
        }
        const auto begin = at + name.size() + 1;
        return target.substr(begin, std::min(target.find('&', begin), target.size()) - begin);
    }
    static std::string status_text(int code, const std::string& reason,
                                   const std::string& message) {
        return Json{{"kind", "Status"},
                    {"status", "Failure"},
                    {"reason", reason},
                    {"message", message},
                    {"code", code}}
            .dump();
    }
    static void answer(Exchange& exchange, int status, const std::string& body) {
        exchange.send(response_text(status, body, "Content-Type: application/json\r\n"));
    }

    void serve(Exchange& exchange, SeenRequest& request) {
        exchange.read_body(request);
        {
            const std::lock_guard lock{mutex_};
            if (token_ && request.header("authorization") != "Bearer " + *token_) {
                answer(exchange, 401, status_text(401, "Unauthorized", "Unauthorized"));
                return;
            }
        }
        if (refuse_changes_ && request.method != "GET") {
            answer(exchange, 403, status_text(403, "Forbidden", "who asks may not change slices"));
            return;
        }
        if (request.method == "DELETE" && failing_deletions_.fetch_sub(1) > 0) {
            answer(exchange, 503, status_text(503, "ServiceUnavailable", "not now"));
            return;
        }
        const std::string path = request.target.substr(0, request.target.find('?'));
        if (path == "/version") {
            answer(exchange, 200, R"({"major":"1","minor":"36"})");
        } else if (path.starts_with("/api/v1/namespaces/shop/services/")) {
            serve_service(exchange, path.substr(path.rfind('/') + 1));
        } else if (path == base && request.method == "POST") {
            create(exchange, request);
        } else if (path == base && parameter(request.target, "watch") == "true") {
            watch(exchange, request.target);
        } else if (path == base) {
            list(exchange, request.target);
        } else if (path.starts_with(base)) {
            serve_one(exchange, request, path.substr(path.rfind('/') + 1));
        } else {
            answer(exchange, 404, "404 page not found\n");
        }
    }

    void list(Exchange& exchange, const std::string& target) {
        ++lists_;
        const std::lock_guard lock{mutex_};
        const std::string service = selected(target);
        const std::string from = parameter(target, "continue");
        const std::size_t most = parameter(target, "limit").empty() ? never : page_size_.load();
        Json items = Json::array();
        Json metadata{{"resourceVersion", std::to_string(version_)}};
        for (auto at = from.empty() ? slices_.begin() : slices_.lower_bound(from);
             at != slices_.end(); ++at) {
            if (at->second["metadata"]["labels"]["kubernetes.io/service-name"] != service) {
                continue;
            }
            if (items.size() >= most) {
                metadata["continue"] = at->first;
                break;
            }
            items.push_back(at->second);
        }
        answer(
            exchange, 200,
            Json{{"kind", "EndpointSliceList"}, {"metadata", metadata}, {"items", items}}.dump());
    }

    static std::string selected(const std::string& target) {
        const std::string selector = parameter(target, "labelSelector");
        return selector.substr(selector.rfind("%3D") + 3);
    }

    void watch(Exchange& exchange, const std::string& target) {
        ++watches_;
        ++open_;
        const std::size_t cut_at = cut_at_.exchange(never);
        const int generation = ended_;
        long version = std::stol(parameter(target, "resourceVersion"));
        const auto end = std::chrono::steady_clock::now() +
                         std::chrono::seconds{std::stol(parameter(target, "timeoutSeconds"))};
        exchange.send(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            "Transfer-Encoding: chunked\r\n\r\n");
        std::size_t sent = 0;
        bool alive = true;
        while (alive) {
            for (const std::string& line : news(version, selected(target), alive)) {
                std::string chunk = RecordedExchange::framed({.data = line, .chunk = true});
                const bool cut = sent + chunk.size() > cut_at;
                exchange.send(chunk.substr(0, cut ? cut_at - sent : chunk.size()));
                sent += chunk.size();
                if (cut) {
                    exchange.close();
                    --open_;
                    return;
                }
            }
            const auto now = std::chrono::steady_clock::now();
            alive = alive && now < end && ended_ == generation && !exchange.closed();
            if (alive && !rest(exchange)) {
                exchange.close(); // the client has gone
                --open_;
                return;
            }
        }
        exchange.send("0\r\n\r\n");
        --open_;
    }

    /// Lines after `version`, which is moved; `alive` becomes false when it is too old.
    std::vector<std::string> news(long& version, const std::string& service, bool& alive) {
        const std::lock_guard lock{mutex_};
        if (version < compacted_) {
            alive = false;
            const Json status =
                Json::parse(status_text(410, "Expired", "too old resource version"));
            return {Json{{"type", "ERROR"}, {"object", status}}.dump() + '\n'};
        }
        std::vector<std::string> lines;
        for (const Event& event : history_) {
            if (event.version > version && event.service == service) {
                lines.push_back(event.line);
            }
        }
        version = std::max(version, version_);
        return lines;
    }

    /// A short pause; false when the peer's close cut it short.
    static bool rest(Exchange& exchange) {
        const auto begun = std::chrono::steady_clock::now();
        exchange.pause(std::chrono::milliseconds{4});
        return std::chrono::steady_clock::now() - begun > std::chrono::milliseconds{2};
    }

    void serve_service(Exchange& exchange, const std::string& name) {
        if (refuse_services_) {
            answer(exchange, 403, status_text(403, "Forbidden", "who asks may not read services"));
            return;
        }
        if (failing_services_.fetch_sub(1) > 0) {
            answer(exchange, 503, status_text(503, "ServiceUnavailable", "not now"));
            return;
        }
        const std::lock_guard lock{mutex_};
        const auto at = services_.find(name);
        if (at == services_.end()) {
            answer(exchange, 404,
                   status_text(404, "NotFound", "services \"" + name + "\" not found"));
        } else {
            answer(exchange, 200, Json{{"kind", "Service"}, {"spec", at->second}}.dump());
        }
    }

    void create(Exchange& exchange, const SeenRequest& request) {
        std::this_thread::sleep_for(creation_takes_.load()); // whatever the client does
        const std::lock_guard lock{mutex_};
        Json slice = Json::parse(request.body);
        const std::string name = slice["metadata"]["name"];
        if (slices_.contains(name)) {
            answer(exchange, 409, status_text(409, "AlreadyExists", name + " already exists"));
            return;
        }
        store("ADDED", std::move(slice));
        ++created_;
        answer(exchange, 201, slices_[name].dump());
    }

    void serve_one(Exchange& exchange, const SeenRequest& request, const std::string& name) {
        const std::lock_guard lock{mutex_};
        const auto at = slices_.find(name);
        if (at == slices_.end()) {
            answer(exchange, 404, status_text(404, "NotFound", name + " not found"));
        } else if (request.method == "GET") {
            answer(exchange, 200, at->second.dump());
        } else if (request.method == "DELETE") {
            erase(name);
            answer(exchange, 200, R"({"kind":"Status","status":"Success"})");
        } else {
            Json slice = Json::parse(request.body);
            if (slice["metadata"].value("resourceVersion", "") !=
                at->second["metadata"]["resourceVersion"]) {
                answer(exchange, 409, status_text(409, "Conflict", "the object has been modified"));
                return;
            }
            store("MODIFIED", std::move(slice));
            answer(exchange, 200, slices_[name].dump());
        }
    }

    mutable std::mutex mutex_;
    std::map<std::string, Json> slices_;
    std::map<std::string, Json> services_;
    std::deque<Event> history_;
    long version_ = 100;
    long compacted_ = 0;
    std::optional<std::string> token_;
    std::atomic<bool> refuse_changes_{false};
    std::atomic<std::chrono::milliseconds> creation_takes_{};
    std::atomic<unsigned> created_{0};
    std::atomic<int> failing_deletions_{0};
    std::atomic<bool> refuse_services_{false};
    std::atomic<int> failing_services_{0};
    std::atomic<std::size_t> page_size_{never};
    std::atomic<std::size_t> cut_at_{never};
    std::atomic<int> ended_{0};
    std::atomic<unsigned> lists_{0};
    std::atomic<unsigned> watches_{0};
    std::atomic<int> open_{0};
    ScriptedServer server_; // last: its threads use what is above
};

} // namespace failover::test
