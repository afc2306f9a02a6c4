// SPDX-License-Identifier: MIT
#pragma once

#include "sql_call.hpp"
#include <failover/role/read_choice.hpp>

#include <atomic>

namespace failover::postgres {

/// query(): one statement in a session that refuses writes, on whichever node the policy allows.
class ReadWork : public SqlWork {
public:
    ReadWork(detail::Database& database, const Statement& statement, const CausalToken& after,
             const DbOptions& options, std::uint64_t seed,
             std::atomic<std::uint64_t>* taken = nullptr);

    [[nodiscard]] Choice choose(std::uint64_t excluded, TimePoint until,
                                CallControl& control) override;
    void run(Session& session, Node& node, Progress& progress) override;
    /// After a run that succeeded.
    [[nodiscard]] pqxx::result& result() noexcept { return *result_; }

private:
    [[nodiscard]] Choice choose_after(std::uint64_t excluded, TimePoint until,
                                      CallControl& control);
    [[nodiscard]] Choice primary_after(std::uint64_t excluded, TimePoint until,
                                       CallControl& control);
    [[nodiscard]] std::optional<std::size_t> pick(std::uint64_t excluded, TimePoint now);
    [[nodiscard]] std::optional<std::size_t> pick_from(std::uint64_t excluded, bool refusing,
                                                       TimePoint now);
    [[nodiscard]] std::optional<std::size_t> pick_beside(std::uint64_t excluded, TimePoint now);
    [[nodiscard]] bool promised(const Node& node, TimePoint now) const;
    [[nodiscard]] bool fresh(const Node& node, TimePoint now) const;
    [[nodiscard]] Choice nobody(std::uint64_t excluded, TimePoint now) const;

    detail::Database& database_;
    const Statement& statement_;
    const CausalToken& after_;
    const ReadPolicy policy_;
    const std::optional<Duration> max_staleness_;
    SqlParams params_;
    std::optional<pqxx::result> result_; // an empty one would allocate
    Rng rng_;
    std::atomic<std::uint64_t>* const taken_; // null: no other attempt runs beside this one
};

} // namespace failover::postgres
