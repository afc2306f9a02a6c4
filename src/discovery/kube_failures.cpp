// SPDX-License-Identifier: MIT
#include "kube_failures.hpp"

#include "slice_json.hpp"
#include <failover/retry/retry_after.hpp>

#include <boost/asio/error.hpp>

#include <utility>

namespace failover::discovery {
namespace {

/// What to do, where the server's own words do not say it.
std::string remedy(int status, const KubeStatus& body, const KubeService& service,
                   std::string_view verbs) {
    const bool from_api = body.code != 0; // not from a proxy, or from a port that wants TLS
    switch (status) {
        case 400:
            return from_api ? std::string{} : "; does the server's URL begin with https://?";
        case 401:
            return "; the token or client certificate is expired, revoked or of another cluster. "
                   "Files are read again before each attempt";
        case 403:
            if (body.message.find("\"system:anonymous\"") != std::string::npos) {
                return "; no credentials arrived: check the token or client certificate";
            }
            return "; grant the verbs " + std::string{verbs} +
                   " on endpointslices, apiGroup discovery.k8s.io, in namespace \"" +
                   escaped(service.kubernetes_namespace) + '"';
        case 404:
            return "; EndpointSlices v1 need Kubernetes 1.21 or newer, and the server's URL must "
                   "end where the API begins";
        case 429:
        case 503:
            return "; the server is overloaded or about to restart";
        case 504:
            return body.version_too_large ? std::string{} : "; the server does not reach its etcd";
        default:
            return {};
    }
}

std::string reason_of(const ControlReply& reply, const KubeStatus& body, const KubeService& service,
                      std::string_view verbs) {
    if (!reply.complete()) {
        const bool tls = reply.problem.find("handshaking") != std::string::npos;
        return escaped(reply.problem) +
               (tls ? "; check certificate-authority, the name the server is called by, and that "
                      "it speaks TLS"
                    : "");
    }
    std::string text = "the apiserver answered " + std::to_string(reply.status());
    const std::string& said = body.message.empty() ? body.reason : body.message;
    if (!said.empty()) {
        text += ": " + escaped(said);
    }
    return text + remedy(reply.status(), body, service, verbs);
}

/// ", it is of type application/yaml, encoded gzip": what differs from what was asked for.
std::string unasked_form(const Response& response) {
    std::string text;
    const std::string_view type = response.header("Content-Type").value_or("application/json");
    if (!type.starts_with("application/json")) {
        text += ", it is of type " + escaped(type);
    }
    const std::string_view coding = response.header("Content-Encoding").value_or("identity");
    if (coding != "identity") {
        text += ", it is encoded " + escaped(coding);
    }
    return text;
}

} // namespace

SlicePage page_of(const ControlReply& reply) {
    try {
        return parse_slice_page(reply.response.body());
    } catch (const FormatError& error) {
        throw FormatError{"the list cannot be read" + unasked_form(reply.response) + ": " +
                          error.what()};
    }
}

KubeFailure failure_of(const ControlReply& reply, const KubeService& service,
                       std::string_view verbs) {
    KubeFailure failure;
    if (reply.complete()) {
        failure.status = reply.status();
        failure.body = parse_kube_status(reply.response.body());
        if (const auto field = reply.response.header("Retry-After")) {
            const WallTime now = std::chrono::system_clock::now();
            if (const auto asked = parse_retry_after(*field, now)) {
                failure.body.retry_after = asked;
            }
        }
    }
    failure.reason = reason_of(reply, failure.body, service, verbs);
    return failure;
}

WatchEnd watch_end_of(const ControlReply& reply, const KubeService& service, bool cut_line) {
    using How = WatchEnd::How;
    const bool began = reply.status() >= 200 && reply.status() < 300;
    if (reply.complete()) {
        if (!began) {
            return {.how = How::refused, .failure = failure_of(reply, service)};
        }
        if (!cut_line) {
            return {};
        }
        return {.how = How::cut, .failure = {.reason = "the watch ended within a line"}};
    }
    WatchEnd end{.how = How::unreachable, .failure = failure_of(reply, service)};
    if (began) {
        end.how = reply.error == asio::error::timed_out ? How::silent : How::cut;
        end.failure.reason = "the watch broke: " + end.failure.reason;
    }
    return end;
}

Error kube_error(const KubeService& service, const std::string& reason, Errc what) {
    return Error{Failure{.code = make_error_code(what),
                         .service = service.name,
                         .detail = "in Kubernetes namespace \"" +
                                   escaped(service.kubernetes_namespace) + "\": " + reason}};
}

} // namespace failover::discovery
