// SPDX-License-Identifier: MIT
// The database's names, each used once. Nobody listens there, so nothing was executed.
#include <failover/db.hpp>

#include <iostream>
#include <string>

namespace {

template <class T>
bool says_not_sent(const failover::Result<T>& result) {
    if (result || result.error() != failover::Condition::not_sent) {
        std::cerr << "expected an error that says not_sent\n";
        return false;
    }
    std::cout << result.error() << '\n';
    return true;
}

} // namespace

int main() {
    failover::FailoverManager manager{failover::parse_config(R"(
database:
  providers:
    postgresql:
      primary: {url: "postgresql://user@127.0.0.1:1/database"}
      failover: {timeout: 300ms, max_retries: 0}
)")};
    const failover::FailoverDB db{manager};
    const bool holds =
        says_not_sent(db.try_exec("insert into t values ($1, $2)", 1, nullptr)) &&
        says_not_sent(db.try_query("select $1", std::string{"text"})) &&
        says_not_sent(db.try_transaction([](pqxx::work& work) { work.exec("select 1"); })) &&
        says_not_sent(db.try_token());
    return holds && db.topology().nodes.size() == 1 ? 0 : 1;
}
