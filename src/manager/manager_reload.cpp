// SPDX-License-Identifier: MIT
#include "manager_impl.hpp"
#include <failover/config/validate.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <utility>

namespace failover {

/// Everything that would stop a manager from starting, at once.
void FailoverManager::Impl::require_usable(const Config& config) {
    std::vector<ConfigIssue> issues = validate(config);
    for (ConfigIssue& issue : unset_issues(config)) {
        issues.push_back(std::move(issue));
    }
    if (!issues.empty()) {
        throw ConfigError{std::move(issues)};
    }
}

/// Nothing that the connections depend on differs.
bool FailoverManager::Impl::same_source(const Service& running, const ServiceConfig& wanted) {
    const ServiceConfig& now = running.config;
    return now.kind == wanted.kind && now.provider_name == wanted.provider_name &&
           now.service_name == wanted.service_name && now.tls == wanted.tls &&
           now.failover.max_connections == wanted.failover.max_connections &&
           now.failover.max_pending == wanted.failover.max_pending &&
           now.failover.idle_timeout == wanted.failover.idle_timeout;
}

/// The same endpoints are to be found, and not by a list that is here anyway.
bool FailoverManager::Impl::same_endpoints(const Service& running, const ServiceConfig& wanted) {
    const ServiceConfig& now = running.config;
    return now.kind != ProviderKind::static_list && now.kind == wanted.kind &&
           now.provider_name == wanted.provider_name && now.service_name == wanted.service_name &&
           same_discovery(now, wanted);
}

/// Nothing differs that the provider or the registration was made of. What is polled follows the
/// interval of the checks.
bool FailoverManager::Impl::same_discovery(const ServiceConfig& now, const ServiceConfig& wanted) {
    return now.consul == wanted.consul && now.kubernetes == wanted.kubernetes &&
           now.registration == wanted.registration &&
           now.health_check.interval == wanted.health_check.interval &&
           (!now.registration.enabled || now.health_check == wanted.health_check);
}

std::string FailoverManager::Impl::keep_fixed(Config& config) const {
    std::string changed;
    const auto keep = [&](bool same, const char* name, auto& wanted, const auto& running) {
        if (!same) {
            changed += (changed.empty() ? "only a restart applies: " : ", ") + std::string{name};
        }
        wanted = running;
    };
    const auto keep_part = [&](const char* name, auto& wanted, const auto& running) {
        keep(wanted == running, name, wanted, running);
    };
    keep_part("service.name", config.service.name, config_.service.name);
    keep_part("service.version", config.service.version, config_.service.version);
    keep_part("service.port", config.service.port, config_.service.port);
    keep_part("runtime", config.runtime, config_.runtime);
    keep_part("logging", config.logging, config_.logging);
    keep_part("monitoring", config.monitoring, config_.monitoring);
    keep(config.admin.token.reveal() == config_.admin.token.reveal(), "admin", config.admin,
         config_.admin);
    const std::lock_guard lock{mutex_};
    if (attachments_.contains("database")) {
        keep_part("database", config.database, config_.database);
    }
    if (attachments_.contains("cache")) {
        keep_part("cache", config.cache, config_.cache);
    }
    return changed;
}

void FailoverManager::Impl::reload(Config config, const std::string& told) {
    const std::lock_guard one_at_a_time{change_mutex_};
    std::vector<Service> before;
    {
        const std::lock_guard lock{mutex_};
        if (stopping_) {
            throw Error{Failure{.code = make_error_code(Errc::not_running)}};
        }
        before = services_;
    }
    std::vector<Service> next;
    const auto held = std::make_shared<detail::HeldWarnings>();
    try {
        require_usable(config);
        held_warnings_ = held;
        next = plan_services(before, config);
    } catch (const Error& error) {
        reject(error.what(), told);
        throw;
    }
    for (Event& warning : held->release()) {
        publish(std::move(warning));
    }
    std::string not_applied = keep_fixed(config);
    {
        // Before the services: an endpoint may be due for its alert the moment they know
        // the new `unhealthy_for`.
        const std::lock_guard lock{mutex_};
        config_.alerts = config.alerts;
    }
    apply_services(before, next, config);
    const bool other_files =
        !config.source.empty() &&
        (config.source != config_.source || config.fragments.path != config_.fragments.path);
    {
        const std::lock_guard lock{mutex_};
        services_ = std::move(next);
        config_ = std::move(config);
    }
    if (other_files) {
        stop_config_watch();
        start_config_watch();
    }
    publish(Event{.kind = EventKind::config_reloaded, .reason = std::move(not_applied)});
}

/// The services of `config`: those that go on keep their upstream, the others are made. May throw;
/// nothing that runs has been touched then.
std::vector<FailoverManager::Impl::Service> FailoverManager::Impl::plan_services(
    const std::vector<Service>& before, const Config& config) {
    std::vector<Service> next;
    for (const ServiceConfig& wanted : config.services) {
        if (!wanted.enabled) {
            continue;
        }
        const auto same = std::find_if(before.begin(), before.end(), [&](const Service& service) {
            return service.config.name == wanted.name;
        });
        if (same == before.end() || !same_source(*same, wanted)) {
            next.push_back(
                make_service(wanted, config, same == before.end() ? nullptr : same->built_in));
        } else {
            next.push_back(*same);
            const bool moves =
                wanted.registration.enabled && config.service.zone != config_.service.zone;
            if (moves || !same_discovery(same->config, wanted)) {
                make_discovery(next.back(), wanted, config.service.zone);
            }
            next.back().config = wanted;
        }
    }
    return next;
}

void FailoverManager::Impl::apply_services(std::vector<Service>& before, std::vector<Service>& next,
                                           const Config& config) {
    const auto named = [](std::vector<Service>& list, const std::string& name) {
        return std::find_if(list.begin(), list.end(),
                            [&](const Service& one) { return one.config.name == name; });
    };
    for (Service& old : before) {
        const auto now = named(next, old.config.name);
        if (now == next.end() || now->upstream != old.upstream) {
            stop_watch(old);
        }
        if (now == next.end()) {
            old.calls->rebind({});
            old.upstream->retire(); // calls bound to it end in peace; its connections go with it
        }
        if (now == next.end() || now->config.kind != ProviderKind::static_list) {
            static_provider_->forget(old.config.name);
        }
    }
    for (Service& service : next) {
        const auto old = named(before, service.config.name);
        if (old != before.end() && old->upstream == service.upstream) {
            service.upstream->reconfigure(service.config, config.service.zone,
                                          config.alerts.unhealthy_for);
            resume_discovery(*old, service);
            continue;
        }
        service.upstream->start();
        if (old != before.end()) { // handles of the old one go on with the new one
            if (old->upstream->discovered() && same_endpoints(*old, service.config)) {
                // Its provider may be away, and then there would be none for as long as it is.
                service.upstream->set_endpoints(old->upstream->listed());
            }
            old->calls->rebind({service.upstream, service.transport});
            service.calls = old->calls;
            old->upstream->retire();
        }
        start_watch(service, provider_of(service.config, service.built_in));
    }
    renew_registrations(before, next);
}

/// The upstream goes on: is there anything to change about where its endpoints come from?
void FailoverManager::Impl::resume_discovery(Service& old, Service& service) {
    if (service.provider == static_provider_) {
        resume_static(service);
    } else if (old.built_in != service.built_in || !same_discovery(old.config, service.config)) {
        stop_watch(service);
        start_watch(service, provider_of(service.config, service.built_in));
    }
}

/// Starts what announces anew, and takes back what nobody announces any more. What is announced
/// again by a new registration stays where it is: taking it back would make this process vanish for
/// a while, or for good when the provider hears of both in the wrong order.
void FailoverManager::Impl::renew_registrations(std::vector<Service>& before,
                                                std::vector<Service>& next) {
    const auto with = [](std::vector<Service>& list, const auto& suits) {
        return std::find_if(list.begin(), list.end(), [&](const Service& one) {
            return one.registration != nullptr && suits(one);
        });
    };
    std::map<std::string, std::shared_ptr<discovery::SelfRegistration>> replaced;
    for (Service& old : before) {
        const auto same = [&](const Service& one) { return one.registration == old.registration; };
        if (!old.registration || with(next, same) != next.end()) {
            continue;
        }
        stop_registering(old);
        const auto takes_over = [&](const Service& one) {
            return one.registration->identity() == old.registration->identity();
        };
        const auto of_its_name = [&](const Service& one) {
            return one.config.name == old.config.name;
        };
        const auto is_new = [&](const Service& one) {
            const auto runs = [&](const Service& other) {
                return other.registration == one.registration;
            };
            return with(before, runs) == before.end();
        };
        // Two services may announce the same, in one cluster or in clusters of their own.
        const auto inherits = [&](const Service& one) {
            return of_its_name(one) && takes_over(one);
        };
        const auto adopts = [&](const Service& one) { return takes_over(one) && is_new(one); };
        const auto announces_it = [&](const Service& one) {
            return takes_over(one) && one.registration->same_place(*old.registration);
        };
        auto heir = with(next, inherits);
        heir = heir == next.end() ? with(next, adopts) : heir;
        if (heir != next.end()) {
            heir->registration->follow(*old.registration);
            continue;
        }
        if (with(next, announces_it) != next.end()) {
            continue; // all the time
        }
        if (with(next, of_its_name) != next.end()) {
            replaced[old.config.name] = old.registration;
        } else {
            farewells_->begin(strand_, old.registration);
        }
    }
    for (Service& service : next) {
        const auto same = [&](const Service& one) {
            return one.registration == service.registration;
        };
        if (service.registration && with(before, same) == before.end()) {
            start_registration(service, replaced[service.config.name]);
        }
    }
}

void FailoverManager::Impl::reject(const std::string& reason, const std::string& told) {
    if (reason != told) {
        publish(Event{.kind = EventKind::config_rejected, .reason = reason});
    }
}

/// Events reach their handlers on the manager's executor, never inside the caller's call.
void FailoverManager::Impl::publish(Event event) {
    event.time = std::chrono::system_clock::now();
    asio::post(strand_, [events = events_, event = std::move(event)] { events->publish(event); });
}

} // namespace failover
