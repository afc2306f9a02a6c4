// SPDX-License-Identifier: MIT
#include "login.hpp"

#include <failover/engine/cache/resp.hpp>

#include <utility>

namespace failover::redis {

Login::Login(const Credentials& credentials) {
    using cache::resp;
    const std::string& password = credentials.password.reveal();
    if (!credentials.user.empty()) {
        add(Step::auth, resp({"AUTH", credentials.user, password}));
    } else if (!password.empty()) {
        add(Step::auth, resp({"AUTH", password}));
    }
    if (credentials.db != 0) {
        add(Step::select, resp({"SELECT", std::to_string(credentials.db)}));
    }
    add(Step::name, resp({"CLIENT", "SETNAME", "failover"}));
    add(Step::id, resp({"CLIENT", "ID"}));
    add(Step::info, resp({"INFO", "server"}));
}

void Login::add(Step step, std::string command) {
    steps_.push_back(step);
    commands_.push_back(std::move(command));
}

bool Login::take(const Reply& reply) {
    const Step step = steps_[taken_++];
    const bool refused = reply.type() == Reply::Type::error;
    switch (step) {
        case Step::auth:
        case Step::select:
            if (refused) {
                problem_ = reply.text();
            }
            return !refused;
        case Step::name:
            // Of use to people only, and a user may lack the right.
            return true;
        case Step::id:
            identity_.client_id = reply.integer();
            return true;
        case Step::info:
            if (refused && reply.text().starts_with("NOAUTH")) {
                problem_ = reply.text();
                return false;
            }
            identity_.run_id = info_field(reply.text(), "run_id");
            return true;
    }
    return true;
}

std::string info_field(const std::string& info, const std::string& name) {
    const std::string key = name + ':';
    for (std::size_t at = info.find(key); at != std::string::npos; at = info.find(key, at + 1)) {
        if (at == 0 || info[at - 1] == '\n') {
            const std::size_t begin = at + key.size();
            return info.substr(begin, info.find_first_of("\r\n", begin) - begin);
        }
    }
    return {};
}

} // namespace failover::redis
