// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

namespace failover {

/// May this statement, sent alone, commit more than once on its way, so that what came before an
/// error stays? Those that PostgreSQL runs outside of transaction blocks only, and blocks of code,
/// which may contain COMMIT. Told by its words, for the safe side: a statement that is not known is
/// one of them.
[[nodiscard]] inline bool may_commit_in_part(std::string_view sql) noexcept;

} // namespace failover

#include <failover/role/detail/partial_commit_words.hpp>
