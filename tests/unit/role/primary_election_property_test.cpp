// SPDX-License-Identifier: MIT
// Random clusters against the election: what must hold whatever nodes do and however late their
// answers come.
#include <failover/base/rng.hpp>
#include <failover/role/primary_election.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

namespace primary_election_property_test {

using namespace std::chrono_literals;
using namespace failover;

constexpr std::size_t nodes = 3;
constexpr Duration lease = 3s;

/// Three servers that promote, step back and go read-only as they like, and a network that delivers
/// what they said much later and in any order.
class World {
public:
    explicit World(std::uint64_t seed)
        : dice_{seed},
          rule_{dice_.below(2) == 0 ? SplitBrainRule::refuse : SplitBrainRule::keep_current},
          floor_{dice_.below(3)},
          election_{{.lease = lease, .system_id = 77, .epoch = floor_, .split_brain = rule_}} {}

    void run(int steps) {
        for (int step = 0; step < steps && !::testing::Test::HasFailure(); ++step) {
            now_ += Duration{std::chrono::milliseconds{dice_.below(400)}};
            live();
            const ElectionChange change = event();
            judge(change);
        }
    }

    int written() const { return written_; }
    int fenced() const { return fenced_; }
    int split() const { return split_; }

private:
    struct Server {
        std::uint32_t timeline = 1;
        bool in_recovery = true;
        bool read_only = true;
        bool foreign = false;
    };
    struct Said {
        std::size_t node = 0;
        NodeReport report{};
    };
    /// What the election was told of a node, kept by other means.
    struct Known {
        std::optional<NodeReport> last{};
        std::optional<TimePoint> demoted{};
    };

    void live() {
        Server& server = servers_[dice_.below(nodes)];
        switch (dice_.below(12)) {
            case 0: // promoted: the next timeline of the one it followed, as two may be
                if (server.in_recovery) {
                    ++server.timeline;
                    server.in_recovery = server.read_only = false;
                }
                break;
            case 1: // rejoins some other server
                server = {.timeline = servers_[dice_.below(nodes)].timeline};
                break;
            case 2:
                server.read_only = server.in_recovery || dice_.below(2) == 0;
                break;
            case 3:
                server.foreign = dice_.below(8) == 0;
                break;
            default:
                break;
        }
    }

    ElectionChange event() {
        const std::size_t node = dice_.below(nodes);
        switch (dice_.below(10)) {
            case 0:
                return election_.tick(now_);
            case 1:
                return election_.lost(node, now_);
            case 2:
                known_[node].demoted = now_;
                return election_.demoted(node, now_);
            default:
                break;
        }
        for (int asked = 0; asked < 2; ++asked) {
            ask(dice_.below(nodes));
        }
        // Mostly the newest answer, now and then one that was long on its way.
        const std::size_t i = dice_.below(4) == 0
                                  ? dice_.below(static_cast<std::uint32_t>(under_way_.size()))
                                  : under_way_.size() - 1;
        const Said said = under_way_[i];
        under_way_.erase(under_way_.begin() + static_cast<std::ptrdiff_t>(i));
        return deliver(said);
    }

    void ask(std::size_t node) {
        const Server& server = servers_[node];
        under_way_.push_back({node,
                              {.system_id = server.foreign ? 88U : 77U,
                               .timeline = server.timeline,
                               .in_recovery = server.in_recovery,
                               .read_only = server.read_only,
                               .asked = now_,
                               .answered = now_}});
    }

    ElectionChange deliver(const Said& said) {
        Known& known = known_[said.node];
        const bool refuted =
            known.demoted && said.report.writable() && said.report.asked <= *known.demoted;
        if (!refuted && (!known.last || said.report.asked >= known.last->asked)) {
            known.last = said.report;
        }
        return election_.report(said.node, said.report, now_);
    }

    bool proven(const Known& known) const {
        return known.last && known.last->writable() && known.last->system_id == 77 &&
               now_ - known.last->asked <= lease &&
               !(known.demoted && known.last->asked <= *known.demoted);
    }

    void judge(const ElectionChange& change) {
        const std::uint32_t epoch = election_.epoch();
        EXPECT_GE(epoch, std::max(floor_, epoch_)) << "the epoch fell";
        EXPECT_EQ(change.epoch_changed, epoch != (epoch_ == 0 ? floor_ : epoch_));
        epoch_ = epoch;

        std::size_t may = 0;
        std::size_t contenders = 0;
        std::uint32_t newest = 0;
        for (std::size_t i = 0; i < nodes; ++i) {
            const Known& known = known_[i];
            if (known.last && known.last->system_id == 77) {
                newest = std::max(newest, known.last->timeline);
            }
            contenders += proven(known) && known.last->timeline == epoch ? 1U : 0U;
            if (!election_.may_write(i, now_)) {
                continue;
            }
            ++may;
            EXPECT_TRUE(proven(known)) << "written without a proof within the lease";
            EXPECT_EQ(known.last->timeline, epoch) << "written on a timeline with a successor";
            EXPECT_EQ(election_.role(i) == NodeRole::fenced, false);
        }
        EXPECT_LE(may, 1U) << "two primaries";
        EXPECT_LE(newest, epoch) << "a newer timeline was shown";
        if (contenders > 1) {
            EXPECT_TRUE(election_.split_brain());
        }
        if (election_.split_brain() && rule_ == SplitBrainRule::refuse) {
            EXPECT_EQ(may, 0U);
        }
        if (contenders == 1 && !election_.split_brain()) {
            EXPECT_EQ(may, 1U) << "the only proven node is not written";
        }
        judge_news(change);
        written_ += may != 0 ? 1 : 0;
    }

    /// Everything is told when it happens, and once.
    void judge_news(const ElectionChange& change) {
        EXPECT_EQ(change.primary_changed, election_.primary(now_) != primary_);
        primary_ = election_.primary(now_);
        EXPECT_EQ(change.split_brain_started, election_.split_brain() && !split_brain_);
        EXPECT_EQ(change.split_brain_ended, !election_.split_brain() && split_brain_);
        split_brain_ = election_.split_brain();
        EXPECT_EQ(change.fenced, !change.fenced_nodes.empty());
        for (std::size_t i = 0; i < nodes; ++i) {
            const bool is = election_.role(i) == NodeRole::fenced;
            const bool told =
                std::count(change.fenced_nodes.begin(), change.fenced_nodes.end(), i) != 0;
            EXPECT_EQ(told, is && !fenced_nodes_[i]);
            fenced_nodes_[i] = is;
            fenced_ += told ? 1 : 0;
        }
        split_ += change.split_brain_started ? 1 : 0;
    }

    Rng dice_;
    TimePoint now_{1000s};
    SplitBrainRule rule_;
    std::uint32_t floor_;
    PrimaryElection election_;
    std::array<Server, nodes> servers_{};
    std::array<Known, nodes> known_{};
    std::vector<Said> under_way_{};
    std::uint32_t epoch_ = 0;
    std::optional<std::size_t> primary_{};
    bool split_brain_ = false;
    std::array<bool, nodes> fenced_nodes_{};
    int written_ = 0;
    int fenced_ = 0;
    int split_ = 0;
};

TEST(PrimaryElectionProperties, hold_in_random_clusters) {
    int written = 0;
    int fenced = 0;
    int split = 0;
    for (std::uint64_t seed = 1; seed <= 2000; ++seed) {
        World world{seed};
        world.run(200);
        ASSERT_FALSE(HasFailure()) << "seed " << seed;
        written += world.written();
        fenced += world.fenced();
        split += world.split();
    }
    // All of it was seen often enough to mean something.
    EXPECT_GT(written, 20'000);
    EXPECT_GT(fenced, 2000);
    EXPECT_GT(split, 500);
}

} // namespace primary_election_property_test
