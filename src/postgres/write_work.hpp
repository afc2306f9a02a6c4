// SPDX-License-Identifier: MIT
#pragma once

#include "sql_call.hpp"

namespace failover::postgres {

/// Finds the primary, and waits for one while there is none.
class PrimaryChoice {
public:
    explicit PrimaryChoice(detail::Database& database, PrimaryUse use = PrimaryUse::write) noexcept
        : database_{database}, use_{use} {}

    [[nodiscard]] Choice choose(std::uint64_t excluded, TimePoint until, CallControl& control);
    /// The attempt has ended.
    void release() { slot_.release(); }

private:
    detail::Database& database_;
    const PrimaryUse use_;
    Cluster::DrainSlot slot_;
};

/// exec(): one statement that commits by itself.
class WriteWork final : public SqlWork {
public:
    WriteWork(detail::Database& database, const Statement& statement, SessionMode mode,
              PrimaryUse use = PrimaryUse::write);

    [[nodiscard]] Choice choose(std::uint64_t excluded, TimePoint until,
                                CallControl& control) override {
        return primary_.choose(excluded, until, control);
    }
    void run(Session& session, Node& node, Progress& progress) override;
    [[nodiscard]] pqxx::result& result() noexcept { return result_; }

private:
    PrimaryChoice primary_;
    const Statement& statement_;
    const Work kind_;
    SqlParams params_;
    pqxx::result result_;
};

/// Throws 40003 when the server says so of the last commit of `session`: a promotion may lose it.
void refuse_unreplicated(Session& session);

} // namespace failover::postgres
