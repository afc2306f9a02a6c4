// SPDX-License-Identifier: MIT
#include "cache.hpp"
#include "hiredis_link.hpp"
#include "tls_settings.hpp"
#include <failover/config/load.hpp>
#include <failover/config/redis_url.hpp>
#include <failover/config/validate.hpp>
#include <failover/engine/new_seed.hpp>

#include <chrono>
#include <map>
#include <set>
#include <utility>

namespace failover::detail {
namespace {

constexpr std::size_t most_nodes = OwnWrites::most_nodes;

const CacheConfig& usable(const Config& config) {
    const CacheConfig& cache = config.cache;
    const std::string key = "cache.providers.redis";
    std::vector<ConfigIssue> issues;
    if (!cache.present) {
        issues.push_back({.key = key, .message = "is not configured"});
    } else if (cache.primary.url.empty()) {
        issues.push_back({.key = key + ".primary.url", .message = "is not set"});
    }
    for (const UnsetVariable& variable : cache.unset) {
        issues.push_back(unset_issue(config.source, variable));
    }
    if (cache.secondaries.size() >= most_nodes) {
        issues.push_back(
            {.key = key + ".secondaries",
             .message = "allowed are at most " + std::to_string(most_nodes) + " nodes in all"});
    }
    if (!issues.empty()) {
        throw ConfigError{std::move(issues)};
    }
    return cache;
}

/// Its place in the configuration: "primary", "secondary", "secondaries[0]".
std::string id_of(const CacheNodeConfig& node, std::size_t position) {
    const std::size_t dot = node.path.rfind('.');
    return dot != std::string::npos ? node.path.substr(dot + 1)
           : position == 0          ? "primary"
           : position == 1          ? "secondary"
                                    : "secondaries[" + std::to_string(position - 2) + ']';
}

} // namespace

using cache::Node;

Cache::Cache(const AttachmentParts& parts)
    : config_{usable(parts.config)},
      log_{parts.log},
      events_{parts.events, parts.executor},
      meter_{parts.metrics->cache()},
      client_{lease_token_text(new_seed())},
      nodes_{config_} {
    make_nodes(parts);
    if (!config_.journal_file.empty()) {
        open_journal(config_.journal_file);
    }
    auditor_ = std::make_unique<cache::Auditor>(
        nodes_, config_.mode == CacheMode::dual ? config_.audit_ratio : 0, meter_,
        [this](const std::string& key) {
            publish(EventKind::cache_diverged, nullptr, "key \"" + escaped(key) + '"');
        });
    if (config_.mode == CacheMode::replicated) {
        replication_ = std::make_unique<cache::Replication>(
            config_, nodes_, [this](const Node* primary, std::string reason, Duration lasted) {
                publish(primary != nullptr ? EventKind::primary_changed : EventKind::primary_lost,
                        primary, std::move(reason), lasted);
            });
    }
    calls_ = std::make_unique<cache::Calls>(cache::Calls::Parts{
        .config = config_,
        .nodes = nodes_,
        .meter = meter_,
        .registry = parts.calls,
        .on_manager_thread = parts.on_manager_thread,
        .executor = parts.executor,
        .keep = [this]() -> std::shared_ptr<const void> { return shared_from_this(); },
        .on_demoted =
            [this](Node& node) {
                if (replication_) {
                    replication_->demoted(node);
                }
            },
        .on_misconfigured = [this](Node& node,
                                   const std::string& words) { on_misconfigured(node, words); }});
    for (const std::string& address : config_.sentinel_nodes) {
        const std::optional<RedisUrl> url = parse_redis_url("redis://" + address);
        if (!url || !replication_) {
            continue; // refused when the configuration was checked
        }
        redis::LinkOptions options;
        options.host = url->host;
        options.port = url->port;
        options.pipeline.connect_timeout = config_.connect_timeout;
        replication_->add_sentinel(std::make_unique<redis::HiredisLink>(
            parts.executor, std::move(options), parts.resolver));
    }
    loads_ = std::make_unique<cache::Loads>(*calls_);
    make_keepers();
}

void Cache::make_nodes(const AttachmentParts& parts) {
    std::vector<CacheNodeConfig> places{config_.primary};
    places.insert(places.end(), config_.secondaries.begin(), config_.secondaries.end());
    std::vector<ConfigIssue> issues;
    for (std::size_t i = 0; i < places.size(); ++i) {
        const CacheNodeConfig& place = places[i];
        if (place.url.empty()) {
            continue; // a place that is not taken
        }
        const std::string id = id_of(place, i);
        const std::string key = "cache.providers.redis." + id + ".url";
        const std::optional<RedisUrl> url = parse_redis_url(place.url.reveal());
        if (!url) {
            issues.push_back({.key = key, .message = "is no redis:// or rediss:// URL"});
            continue;
        }
        redis::LinkOptions options;
        options.host = url->host;
        options.port = url->port;
        options.credentials = {url->user, Secret{url->password},
                               place.db != 0 ? place.db : url->db.value_or(0)};
        if (url->tls) {
            options.tls = std::make_shared<redis::TlsSettings>(config_.tls, url->host, key);
        }
        options.pipelines = config_.pipelines;
        options.sessions = place.pool_size;
        options.pipeline = {.silence = config_.operation_timeout,
                            .connect_timeout = config_.connect_timeout,
                            .max_pending = config_.max_pending};
        const bool v6 = url->host.find(':') != std::string::npos;
        nodes_.add(std::make_unique<Node>(
            Node::Place{.index = nodes_.size(),
                        .id = id,
                        .address = (v6 ? '[' + url->host + ']' : url->host) + ':' +
                                   std::to_string(url->port)},
            std::make_unique<redis::HiredisLink>(parts.executor, std::move(options),
                                                 parts.resolver),
            CacheHealthRules{config_.health, config_.rejoin},
            JournalLimits{.max_keys = config_.journal_max_keys},
            [this](Node& node, const NodeTransition& change) { on_change(node, change); },
            Clock::now()));
        nodes_.all().back()->missed().count_in(meter_);
        nodes_.all().back()->missed().settle_after(config_.operation_timeout * 2);
        if (config_.mode == CacheMode::replicated) {
            nodes_.all().back()->missed().keep_no_journal();
        }
    }
    if (!issues.empty()) {
        throw ConfigError{std::move(issues)};
    }
}

/// What an earlier process did not get done.
void Cache::open_journal(const std::string& path) {
    using Kind = cache::JournalFile::Kind;
    std::map<Node*, std::pair<std::set<std::string>, bool>> missed;
    journal_ = cache::JournalFile::open(path, *log_,
                                        [&](Kind kind, std::string_view id, std::string_view key) {
                                            Node* const node = nodes_.find(id);
                                            if (node == nullptr) {
                                                return; // it is configured no more
                                            }
                                            auto& [keys, everything] = missed[node];
                                            switch (kind) {
                                                case Kind::missed:
                                                    keys.emplace(key);
                                                    break;
                                                case Kind::made_up:
                                                    keys.erase(std::string{key});
                                                    break;
                                                case Kind::everything:
                                                    everything = true;
                                                    break;
                                                case Kind::flushed:
                                                    everything = false;
                                                    keys.clear();
                                                    break;
                                            }
                                        });
    for (const auto& [node, what] : missed) {
        for (const std::string& key : what.first) {
            node->missed().add(key);
        }
        if (what.second) {
            node->missed().add_everything();
        }
    }
    for (const auto& node : nodes_.all()) {
        node->missed().keep_in(journal_.get());
    }
}

void Cache::make_keepers() {
    for (const auto& node : nodes_.all()) {
        cache::Keeper::Hooks hooks;
        hooks.peers = [this, self = node.get()] {
            std::vector<Node*> peers;
            for (const auto& other : nodes_.all()) {
                if (other.get() != self) {
                    peers.push_back(other.get());
                }
            }
            return peers;
        };
        if (replication_) {
            hooks.on_role = [this](Node& from, const cache::RoleReport& report) {
                replication_->on_role(from, report);
            };
        }
        hooks.on_round = [this](Node& of, bool) { on_round(of); };
        hooks.on_misconfigured = [this](Node& of, const std::string& words) {
            on_misconfigured(of, words);
        };
        hooks.on_flushed = [this](Node& of, const std::string& why) {
            publish(EventKind::cache_node_flushed, &of, why);
        };
        keepers_.push_back(std::make_unique<cache::Keeper>(*node, config_, client_, meter_,
                                                           std::move(hooks), new_seed()));
    }
}

} // namespace failover::detail
