// SPDX-License-Identifier: MIT
#pragma once

/// Everything a user of the http component needs.

#include <failover/base/error.hpp>
#include <failover/base/event.hpp>
#include <failover/call_options.hpp>
#include <failover/client.hpp>
#include <failover/config/load.hpp>
#include <failover/discovery/provider.hpp>
#include <failover/manager.hpp>
#include <failover/message.hpp>
#include <failover/version.hpp>
