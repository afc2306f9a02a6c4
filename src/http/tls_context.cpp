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

std::shared_ptr<asio::ssl::context> new_client_context(bool verify) {
    auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_client);
    context->set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_sslv2 |
                         asio::ssl::context::no_sslv3 | asio::ssl::context::no_tlsv1 |
                         asio::ssl::context::no_tlsv1_1);
    context->set_verify_mode(verify ? asio::ssl::verify_peer : asio::ssl::verify_none);
    context->set_password_callback(
        [](std::size_t, asio::ssl::context::password_purpose) { return std::string{}; });
    return context;
}

std::shared_ptr<asio::ssl::context> make_tls_context(const TlsOptions& options,
                                                     const std::string& path) {
    auto context = new_client_context(options.verify);
    boost::system::error_code error;
    if (options.verify && options.ca_file.empty()) {
        context->set_default_verify_paths(error);
        require(error, path, "the system's CA store");
    } else if (options.verify) {
        context->load_verify_file(options.ca_file, error);
        require(error, path + ".ca_file", options.ca_file);
    }
    if (!options.cert_file.empty()) {
        context->use_certificate_chain_file(options.cert_file, error);
        require(error, path + ".cert_file", options.cert_file);
        context->use_private_key_file(options.key_file, asio::ssl::context::pem, error);
        require(error, path + ".key_file", options.key_file);
    }
    return context;
}

} // namespace failover::http
