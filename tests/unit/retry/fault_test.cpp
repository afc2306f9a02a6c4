// SPDX-License-Identifier: MIT
#include <failover/retry/fault.hpp>

#include <gtest/gtest.h>

#include <cerrno>
#include <string>

namespace fault_test {

using failover::Errc;
using failover::error_code;
using failover::fault_of;
using failover::FaultKind;
using failover::Phase;

class NamedCategory final : public boost::system::error_category {
public:
    explicit NamedCategory(const char* name) : name_{name} {}
    const char* name() const noexcept override { return name_; }
    std::string message(int) const override { return name_; }

private:
    const char* name_;
};

error_code system_error(int value) {
    return {value, boost::system::system_category()};
}

TEST(Fault, no_error_is_no_fault) {
    EXPECT_EQ(fault_of(error_code{}, Phase::done), FaultKind::none);
}

TEST(Fault, an_os_error_is_judged_by_how_far_the_attempt_came) {
    EXPECT_EQ(fault_of(system_error(ECONNREFUSED), Phase::connecting), FaultKind::connect);
    EXPECT_EQ(fault_of(system_error(ECONNRESET), Phase::handshaking), FaultKind::connect);
    EXPECT_EQ(fault_of(system_error(EPIPE), Phase::sending), FaultKind::reset);
    EXPECT_EQ(fault_of(system_error(ECONNRESET), Phase::waiting), FaultKind::reset);
    EXPECT_EQ(fault_of(system_error(ECONNRESET), Phase::receiving), FaultKind::reset);
}

TEST(Fault, time_that_ran_out_before_the_request_could_be_written_is_a_connect_fault) {
    for (const error_code& cause : {system_error(ETIMEDOUT), make_error_code(Errc::attempt_timeout),
                                    make_error_code(Errc::deadline_exceeded, true)}) {
        EXPECT_EQ(fault_of(cause, Phase::queued), FaultKind::timeout);
        EXPECT_EQ(fault_of(cause, Phase::connecting), FaultKind::connect);
        EXPECT_EQ(fault_of(cause, Phase::handshaking), FaultKind::connect);
        EXPECT_EQ(fault_of(cause, Phase::sending), FaultKind::timeout);
        EXPECT_EQ(fault_of(cause, Phase::waiting), FaultKind::timeout);
        EXPECT_EQ(fault_of(cause, Phase::receiving), FaultKind::timeout);
    }
}

TEST(Fault, a_cancelled_operation_is_cancelled_in_every_phase) {
    EXPECT_EQ(fault_of(system_error(ECANCELED), Phase::connecting), FaultKind::cancelled);
    EXPECT_EQ(fault_of(system_error(ECANCELED), Phase::receiving), FaultKind::cancelled);
    EXPECT_EQ(fault_of(make_error_code(Errc::not_running), Phase::queued), FaultKind::cancelled);
}

TEST(Fault, only_the_tls_library_itself_makes_a_handshake_failure_a_tls_fault) {
    const NamedCategory ssl{"asio.ssl"};
    const NamedCategory stream{"asio.ssl.stream"};
    const NamedCategory misc{"asio.misc"};
    EXPECT_EQ(fault_of(error_code{1, ssl}, Phase::handshaking), FaultKind::tls);
    EXPECT_EQ(fault_of(error_code{1, stream}, Phase::handshaking), FaultKind::connect);
    EXPECT_EQ(fault_of(error_code{1, misc}, Phase::handshaking), FaultKind::connect);
    EXPECT_EQ(fault_of(error_code{1, stream}, Phase::receiving), FaultKind::reset);
    EXPECT_EQ(fault_of(error_code{1, misc}, Phase::waiting), FaultKind::reset);
}

TEST(Fault, an_unknown_category_is_the_resolver_before_and_the_parser_after_connecting) {
    const NamedCategory other{"beast.http"};
    EXPECT_EQ(fault_of(error_code{1, other}, Phase::queued), FaultKind::resolve);
    EXPECT_EQ(fault_of(error_code{1, other}, Phase::receiving), FaultKind::bad_response);
}

TEST(Fault, own_codes_keep_their_meaning_and_their_execution_mark_does_not_matter) {
    const struct {
        Errc what;
        FaultKind fault;
    } rows[] = {
        {Errc::resolve_failed, FaultKind::resolve},
        {Errc::connect_failed, FaultKind::connect},
        {Errc::tls_failed, FaultKind::tls},
        {Errc::connection_lost, FaultKind::reset},
        {Errc::bad_response, FaultKind::bad_response},
        {Errc::response_too_large, FaultKind::too_large},
        {Errc::server_error, FaultKind::server_error},
        {Errc::overloaded, FaultKind::overloaded},
        {Errc::cancelled, FaultKind::cancelled},
        {Errc::queue_full, FaultKind::local_reject},
    };
    for (const auto& row : rows) {
        SCOPED_TRACE(to_string(row.what));
        EXPECT_EQ(fault_of(make_error_code(row.what, false), Phase::waiting), row.fault);
        EXPECT_EQ(fault_of(make_error_code(row.what, true), Phase::waiting), row.fault);
        EXPECT_EQ(error_of(row.fault), row.what);
    }
    EXPECT_EQ(error_of(FaultKind::timeout), Errc::attempt_timeout);
}

TEST(Fault, names_are_those_of_the_enumerators) {
    EXPECT_STREQ(to_string(FaultKind::none), "none");
    EXPECT_STREQ(to_string(FaultKind::server_error), "server_error");
    EXPECT_STREQ(to_string(FaultKind::local_reject), "local_reject");
}

} // namespace fault_test
