// SPDX-License-Identifier: MIT
#include "kube_tls.hpp"

#include <failover/config/load.hpp>

#include <boost/asio/buffer.hpp>

namespace failover::discovery {
namespace {

void require(const error_code& error, const char* part) {
    if (error) {
        throw ConfigError{
            {ConfigIssue{.key = part, .message = "cannot be used: " + error.message()}}};
    }
}

} // namespace

std::shared_ptr<asio::ssl::context> make_kube_tls(const KubeCredentials& credentials) {
    auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_client);
    context->set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_sslv2 |
                         asio::ssl::context::no_sslv3 | asio::ssl::context::no_tlsv1 |
                         asio::ssl::context::no_tlsv1_1);
    error_code error;
    if (credentials.insecure) {
        context->set_verify_mode(asio::ssl::verify_none);
    } else {
        context->set_verify_mode(asio::ssl::verify_peer);
        if (credentials.ca_pem.empty()) {
            context->set_default_verify_paths(error);
            require(error, "the system's CA store");
        } else {
            context->add_certificate_authority(asio::buffer(credentials.ca_pem), error);
            require(error, "certificate-authority");
        }
    }
    if (!credentials.cert_pem.empty()) {
        // Without this OpenSSL would ask for a pass phrase on the terminal.
        context->set_password_callback(
            [](std::size_t, asio::ssl::context::password_purpose) { return std::string{}; });
        context->use_certificate_chain(asio::buffer(credentials.cert_pem), error);
        require(error, "client-certificate");
        context->use_private_key(asio::buffer(credentials.key_pem.reveal()),
                                 asio::ssl::context::pem, error);
        require(error, "client-key");
    }
    return context;
}

} // namespace failover::discovery
