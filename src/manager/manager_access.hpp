// SPDX-License-Identifier: MIT
#pragma once

#include <failover/engine/attachment.hpp>
#include <failover/manager.hpp>

#include <functional>
#include <memory>
#include <string>

namespace failover::detail {

using MakeAttachment = std::function<std::shared_ptr<Attachment>(const AttachmentParts&)>;

/// How the database and the cache become part of a manager.
struct ManagerAccess {
    /// The attachment of that kind; made by `make`, which may throw, when there is none yet. Throws
    /// Error with not_running after stop().
    /// Threads    safe.
    [[nodiscard]] static std::shared_ptr<Attachment> attach(FailoverManager& manager,
                                                            const std::string& kind,
                                                            const MakeAttachment& make);
};

} // namespace failover::detail
