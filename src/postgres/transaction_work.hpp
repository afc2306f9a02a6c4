// SPDX-License-Identifier: MIT
#pragma once

#include "commit_resolver.hpp"
#include "read_work.hpp"
#include "write_work.hpp"

#include <functional>
#include <optional>

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
    [[nodiscard]] InDoubtDecision resolve(Node& node, TimePoint until,
                                          CallControl& control) override;
    [[nodiscard]] unsigned conflict_retries() const noexcept override {
        return options_.max_conflict_retries;
    }

private:
    void begin(std::optional<pqxx::work>& work, Session& session) const;
    void begin_with_token(std::optional<pqxx::work>& work, Session& session);
    void leave_evidence(pqxx::work& work, const Session& session, const Node& node);

    detail::Database& database_;
    const Body& body_;
    const TransactionOptions options_;
    const bool exactly_once_;
    PrimaryChoice writer_;
    const Statement no_statement_{};
    const CausalToken no_token_{};
    ReadWork reader_;
    CommitEvidence evidence_; // of the last attempt
};

} // namespace failover::postgres
