// SPDX-License-Identifier: MIT
#include "write_work.hpp"

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
    : SqlWork{mode}, primary_{database, use}, statement_{statement} {
    params_.reserve(statement.params.size());
    for (const SqlParam& param : statement.params) {
        params_.push_back(param ? param->c_str() : nullptr);
    }
}

void WriteWork::run(Session& session, Node&, Progress& progress) {
    progress = {Work::write, true};
    pqxx::nontransaction work{session.connection()};
    result_ = exec_bound(work, statement_.sql, params_);
}

} // namespace failover::postgres
