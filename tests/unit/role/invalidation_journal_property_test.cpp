// SPDX-License-Identifier: MIT
// Random operations on the journal against a model that remembers every single mutation.
#include <failover/base/rng.hpp>
#include <failover/role/invalidation_journal.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace invalidation_journal_property_test {

using namespace failover;

constexpr std::size_t max_keys = 6;

/// Every single reason why a key is dirty, numbered.
class Model {
public:
    struct Reason {
        int number = 0;
        TimePoint since{};
    };
    using Reasons = std::vector<Reason>;
    struct Key {
        /// One a mutation: is it ordered?
        std::vector<bool> under_way{};
        bool uncertain = false;
        Reasons dirty{};
    };

    void begin(const std::string& name, bool ordered) {
        Key& key = keys[name];
        key.under_way.push_back(ordered);
        if (key.under_way.size() > 1 &&
            std::find(key.under_way.begin(), key.under_way.end(), false) != key.under_way.end()) {
            key.uncertain = true;
        }
    }
    /// They end in the order they began.
    void end(const std::string& name, bool ok, TimePoint now) {
        Key& key = keys[name];
        key.under_way.erase(key.under_way.begin());
        bool dirty = !ok;
        if (key.under_way.empty()) {
            dirty = dirty || key.uncertain;
            key.uncertain = false;
        }
        if (dirty) {
            soil(name, now);
        }
    }
    void soil(const std::string& name, TimePoint now) {
        if (!everything.empty() && everything.back().number > flush_taken) {
            overflow(now);
            return;
        }
        keys[name].dirty.push_back({++count, now});
        if (depth() > max_keys) {
            overflow(now);
        }
    }
    void overflow(TimePoint now) {
        for (auto& [name, key] : keys) {
            everything.insert(everything.end(), key.dirty.begin(), key.dirty.end());
            key.dirty.clear();
        }
        everything.push_back({++count, now});
    }
    static void forget(Reasons& reasons, int up_to) {
        std::erase_if(reasons, [=](const Reason& reason) { return reason.number <= up_to; });
    }

    std::size_t depth() const {
        return static_cast<std::size_t>(std::count_if(
            keys.begin(), keys.end(), [](const auto& item) { return !item.second.dirty.empty(); }));
    }
    bool blocks(const std::string& name) const {
        const auto at = keys.find(name);
        return !everything.empty() ||
               (at != keys.end() && (!at->second.under_way.empty() || !at->second.dirty.empty()));
    }
    std::optional<TimePoint> oldest() const {
        std::optional<TimePoint> first;
        const auto see = [&](const Reasons& reasons) {
            for (const Reason& reason : reasons) {
                first = std::min(first.value_or(reason.since), reason.since);
            }
        };
        see(everything);
        for (const auto& [name, key] : keys) {
            see(key.dirty);
        }
        return first;
    }

    std::map<std::string, Key> keys{};
    Reasons everything{};
    int count = 0;
    int flush_taken = 0;
};

/// Both, told the same.
class Pair {
public:
    explicit Pair(std::uint64_t seed) : dice_{seed} {}

    void run(int steps) {
        for (int step = 0; step < steps && !::testing::Test::HasFailure(); ++step) {
            now_ += Duration{dice_.below(3)};
            act();
            compare();
        }
    }

    int overflows() const { return overflows_; }
    int cleaned() const { return cleaned_; }

private:
    std::string key() { return std::string(1, static_cast<char>('a' + dice_.below(10))); }

    void act() {
        const std::string name = key();
        switch (dice_.below(8)) {
            case 0:
            case 1: {
                const bool ordered = dice_.below(3) != 0;
                journal_.begin(name, ordered);
                model_.begin(name, ordered);
                break;
            }
            case 2:
            case 3:
                if (!model_.keys[name].under_way.empty()) {
                    const bool ok = dice_.below(3) != 0;
                    ok ? journal_.confirm(name, now_) : journal_.fail(name, now_);
                    model_.end(name, ok, now_);
                }
                break;
            case 4:
                if (dice_.below(30) == 0) {
                    journal_.add_everything(now_);
                    model_.overflow(now_);
                } else if (dice_.below(2) == 0) {
                    journal_.add(name, now_);
                    model_.soil(name, now_);
                }
                break;
            case 5:
                batch_ = journal_.take(1 + dice_.below(4));
                taken_ = model_.count;
                model_.flush_taken = batch_->everything ? taken_ : model_.flush_taken;
                break;
            default:
                if (batch_) {
                    journal_.confirmed(*batch_);
                    confirm_model();
                    batch_.reset();
                }
                break;
        }
    }

    void confirm_model() {
        for (auto& [name, key] : model_.keys) {
            if (batch_->everything || std::count(batch_->keys.begin(), batch_->keys.end(), name)) {
                cleaned_ += key.dirty.empty() ? 0 : 1;
                Model::forget(key.dirty, taken_);
            }
        }
        if (batch_->everything) {
            Model::forget(model_.everything, taken_);
        }
    }

    void compare() {
        ASSERT_EQ(journal_.overflowed(), !model_.everything.empty());
        overflows_ += journal_.overflowed() ? 1 : 0;
        bool idle = true;
        std::size_t under_way = 0;
        for (char c = 'a'; c < 'k'; ++c) {
            const std::string name(1, c);
            ASSERT_EQ(journal_.blocks(name), model_.blocks(name)) << name;
            idle = idle && !model_.blocks(name);
            under_way += model_.keys[name].under_way.size();
        }
        ASSERT_EQ(journal_.idle(), idle);
        ASSERT_EQ(journal_.under_way(), under_way);
        if (!journal_.overflowed()) {
            ASSERT_EQ(journal_.depth(), model_.depth());
        }
        const auto oldest = model_.oldest();
        ASSERT_EQ(journal_.oldest().has_value(), oldest.has_value());
        if (oldest) {
            ASSERT_LE(*journal_.oldest(), *oldest) << "too young";
        }
        ASSERT_LE(journal_.depth(), max_keys);
    }

    Rng dice_;
    TimePoint now_{};
    InvalidationJournal journal_{{.max_keys = max_keys}};
    Model model_{};
    std::optional<InvalidationJournal::Batch> batch_{};
    int taken_ = 0;
    int overflows_ = 0;
    int cleaned_ = 0;
};

TEST(InvalidationJournalProperty, agrees_with_a_model_that_remembers_everything) {
    int overflows = 0;
    int cleaned = 0;
    for (std::uint64_t seed = 1; seed <= 60 && !HasFailure(); ++seed) {
        SCOPED_TRACE(seed);
        Pair pair{seed};
        pair.run(1500);
        overflows += pair.overflows();
        cleaned += pair.cleaned();
    }
    EXPECT_GT(overflows, 100);
    EXPECT_GT(cleaned, 1000);
}

} // namespace invalidation_journal_property_test
