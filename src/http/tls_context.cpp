// SPDX-License-Identifier: MIT
#include "tls_context.hpp"

#include <failover/config/load.hpp>

namespace failover::http {
namespace {

void require(const boost::system::error_code& error, const std::string& key,
             const std::string& file) {
    if (error) {
        throw ConfigError{
            {ConfigIssue{.key = key, .message = '"' + file + "\": " + error.message()}}};
    }
}

} // namespace

std::shared_ptr<asio::ssl::context> make_tls_context(const TlsOptions& options,
                                                     const std::string& path) {
    auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_client);
    context->set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_sslv2 |
                         asio::ssl::context::no_sslv3 | asio::ssl::context::no_tlsv1 |
                         asio::ssl::context::no_tlsv1_1);
    boost::system::error_code error;
    if (options.verify) {
        context->set_verify_mode(asio::ssl::verify_peer);
        if (options.ca_file.empty()) {
            context->set_default_verify_paths(error);
            require(error, path, "the system's CA store");
        } else {
            context->load_verify_file(options.ca_file, error);
            require(error, path + ".ca_file", options.ca_file);
        }
    } else {
        context->set_verify_mode(asio::ssl::verify_none);
    }
    if (!options.cert_file.empty()) {
        // Without this OpenSSL would ask for a pass phrase on the terminal.
        context->set_password_callback([](std::size_t, asio::ssl::context::password_purpose) {
            return std::string{};
        });
        context->use_certificate_chain_file(options.cert_file, error);
        require(error, path + ".cert_file", options.cert_file);
        context->use_private_key_file(options.key_file, asio::ssl::context::pem, error);
        require(error, path + ".key_file", options.key_file);
    }
    return context;
}

} // namespace failover::http
