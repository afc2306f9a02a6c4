// SPDX-License-Identifier: MIT
// PostgreSQL with a primary and a standby: writes, reads, a transaction, and a read that is certain
// to see what was written before.
#include <failover/db.hpp>
#include <failover/failover.hpp>

#include <iostream>

int main() {
    failover::FailoverManager manager{"config.yaml"};
    try {
        failover::FailoverDB{manager}.exec(
            "create table account (id int primary key, cents bigint)");
        //[statements
        failover::FailoverDB db{manager}; // handles of one manager share connections
        db.exec("insert into account values ($1, $2), ($3, $4)", 1, 500, 2, 0);  // on the primary
        pqxx::result all = db.query("select count(*), sum(cents) from account"); // on a standby
        //]
        std::cout << all[0][0].c_str() << " accounts with " << all[0][1].c_str() << " cents\n";

        //[transaction
        // Run again as a whole while that is certainly not committed: no effect but through `work`.
        const auto left = db.transaction([](pqxx::work& work) {
            work.exec("update account set cents = cents + 100 where id = 2");
            return work
                .exec("update account set cents = cents - 100 where id = 1 returning cents")[0][0]
                .as<long>();
        });
        //]
        //[causal
        const failover::CausalToken written = db.token(); // to_string(): for another process
        const auto rows = db.query_after(written, "select cents from account where id = $1", 2);
        //]
        std::cout << left << " left, " << rows[0][0].c_str() << " arrived\n";
        //[failure
        const auto again = db.try_exec("insert into account values ($1, $2)", 1, 0);
        if (!again && again.error() == failover::Condition::maybe_executed) {
            std::cout << "look before writing again: " << again.error() << '\n';
        } else if (!again) { // not executed; sqlstate says why when the server refused it
            std::cout << "refused: " << again.error().sqlstate << '\n';
        }
        //]
    } catch (const failover::Error& e) {
        std::cerr << e.what() << '\n';
        return 1;
    }
}
