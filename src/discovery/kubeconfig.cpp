// SPDX-License-Identifier: MIT
#include "kubeconfig.hpp"

#include "base64.hpp"
#include <failover/base/detail/trimmed.hpp>
#include <failover/config/load.hpp>
#include <failover/config/url.hpp>

#include <yaml-cpp/yaml.h>

#include <utility>

namespace failover::discovery {
namespace {

/// One map of the file, with its place for error messages.
class Section {
public:
    Section(YAML::Node node, std::string path, std::filesystem::path file)
        : node_{std::move(node)}, path_{std::move(path)}, file_{std::move(file)} {
        if (node_.IsDefined() && !node_.IsNull() && !node_.IsMap()) {
            refuse({}, "a map is expected");
        }
    }

    [[noreturn]] void refuse(const std::string& key, const std::string& message) const {
        const YAML::Node at = key.empty() ? node_ : value(key);
        std::string path = path_;
        if (!key.empty()) {
            path += (path.empty() ? "" : ".") + key;
        }
        const int line = at.IsDefined() ? at.Mark().line + 1 : 0;
        throw ConfigError{{ConfigIssue{
            .file = file_.string(), .line = line, .key = std::move(path), .message = message}}};
    }

    [[nodiscard]] bool has(const std::string& key) const {
        const YAML::Node found = value(key);
        return found.IsDefined() && !found.IsNull();
    }

    [[nodiscard]] std::string text(const std::string& key) const {
        if (!has(key)) {
            return {};
        }
        const YAML::Node found = value(key);
        if (!found.IsScalar()) {
            refuse(key, "a text is expected");
        }
        return found.Scalar();
    }

    [[nodiscard]] bool flag(const std::string& key) const {
        const std::string value = text(key);
        if (!value.empty() && value != "true" && value != "false") {
            refuse(key, "true or false is expected");
        }
        return value == "true";
    }

    [[nodiscard]] Section section(const std::string& key) const {
        return {value(key), path_.empty() ? key : path_ + '.' + key, file_};
    }

    /// The part `inner` of the entry of the list `list` whose name is `name`.
    [[nodiscard]] Section named(const std::string& list, const std::string& name,
                                const std::string& inner) const {
        const YAML::Node entries = value(list);
        if (has(list) && !entries.IsSequence()) {
            refuse(list, "a list is expected");
        }
        std::string known;
        for (std::size_t i = 0; i < entries.size(); ++i) {
            const Section entry{entries[i], list + '[' + std::to_string(i) + ']', file_};
            if (entry.text("name") == name) {
                return {entry.value(inner), list + '.' + escaped(name), file_};
            }
            known += (known.empty() ? "" : ", ") + escaped(entry.text("name"));
        }
        refuse(list, "has none named \"" + escaped(name) + "\"; it has: " + known);
    }

    /// The file `key` names, relative to the folder of this one.
    [[nodiscard]] std::filesystem::path path_of(const std::string& key) const {
        return file_.parent_path() / text(key);
    }

    /// "<key>-data" in base64, else the content of the file that `key` names; empty when neither.
    [[nodiscard]] std::string content(const std::string& key,
                                      std::vector<std::string>& warnings) const {
        const std::string data = key + "-data";
        if (!text(data).empty()) {
            if (!text(key).empty()) {
                warnings.push_back(path_ + ": " + data + " is used, " + key + " is not");
            }
            std::optional<std::string> bytes = decode_base64(text(data));
            if (!bytes) {
                refuse(data, "no valid base64");
            }
            return std::move(*bytes);
        }
        if (text(key).empty()) {
            return {};
        }
        std::optional<std::string> bytes = read_small_file(path_of(key));
        if (!bytes) {
            refuse(key, "cannot read \"" + path_of(key).string() + '"');
        }
        return std::move(*bytes);
    }

private:
    /// A const node does not grow the key that is looked for.
    [[nodiscard]] YAML::Node value(const std::string& key) const {
        const YAML::Node& constant = node_;
        return constant.IsMap() ? constant[key] : YAML::Node{YAML::NodeType::Undefined};
    }

    YAML::Node node_;
    std::string path_;
    std::filesystem::path file_;
};

void read_cluster(const Section& cluster, KubeCredentials& found) {
    if (!cluster.text("proxy-url").empty()) {
        cluster.refuse("proxy-url",
                       "proxies are not supported; remove it, or name a server that "
                       "can be reached directly");
    }
    std::string server = cluster.text("server");
    if (server.empty()) {
        cluster.refuse("server", "is missing");
    }
    if (server.find("://") == std::string::npos) {
        server.insert(0, "http://"); // as kubectl does
    }
    std::optional<Url> url = parse_url(server);
    if (!url || url->path.find('?') != std::string::npos) {
        cluster.refuse("server", failover::detail::shown_url(server) +
                                     ", allowed http[s]://host[:port][/path]");
    }
    while (url->path.ends_with('/')) {
        url->path.pop_back();
    }
    found.server = {.scheme = url->scheme,
                    .address = url->host,
                    .port = url->port,
                    .base_path = std::move(url->path)};
    found.server_name = cluster.text("tls-server-name");
    found.ca_pem = cluster.content("certificate-authority", found.warnings);
    found.insecure = cluster.flag("insecure-skip-tls-verify");
    if (found.insecure && !found.ca_pem.empty()) {
        cluster.refuse("insecure-skip-tls-verify", "contradicts certificate-authority: remove one");
    }
    if (found.insecure) {
        found.warnings.emplace_back(
            "insecure-skip-tls-verify: the apiserver is not verified, and "
            "anybody between may read the credentials");
    }
    if (url->scheme == "http") {
        found.warnings.emplace_back("the server's URL is http: credentials go unencrypted");
    }
}

void read_token(const Section& user, KubeCredentials& found) {
    found.token = Secret{std::string{failover::detail::trimmed(user.text("token"))}};
    if (user.text("tokenFile").empty()) {
        return;
    }
    found.token_file = user.path_of("tokenFile").string();
    const std::string now = current_token(found);
    if (now.empty()) {
        user.refuse("tokenFile", "\"" + found.token_file + "\" cannot be read or is empty");
    }
    found.token = Secret{now};
}

void read_user(const Section& user, KubeCredentials& found) {
    read_token(user, found);
    found.cert_pem = user.content("client-certificate", found.warnings);
    found.key_pem = Secret{user.content("client-key", found.warnings)};
    if (found.cert_pem.empty() != found.key_pem.empty()) {
        user.refuse(found.cert_pem.empty() ? "client-key" : "client-certificate",
                    "client-certificate and client-key are needed together");
    }
    const bool known = !found.token.empty() || !found.cert_pem.empty();
    const auto unsupported = [&](const std::string& key, const std::string& message) {
        if (user.has(key) && !known) {
            user.refuse(key, message);
        }
        if (user.has(key)) {
            found.warnings.push_back(key + " is ignored: there are other credentials");
        }
    };
    unsupported("exec",
                "credential plugins are not run; put a token (kubectl create token) into a "
                "file and name it as tokenFile, or use a client certificate");
    unsupported("auth-provider",
                "was removed from Kubernetes; use a token or a client certificate");
    unsupported("username", "apiservers accept no passwords any more; use a token");
    if (!known) {
        found.warnings.emplace_back("no credentials: requests are anonymous");
    }
}

} // namespace

KubeCredentials parse_kubeconfig(std::string_view text, const std::filesystem::path& file,
                                 const std::string& context) {
    try {
        const Section root{YAML::Load(std::string{text}), {}, file};
        const std::string name = context.empty() ? root.text("current-context") : context;
        if (name.empty()) {
            root.refuse("current-context", "is missing; name one with context:");
        }
        const Section chosen = root.named("contexts", name, "context");
        KubeCredentials found;
        read_cluster(root.named("clusters", chosen.text("cluster"), "cluster"), found);
        if (const std::string user = chosen.text("user"); !user.empty()) {
            read_user(root.named("users", user, "user"), found);
        } else {
            found.warnings.emplace_back("no credentials: requests are anonymous");
        }
        if (std::string space = chosen.text("namespace"); !space.empty()) {
            found.kubernetes_namespace = std::move(space);
        }
        return found;
    } catch (const YAML::Exception& error) {
        throw ConfigError{{ConfigIssue{
            .file = file.string(), .line = error.mark.line + 1, .message = escaped(error.msg)}}};
    }
}

KubeCredentials load_kubeconfig(const std::filesystem::path& file, const std::string& context) {
    const std::optional<std::string> text = read_small_file(file);
    if (!text) {
        throw ConfigError{{ConfigIssue{.file = file.string(), .message = "cannot be read"}}};
    }
    return parse_kubeconfig(*text, std::filesystem::absolute(file), context);
}

} // namespace failover::discovery
