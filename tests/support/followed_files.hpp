// SPDX-License-Identifier: MIT
#pragma once

#include "temp_dir.hpp"
#include <failover/manager.hpp>

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace failover::test {

/// A directory of files that change while a manager with a service "users" runs.
class FollowedFiles : public ::testing::Test {
protected:
    using Ids = std::vector<std::string>;

    /// Replaced, as an editor does it: nobody reads half of it.
    void write(const std::string& name, const std::string& text) const {
        std::ofstream{dir_ / (name + ".new")} << text;
        std::filesystem::rename(dir_ / (name + ".new"), dir_ / name);
    }
    [[nodiscard]] std::string path(const std::string& name) const { return (dir_ / name).string(); }

    static Ids ids(FailoverManager& manager) {
        Ids all;
        for (const Endpoint& endpoint : manager.endpoints("users")) {
            all.push_back(endpoint.id);
        }
        return all;
    }

    TempDir dir_;
};

} // namespace failover::test
