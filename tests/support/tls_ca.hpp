// SPDX-License-Identifier: MIT
#pragma once

#include "temp_dir.hpp"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>

namespace failover::test {

/// What a certificate says.
struct CertificateRequest {
    /// File name stem and common name.
    std::string name{};
    /// subjectAltName, as OpenSSL writes it. Empty: none.
    std::string alt_names = "DNS:localhost,IP:127.0.0.1";
    /// Validity, counted from now; both may lie in the past.
    long from_seconds = -3600;
    long until_seconds = 3600;
};

/// Paths of a certificate and its key, PEM.
struct CertificateFiles {
    std::string cert{};
    std::string key{};
};

/// A throwaway certificate authority (P-256) in a directory.
/// Threads    one thread.
class TlsCa {
public:
    TlsCa(const std::filesystem::path& directory, const std::string& name)
        : directory_{directory}, key_{new_key()} {
        certificate_ = build({.name = name, .alt_names = {}}, *key_, *key_, nullptr, true);
        cert_file_ = directory_ / (name + ".pem");
        save(*certificate_, cert_file_);
    }
    /// An intermediate: `parent` has signed it.
    TlsCa(const TlsCa& parent, const std::string& name)
        : directory_{parent.directory_}, key_{new_key()} {
        certificate_ = build({.name = name, .alt_names = {}}, *key_, *parent.key_,
                             parent.certificate_.get(), true);
        cert_file_ = directory_ / (name + ".pem");
        save(*certificate_, cert_file_);
    }

    /// PEM file to trust.
    [[nodiscard]] std::string cert_file() const { return cert_file_.string(); }

    [[nodiscard]] CertificateFiles issue(const CertificateRequest& request) const {
        const Key key = new_key();
        const Certificate made = build(request, *key, *key_, certificate_.get(), false);
        const std::filesystem::path cert = directory_ / (request.name + ".pem");
        const std::filesystem::path secret = directory_ / (request.name + ".key");
        save(*made, cert);
        const File file = open(secret);
        PEM_write_PrivateKey(file.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
        return {cert.string(), secret.string()};
    }

private:
    template <auto free>
    struct Free {
        template <class T>
        void operator()(T* object) const noexcept {
            free(object);
        }
    };
    using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
    using Certificate = std::unique_ptr<X509, Free<X509_free>>;
    using File = std::unique_ptr<std::FILE, Free<std::fclose>>;

    static Key new_key() { return Key{EVP_EC_gen("P-256")}; }

    static File open(const std::filesystem::path& path) {
        File file{std::fopen(path.c_str(), "w")};
        if (!file) {
            throw std::runtime_error{"cannot write " + path.string()};
        }
        return file;
    }

    static void save(X509& certificate, const std::filesystem::path& path) {
        const File file = open(path);
        PEM_write_X509(file.get(), &certificate);
    }

    static void extend(X509& certificate, X509* issuer, int kind, const std::string& value) {
        X509V3_CTX context;
        X509V3_set_ctx(&context, issuer, &certificate, nullptr, nullptr, 0);
        X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
        X509_add_ext(&certificate, extension, -1);
        X509_EXTENSION_free(extension);
    }

    /// `issuer` null: self-signed.
    static Certificate build(const CertificateRequest& request, EVP_PKEY& key, EVP_PKEY& signer,
                             X509* issuer, bool authority) {
        static long serial = 1;
        Certificate made{X509_new()};
        X509_set_version(made.get(), 2);
        ASN1_INTEGER_set(X509_get_serialNumber(made.get()), ++serial);
        X509_gmtime_adj(X509_getm_notBefore(made.get()), request.from_seconds);
        X509_gmtime_adj(X509_getm_notAfter(made.get()), request.until_seconds);
        X509_set_pubkey(made.get(), &key);
        X509_NAME* subject = X509_get_subject_name(made.get());
        const auto* text = reinterpret_cast<const unsigned char*>(request.name.c_str());
        X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, text, -1, -1, 0);
        X509_set_issuer_name(made.get(),
                             issuer != nullptr ? X509_get_subject_name(issuer) : subject);
        X509* parent = issuer != nullptr ? issuer : made.get();
        extend(*made, parent, NID_basic_constraints,
               authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
        if (!request.alt_names.empty()) {
            extend(*made, parent, NID_subject_alt_name, request.alt_names);
        }
        if (X509_sign(made.get(), &signer, EVP_sha256()) == 0) {
            throw std::runtime_error{"cannot sign a certificate"};
        }
        return made;
    }

    std::filesystem::path directory_;
    Key key_;
    Certificate certificate_;
    std::filesystem::path cert_file_;
};

} // namespace failover::test
