// SPDX-License-Identifier: MIT
#include "kube_tls.hpp"

#include "../http/tls_context.hpp"
#include <failover/config/load.hpp>

#include <boost/asio/buffer.hpp>

#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

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
    auto context = http::new_client_context(!credentials.insecure);
    error_code error;
    if (!credentials.insecure && credentials.ca_pem.empty()) {
        context->set_default_verify_paths(error);
        require(error, "the system's CA store");
    } else if (!credentials.insecure) {
        context->add_certificate_authority(asio::buffer(credentials.ca_pem), error);
        require(error, "certificate-authority");
        // What is named is trusted, be it an intermediate: so does every other client of
        // Kubernetes.
        X509_STORE_set_flags(SSL_CTX_get_cert_store(context->native_handle()),
                             X509_V_FLAG_PARTIAL_CHAIN);
    }
    if (!credentials.cert_pem.empty()) {
        context->use_certificate_chain(asio::buffer(credentials.cert_pem), error);
        require(error, "client-certificate");
        context->use_private_key(asio::buffer(credentials.key_pem.reveal()),
                                 asio::ssl::context::pem, error);
        require(error, "client-key");
    }
    return context;
}

} // namespace failover::discovery
