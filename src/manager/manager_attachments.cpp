// SPDX-License-Identifier: MIT
#include "manager_access.hpp"
#include "manager_impl.hpp"

// The database and the cache as parts of a manager.

namespace failover {

std::shared_ptr<Attachment> detail::ManagerAccess::attach(FailoverManager& manager,
                                                          const std::string& kind,
                                                          const MakeAttachment& make) {
    return manager.impl_->attach(kind, make);
}

std::shared_ptr<Attachment> FailoverManager::Impl::attach(const std::string& kind,
                                                          const detail::MakeAttachment& make) {
    const std::lock_guard one_at_a_time{change_mutex_};
    Config config;
    {
        const std::lock_guard lock{mutex_};
        if (stopping_) {
            throw Error{Failure{.code = make_error_code(Errc::not_running)}};
        }
        if (const auto found = attachments_.find(kind); found != attachments_.end()) {
            return found->second;
        }
        config = config_;
    }
    const AttachmentParts parts{
        .config = config,
        .log = log_,
        .metrics = metrics_,
        .events = events_,
        .resolver = runtime_->resolver,
        .calls = std::shared_ptr<CallRegistry>{runtime_, &runtime_->calls},
        .executor = runtime_->executor(),
        .on_manager_thread = [runtime = runtime_] { return runtime->on_own_thread(); }};
    std::shared_ptr<Attachment> made = make(parts);
    const std::lock_guard lock{mutex_};
    attachments_.emplace(kind, made);
    return made;
}

} // namespace failover
