// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>
#include <failover/engine/cache/answer.hpp>
#include <failover/engine/cache/link.hpp>
#include <failover/engine/cache/node.hpp>
#include <failover/engine/cache/timed_write.hpp>
#include <failover/engine/parked.hpp>
#include <failover/role/redis_reply.hpp>
#include <failover/role/write_quorum.hpp>

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace failover::cache {

/// One write at all nodes, until it is known whether it is acknowledged. What comes later is the
/// journals' matter.
/// Threads    safe.
class WriteJoin {
public:
    struct Outcome {
        bool acknowledged = false;
        /// Of the node that reads go to or, when that failed, of one that confirmed.
        Answer answer{};
        /// Some node may have executed it.
        bool written = false;
    };

    static constexpr const char* not_enough =
        "not confirmed by as many nodes as write_ack asks for";

    struct Plan {
        std::size_t nodes = 1;
        /// The node that reads go to.
        std::size_t lead = 0;
        WriteAck ack = WriteAck::any;
        /// Only that one executes it; the others delete.
        bool alone = false;
        /// Other processes read the key there too, while all is well.
        bool at_home = true;
    };

    explicit WriteJoin(const Plan& plan)
        : plan_{plan}, states_(plan.nodes, WriteState::pending), answers_(plan.nodes) {}
    WriteJoin(const WriteJoin&) = delete;
    WriteJoin& operator=(const WriteJoin&) = delete;
    virtual ~WriteJoin() = default;

    /// It ended at node `index`, or its time did.
    void settle(std::size_t index, Answer answer) noexcept {
        std::unique_lock lock{mutex_};
        if (decided_ || states_[index] != WriteState::pending) {
            return;
        }
        states_[index] = answer.good() ? WriteState::acked : WriteState::failed;
        written_ = written_ || answer.good() || (!answer.replied() && answer.written);
        answers_[index] = std::move(answer);
        // What the command itself is to blame for, no other node's word can mend.
        const bool final_refusal = index == plan_.lead && states_[index] == WriteState::failed &&
                                   (plan_.alone || its_own_fault(answers_[index]));
        const std::optional<bool> known =
            final_refusal ? std::optional{false}
                          : acknowledged(states_, plan_.lead, plan_.ack, plan_.at_home);
        if (known) {
            decided_ = true;
            acknowledged_ = *known;
            lock.unlock();
            decided(); // who waits may go on in there
        }
    }

    /// Who waits does not go on waiting: what has not ended counts as failed, and is treated so
    /// when it ends.
    void give_up() noexcept {
        {
            const std::lock_guard lock{mutex_};
            given_up_ = true;
        }
        for (std::size_t i = 0; i < plan_.nodes; ++i) {
            settle(i, Answer::late("not confirmed in time"));
        }
    }
    [[nodiscard]] bool given_up() {
        const std::lock_guard lock{mutex_};
        return given_up_;
    }

    /// Another node has confirmed. Its journal hears of it when the node that reads go to has
    /// ended, since until then a later write may overtake this one there.
    void confirmed_at(Node& node, const std::shared_ptr<const std::vector<std::string>>& keys) {
        bool replied = false;
        {
            const std::lock_guard lock{mutex_};
            if (!lead_ended_) {
                held_.emplace_back(&node, keys);
                return;
            }
            replied = lead_replied_;
        }
        confirm(node, *keys, replied);
    }
    /// The node that reads go to has ended. `replied`: it is there, and others who write are
    /// answered as this one was.
    void lead_ended(bool replied) {
        std::vector<std::pair<Node*, std::shared_ptr<const std::vector<std::string>>>> held;
        {
            const std::lock_guard lock{mutex_};
            lead_ended_ = true;
            lead_replied_ = replied;
            held.swap(held_);
        }
        for (const auto& [node, keys] : held) {
            confirm(*node, *keys, replied);
        }
    }
    [[nodiscard]] bool is_lead(const Node& node) const noexcept {
        return node.index() == plan_.lead;
    }

    /// Once decided.
    [[nodiscard]] Outcome outcome() {
        const std::lock_guard lock{mutex_};
        std::size_t from = plan_.lead;
        if (acknowledged_ && states_[from] != WriteState::acked) {
            for (std::size_t i = 0; i < states_.size(); ++i) {
                from = states_[i] == WriteState::acked ? i : from;
            }
        }
        return {acknowledged_, std::move(answers_[from]), written_};
    }

    [[nodiscard]] static bool its_own_fault(const Answer& answer) {
        return answer.is_error() &&
               judge_reply(answer.reply.text(), CommandClass::idempotent).attempt.outcome !=
                   OutcomeClass::retryable;
    }

protected:
    /// Once, with no lock held.
    virtual void decided() noexcept = 0;
    std::mutex mutex_;
    bool decided_ = false;

private:
    static void confirm(Node& node, const std::vector<std::string>& keys, bool lead_replied) {
        for (const std::string& key : keys) {
            lead_replied ? node.missed().confirm(key) : node.missed().confirm_for_now(key);
        }
    }

    const Plan plan_;
    std::vector<std::pair<Node*, std::shared_ptr<const std::vector<std::string>>>> held_;
    bool lead_ended_ = false;
    bool lead_replied_ = false;
    bool given_up_ = false;
    std::vector<WriteState> states_;
    std::vector<Answer> answers_;
    bool acknowledged_ = false;
    bool written_ = false;
};

/// For a thread that waits.
class BlockingJoin final : public WriteJoin {
public:
    using WriteJoin::WriteJoin;

    /// False: time is over. Aborting ends it through the nodes' links.
    bool wait_until(TimePoint until) {
        std::unique_lock lock{mutex_};
        return known_.wait_until(lock, until, [this] { return decided_; });
    }

private:
    void decided() noexcept override {
        const std::lock_guard lock{mutex_};
        known_.notify_all();
    }
    std::condition_variable known_;
};

/// For a coroutine that waits.
class AwaitedJoin final : public WriteJoin, public Parked {
public:
    AwaitedJoin(const asio::any_io_executor& executor, const Plan& plan)
        : WriteJoin{plan}, Parked{executor} {}

private:
    void decided() noexcept override { resume(); }
};

/// A write under way to one node. Whatever becomes of the call, the node's journal hears how it
/// ended there.
class Mutation final : public Command {
public:
    using Keys = std::shared_ptr<const std::vector<std::string>>;

    /// `begun`: the journal knows of it already.
    Mutation(std::shared_ptr<const void> keep, std::shared_ptr<WriteJoin> join, Node& node,
             Keys keys, bool begun, bool everything)
        : keep_{std::move(keep)},
          join_{std::move(join)},
          node_{node},
          keys_{std::move(keys)},
          begun_{begun},
          everything_{everything} {}

    void done(Answer&& answer) noexcept override {
        {
            const std::lock_guard lock{mutex_};
            ended_ = true; // nothing is begun from now on that nobody would end
        }
        const bool good = answer.good();
        // One that came too late says nothing of what others wrote.
        const bool replied = answer.replied() && !came_too_late(answer);
        if (good) {
            node_.succeeded();
        }
        const bool lead = join_->is_lead(node_);
        // What the server refused for the command's own sake changed nothing there.
        const bool unchanged = good || (lead && WriteJoin::its_own_fault(answer));
        if (expired_ || (begun_ && !lead && join_->given_up())) {
            // Others may have taken it for over, and written: it may have come after them.
            settle_journal(node_, *keys_, false, begun_, everything_);
        } else if (good && begun_ && !lead) {
            join_->confirmed_at(node_, keys_);
        } else {
            settle_journal(node_, *keys_, unchanged, begun_, everything_);
        }
        if (lead) {
            join_->lead_ended(replied);
        }
        report(node_, answer);
        join_->settle(node_.index(), std::move(answer));
    }
    /// From now on the caller may be told that another node has it: this one is not read meanwhile.
    void expired() noexcept override {
        {
            const std::lock_guard lock{mutex_};
            if (ended_) {
                return; // by another thread, while this one was on its way
            }
            expired_ = true;
            if (!begun_) {
                begun_ = true;
                for (const std::string& key : *keys_) {
                    node_.missed().begin(key, false);
                }
            }
        }
        join_->settle(node_.index(), Answer::late("not confirmed in time"));
    }

    static void settle_journal(Node& node, const std::vector<std::string>& keys, bool good,
                               bool begun, bool everything) {
        if (everything && !good) {
            node.missed().add_everything();
        }
        for (const std::string& key : keys) {
            if (begun) {
                good ? node.missed().confirm(key) : node.missed().fail(key);
            } else if (!good) {
                node.missed().add(key);
            }
        }
    }
    /// What a failure says of the node itself.
    static void report(Node& node, const Answer& answer) {
        if (answer.fault == FaultKind::none || answer.fault == FaultKind::cancelled ||
            answer.fault == FaultKind::local_reject ||
            answer.cause == boost::system::errc::connection_aborted) { // by this library itself
            return;
        }
        const bool refused = answer.cause == boost::system::errc::connection_refused;
        node.failed(refused, answer.problem());
    }

private:
    const std::shared_ptr<const void> keep_; // the nodes
    const std::shared_ptr<WriteJoin> join_;
    Node& node_;
    const Keys keys_;
    std::mutex mutex_;
    bool begun_;
    bool ended_ = false;
    bool expired_ = false;
    const bool everything_;
};

} // namespace failover::cache
