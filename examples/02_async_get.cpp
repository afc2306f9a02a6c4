// SPDX-License-Identifier: MIT
//[program
#include <failover/failover.hpp>

#include <boost/asio.hpp>

#include <iostream>

boost::asio::awaitable<void> show(failover::FailoverClient users) {
    const auto r = co_await users.async_try_get("/users/42");
    std::cout << (r ? std::string{r->body()} : r.error().message()) << '\n';
}

int main() {
    boost::asio::io_context io;
    failover::FailoverManager manager{io.get_executor(), failover::load_config("config.yaml")};
    co_spawn(io, show(manager.client()), [&](std::exception_ptr) { manager.stop(); });
    io.run();
}
//]
