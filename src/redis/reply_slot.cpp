// SPDX-License-Identifier: MIT
#include "reply_slot.hpp"

#include <boost/asio/error.hpp>

#include <hiredis/hiredis.h>
#include <hiredis/read.h>

#include <cstddef>
#include <cstdlib>
#include <exception>
#include <string>
#include <utility>
#include <vector>

namespace failover::redis {
namespace {

// More is taken for a broken server; the memory is taken before the elements have come.
constexpr std::size_t most_elements = std::size_t{1} << 20U;

/// Where the object of `task` is built: an element of its parent, or the slot.
Reply& place_of(const redisReadTask& task) {
    const redisReadTask* const parent = task.parent;
    if (parent == nullptr) {
        return static_cast<ReplySlot*>(task.privdata)->root().reply;
    }
    Reply& array = parent->parent == nullptr ? static_cast<ReplySlot::Root*>(parent->obj)->reply
                                             : *static_cast<Reply*>(parent->obj);
    return array.element(static_cast<std::size_t>(task.idx));
}

/// The reader's name for it; null: out of memory, which ends the connection.
void* put(const redisReadTask* task, Reply reply) noexcept {
    Reply& place = place_of(*task);
    place = std::move(reply);
    return task->parent == nullptr
               ? static_cast<void*>(&static_cast<ReplySlot*>(task->privdata)->root())
               : static_cast<void*>(&place);
}

Reply::Type type_of(int type) noexcept {
    switch (type) {
        case REDIS_REPLY_STATUS:
            return Reply::Type::status;
        case REDIS_REPLY_ERROR:
            return Reply::Type::error;
        default:
            return Reply::Type::text;
    }
}

void* make_string(const redisReadTask* task, char* text, std::size_t size) noexcept {
    try {
        return put(task, Reply{type_of(task->type), std::string{text, size}});
    } catch (const std::exception&) {
        return nullptr;
    }
}

void* make_array_of(const redisReadTask* task, std::size_t elements) noexcept {
    if (elements > most_elements) {
        return nullptr;
    }
    try {
        return put(task, Reply{std::vector<Reply>(elements)});
    } catch (const std::exception&) {
        return nullptr;
    }
}

#if HIREDIS_MAJOR >= 1
void* make_array(const redisReadTask* task, std::size_t elements) noexcept {
    return make_array_of(task, elements);
}
void* make_double(const redisReadTask* task, double, char* text, std::size_t size) noexcept {
    return make_string(task, text, size);
}
void* make_bool(const redisReadTask* task, int value) noexcept {
    return put(task, Reply{std::int64_t{value}});
}
#else
void* make_array(const redisReadTask* task, int elements) noexcept {
    return make_array_of(task, static_cast<std::size_t>(elements));
}
#endif

void* make_integer(const redisReadTask* task, long long value) noexcept {
    return put(task, Reply{static_cast<std::int64_t>(value)});
}

void* make_nil(const redisReadTask* task) noexcept {
    return put(task, Reply{});
}

void release(void* object) noexcept {
    static_cast<ReplySlot::Root*>(object)->reply = Reply{};
}

redisReplyObjectFunctions functions() noexcept {
    redisReplyObjectFunctions made{};
    made.createString = &make_string;
    made.createArray = &make_array;
    made.createInteger = &make_integer;
    made.createNil = &make_nil;
    made.freeObject = &release;
#if HIREDIS_MAJOR >= 1
    made.createDouble = &make_double;
    made.createBool = &make_bool;
#endif
    return made;
}

} // namespace

ReplySlot::ReplySlot() noexcept : root_{} {
    static char words[] = "a reply nobody asked for";
    root_.unasked.type = REDIS_REPLY_ERROR;
    root_.unasked.str = words;
    root_.unasked.len = sizeof words - 1;
}

void ReplySlot::serve(redisReader& reader) noexcept {
    static redisReplyObjectFunctions made = functions();
    reader.fn = &made;
    reader.privdata = this;
}

Reply& ReplySlot::of(void* reply) noexcept {
    return static_cast<Root*>(reply)->reply;
}

cache::Answer failure_of(int error, const char* text, int system, Phase phase, bool written) {
    cache::Answer answer;
    answer.phase = phase;
    answer.written = written;
    answer.text = text != nullptr ? text : "";
    switch (error) {
        case REDIS_ERR_EOF:
            answer.cause = boost::asio::error::eof;
            break;
        case REDIS_ERR_PROTOCOL:
        case REDIS_ERR_OOM:
            answer.cause = make_error_code(Errc::bad_response);
            answer.fault = FaultKind::bad_response;
            return answer;
        default:
            answer.cause = system != 0 ? error_code{system, boost::system::system_category()}
                                       : error_code{boost::asio::error::connection_reset};
            break;
    }
    answer.fault = phase == Phase::connecting ? FaultKind::connect : FaultKind::reset;
    return answer;
}

cache::Answer failure_of(const error_code& error, Phase phase, bool written) {
    return error == boost::asio::error::eof
               ? failure_of(REDIS_ERR_EOF, "Server closed the connection", 0, phase, written)
               : failure_of(REDIS_ERR_IO, "", error.value(), phase, written);
}

} // namespace failover::redis
