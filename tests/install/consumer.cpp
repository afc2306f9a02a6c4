// SPDX-License-Identifier: MIT
// The smallest useful program: nobody listens there, so the one attempt provably sent nothing.
#include <failover/failover.hpp>

#include <iostream>

int main() {
    failover::FailoverManager manager{failover::parse_config(R"(
failover:
  providers:
    static:
      enabled: true
      endpoints: ["http://127.0.0.1:1"]
      health_check: { enabled: false }
      failover: { max_retries: 0, timeout: 5s }
)")};
    const failover::Result<failover::Response> r = manager.client().try_get("/");
    if (r || r.error() != failover::Condition::not_sent) {
        std::cerr << "expected an error that says not_sent\n";
        return 1;
    }
    std::cout << r.error() << '\n';
}
