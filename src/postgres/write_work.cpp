// SPDX-License-Identifier: MIT
#include "write_work.hpp"

#include <failover/role/partial_commit.hpp>

#include <utility>

namespace failover::postgres {

Choice PrimaryChoice::choose(std::uint64_t excluded, TimePoint until, CallControl& control) {
    Cluster& cluster = database_.cluster();
    Node* primary = cluster.primary(Clock::now(), use_);
    Cluster::NoPrimary why;
    if (primary == nullptr) {
        primary = cluster.await_primary(until, control, slot_, why, use_);
    }
    if (primary == nullptr) {
        const bool late = why.why == Cluster::NoPrimary::Why::timed_out && Clock::now() >= until;
        return Choice{.node = nullptr,
                      .failure = PickFailure::none_usable,
                      .error = late ? Errc::deadline_exceeded : Errc::no_primary,
                      .detail = std::move(why.detail)};
    }
    if ((excluded >> primary->index & 1U) != 0) {
        return Choice{.node = nullptr, .failure = PickFailure::all_tried};
    }
    return Choice{.node = primary};
}

WriteWork::WriteWork(detail::Database& database, const Statement& statement, SessionMode mode,
                     PrimaryUse use)
    : SqlWork{mode},
      primary_{database, use},
      statement_{statement},
      kind_{may_commit_in_part(statement.sql) ? Work::in_parts : Work::write} {
    params_.reserve(statement.params.size());
    for (const SqlParam& param : statement.params) {
        params_.push_back(param ? param->c_str() : nullptr);
    }
}

void WriteWork::run(Session& session, Node&, Progress& progress) {
    progress = {kind_, true};
    static_cast<void>(session.take_unreplicated());
    pqxx::nontransaction work{session.connection()};
    result_ = exec_bound(work, statement_.sql, params_);
    refuse_unreplicated(session);
}

void refuse_unreplicated(Session& session) {
    if (session.take_unreplicated()) {
        throw pqxx::sql_error{
            "committed on this node, but no synchronous standby has confirmed it: "
            "its wait was cancelled",
            "COMMIT", "40003"};
    }
}

} // namespace failover::postgres
