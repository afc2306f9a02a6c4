// SPDX-License-Identifier: MIT
#include "parts.hpp"

namespace failover::config {
namespace {

void read_monitoring(YamlReader& root, LoadState& state, MonitoringConfig& monitoring) {
    YamlReader part{root.section("monitoring"), "monitoring", state};
    YamlReader providers{part.section("providers"), "monitoring.providers", state};
    {
        YamlReader prometheus{providers.section("prometheus"),
                              "monitoring.providers.prometheus", state};
        prometheus.text("endpoint", monitoring.prometheus.endpoint);
    }
    YamlReader jaeger{providers.section("jaeger"), "monitoring.providers.jaeger", state};
    jaeger.text("endpoint", monitoring.jaeger.endpoint);
    jaeger.text("service_name", monitoring.jaeger.service_name);
}

void read_logging(YamlReader& root, LoadState& state, LoggingConfig& logging) {
    YamlReader part{root.section("logging"), "logging", state};
    YamlReader providers{part.section("providers"), "logging.providers", state};
    YamlReader console{providers.section("console"), "logging.providers.console", state};
    console.text("level", logging.level);
    console.text("format", logging.format);
}

} // namespace

void read_observation(YamlReader& root, LoadState& state, Config& config) {
    {
        YamlReader service{root.section("service"), "service", state};
        service.text("name", config.service.name);
        service.text("version", config.service.version);
        service.number("port", config.service.port);
        service.text("zone", config.service.zone);
    }
    {
        YamlReader part{root.section("config"), "config", state};
        YamlReader providers{part.section("providers"), "config.providers", state};
        YamlReader file{providers.section("file"), "config.providers.file", state};
        file.text("path", config.fragments.path);
        file.text("format", config.fragments.format);
    }
    {
        YamlReader runtime{root.section("runtime"), "runtime", state};
        runtime.number("threads", config.runtime.threads);
        runtime.time("drain_timeout", config.runtime.drain_timeout);
    }
    {
        YamlReader admin{root.section("admin"), "admin", state};
        admin.secret("token", config.admin.token);
    }
    {
        YamlReader alerts{root.section("alerts"), "alerts", state};
        alerts.time("unhealthy_for", config.alerts.unhealthy_for);
        alerts.text("webhook", config.alerts.webhook);
    }
    read_logging(root, state, config.logging);
    read_monitoring(root, state, config.monitoring);
}

} // namespace failover::config
