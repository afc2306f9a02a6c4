// SPDX-License-Identifier: MIT
#pragma once

#include "read_work.hpp"
#include "write_work.hpp"

#include <functional>
#include <string>

namespace failover::postgres {

/// transaction(): the caller's function between BEGIN and COMMIT, run again as a whole.
class TransactionWork final : public SqlWork {
public:
    using Body = std::function<void(pqxx::work&)>;

    TransactionWork(detail::Database& database, const Body& body, const TransactionOptions& options,
                    std::uint64_t seed);

    [[nodiscard]] Choice choose(std::uint64_t excluded, TimePoint until,
                                CallControl& control) override;
    void run(Session& session, Node& node, Progress& progress) override;
    [[nodiscard]] InDoubtDecision resolve(const Node& node, TimePoint until,
                                          CallControl& control) override;
    [[nodiscard]] unsigned conflict_retries() const noexcept override {
        return options_.max_conflict_retries;
    }

private:
    void begin(pqxx::work& work) const;
    void leave_evidence(pqxx::work& work, const Node& node);
    [[nodiscard]] InDoubtEvidence look(Session& session, const Node& node);
    [[nodiscard]] InDoubtEvidence claim(Session& session) const;

    detail::Database& database_;
    const Body& body_;
    const TransactionOptions options_;
    const bool exactly_once_;
    PrimaryChoice writer_;
    const Statement no_statement_{};
    const CausalToken no_token_{};
    ReadWork reader_;
    // Of the last attempt.
    std::string token_;
    std::string xid_;
    std::uint32_t timeline_ = 0;
    std::uint64_t system_id_ = 0;
    std::uint64_t generation_ = 0;
};

/// The table of exactly_once: one row a commit, written by the transaction it confirms.
extern const char* const commit_log_ddl;
extern const char* const commit_log_purge;

} // namespace failover::postgres
