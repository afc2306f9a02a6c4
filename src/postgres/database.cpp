// SPDX-License-Identifier: MIT
#include "database.hpp"

#include <failover/config/load.hpp>
#include <failover/config/validate.hpp>
#include <failover/engine/epoch_file.hpp>
#include <failover/engine/new_seed.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <chrono>
#include <utility>

namespace failover::detail {
namespace {

using postgres::Node;

using postgres::most_nodes;

/// A host name's addresses, waited for on the calling thread. The look-up itself runs on the
/// resolver's threads.
std::vector<asio::ip::address> look_up(Resolver& resolver, const std::string& host,
                                       TimePoint until) {
    asio::io_context context{1};
    CallControl control;
    std::vector<asio::ip::address> found;
    auto take = [&found](const std::exception_ptr& error, const Resolver::Answer& answer) {
        if (!error && answer) {
            found = *answer;
        }
    };
    asio::co_spawn(context, resolver.resolve(host, until, control), take);
    context.run();
    return found;
}

FailoverOptions budget_options(const DatabaseConfig& config) {
    FailoverOptions options;
    options.hedge = config.reads.hedge;
    return options;
}

const DatabaseConfig& usable(const Config& config) {
    const DatabaseConfig& database = config.database;
    std::vector<ConfigIssue> issues;
    const std::string key = "database.providers.postgresql";
    if (!database.present) {
        issues.push_back({.key = key, .message = "is not configured"});
    } else if (database.primary.url.empty()) {
        issues.push_back({.key = key + ".primary.url", .message = "is not set"});
    }
    for (const UnsetVariable& variable : database.unset) {
        issues.push_back(unset_issue(config.source, variable));
    }
    if (database.secondaries.size() >= most_nodes) {
        issues.push_back(
            {.key = key + ".secondaries",
             .message = "allowed are at most " + std::to_string(most_nodes) + " nodes in all"});
    }
    if (!issues.empty()) {
        throw ConfigError{std::move(issues)};
    }
    return database;
}

} // namespace

Database::Database(const AttachmentParts& parts)
    : config_{usable(parts.config)},
      calls_{parts.calls},
      log_{parts.log},
      events_{parts.events, parts.executor},
      meter_{parts.metrics->database()},
      resolver_{parts.resolver},
      on_manager_thread_{parts.on_manager_thread},
      budgets_{std::make_shared<CallBudgetPair>(budget_options(config_))},
      readers_{config_.pool.workers, config_.pool.max_pending},
      writers_{config_.pool.workers, config_.pool.max_pending},
      lanes_{2 * std::size_t{config_.pool.workers}, 0} {
    make_cluster(parts);
}

Database::~Database() {
    stop();
}

void Database::make_cluster(const AttachmentParts& parts) {
    std::vector<std::unique_ptr<Node>> nodes;
    const auto add = [&](const DatabaseNodeConfig& node, const std::string& id) {
        if (node.url.empty()) {
            return; // a place that is not taken
        }
        const postgres::PoolOptions options{
            .max = node.max_connections,
            .max_idle = node.max_idle_connections,
            .min_idle = std::min(config_.pool.min_idle, node.max_idle_connections),
            .max_pending = config_.pool.max_pending,
            .max_connecting = config_.pool.max_connecting,
            .connect_timeout = config_.pool.connect_timeout,
            .max_lifetime = config_.pool.max_lifetime,
            .idle_timeout = config_.pool.idle_timeout,
            .prepare_after = config_.reads.prepare_after};
        postgres::Conninfo info =
            postgres::parse_conninfo(node, "database.providers.postgresql." + id + ".url");
        postgres::LookUp resolve = [resolver = resolver_, host = info.host](TimePoint until) {
            return look_up(*resolver, host, until);
        };
        const std::string& zone = parts.config.service.zone;
        nodes.push_back(std::make_unique<Node>(nodes.size(), id, std::move(info), node.weight,
                                               !zone.empty() && node.zone == zone, options,
                                               watchdog_, std::move(resolve), new_seed()));
    };
    add(config_.primary, "primary");
    for (std::size_t i = 0; i < config_.secondaries.size(); ++i) {
        const std::string& path = config_.secondaries[i].path;
        const std::size_t dot = path.rfind('.');
        add(config_.secondaries[i], dot != std::string::npos ? path.substr(dot + 1)
                                    : i == 0                 ? "secondary"
                                             : "secondaries[" + std::to_string(i - 1) + ']');
    }
    const EpochFile epochs{config_.writes.epoch_file, log_};
    postgres::Cluster::Listener listener{
        .on_event =
            [this](const Event& event) {
                if (event.kind == EventKind::primary_changed) {
                    meter_->failover();
                }
                publish(event);
            },
        .on_doubt =
            [this](const Node*) {
                if (monitor_) {
                    monitor_->ask_now();
                }
            },
        .on_epoch = [epochs](std::uint32_t epoch) { epochs.store(epoch); }};
    cluster_ = std::make_shared<postgres::Cluster>(config_, std::move(nodes), epochs.load(),
                                                   std::move(listener), Clock::now());
    monitor_ =
        std::make_unique<postgres::Monitor>(*cluster_, config_, resolver_, watchdog_, meter_);
}

void Database::start() {
    monitor_->start();
}

void Database::publish(Event event) const {
    events_.publish(std::move(event));
}

void Database::stop() {
    std::call_once(stopped_, [this] {
        watchdog_.cut(nullptr, TimePoint::max());
        for (const std::unique_ptr<Node>& node : cluster_->nodes()) {
            node->pool.close();
        }
        monitor_->stop();
        readers_.stop();
        writers_.stop();
        lanes_.stop();
        events_.close();
    });
}

} // namespace failover::detail
