// SPDX-License-Identifier: MIT
// Cost of one pick for each strategy: time, allocations, and what a second thread adds.
#include "pairs.hpp"
#include "row.hpp"
#include <failover/select/picker.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

/// Of this thread; so cheap that the other rows do not notice.
thread_local std::uint64_t allocations = 0;

} // namespace

// Replaced for the whole program; new[] and the nothrow forms end here too. Not inlined, or g++ 12
// takes free() for the wrong partner of operator new.
[[gnu::noinline]] void* operator new(std::size_t size) {
    ++allocations;
    if (void* memory = std::malloc(size == 0 ? 1 : size)) {
        return memory;
    }
    throw std::bad_alloc{};
}
[[gnu::noinline]] void* operator new(std::size_t size, std::align_val_t alignment) {
    ++allocations;
    const auto unit = static_cast<std::size_t>(alignment);
    if (void* memory = std::aligned_alloc(unit, (size + unit - 1) / unit * unit)) {
        return memory;
    }
    throw std::bad_alloc{};
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
    std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t) noexcept {
    std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
    std::free(memory);
}

namespace failover::bench {
namespace {

constexpr Strategy strategies[] = {
    Strategy::round_robin,    Strategy::random,        Strategy::first,
    Strategy::active_passive, Strategy::active_active, Strategy::least_request,
    Strategy::weighted,       Strategy::peak_ewma,     Strategy::consistent_hash};

std::string row_name(Strategy strategy, std::size_t count) {
    std::string name = std::string{"pick_"} + to_string(strategy) + '_' + std::to_string(count);
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
}

/// Endpoints under a little load, as a service in use has them: measured, and a few calls each.
std::shared_ptr<const Picker> make_picker(Strategy strategy, std::size_t count, TimePoint now) {
    EndpointSet::Entries entries;
    for (std::size_t i = 0; i < count; ++i) {
        Endpoint endpoint{.id = "10.0.0.1:" + std::to_string(1024 + i),
                          .address = "10.0.0.1",
                          .port = static_cast<std::uint16_t>(1024 + i),
                          .weight = static_cast<std::uint32_t>(1 + i % 3)};
        auto node = std::make_shared<EndpointNode>();
        node->stats().record(std::chrono::microseconds{500 + i % 700}, false,
                             now - std::chrono::milliseconds{i % 997});
        for (std::size_t running = i % 4; running > 0; --running) {
            node->stats().begin();
        }
        entries.push_back({std::make_shared<const Endpoint>(std::move(endpoint)), std::move(node)});
    }
    return Picker::build(std::make_shared<const EndpointSet>(std::move(entries)),
                         {.strategy = strategy}, now);
}

/// What one thread picks with.
struct Hand {
    Lane lane;
    TriedSet tried;
    std::uint64_t key = 0;
    /// Keeps the optimiser from dropping a pick.
    std::uintptr_t sum = 0;
};

void pick_some(const Picker& picker, Hand& hand, std::uint64_t count, TimePoint now) {
    std::uintptr_t sum = 0;
    std::uint64_t key = hand.key;
    for (std::uint64_t i = 0; i < count; ++i) {
        key += 0x9E3779B97F4A7C15ULL; // far apart in the ring, and cheaper than hashing a string
        const Pick pick = picker.pick({.now = now, .hash = key, .tried = &hand.tried}, hand.lane);
        sum += reinterpret_cast<std::uintptr_t>(pick.entry);
    }
    hand.key = key;
    hand.sum += sum;
}

/// A slice that picks until its time is over, the clock read once in a while.
Slice picking(const Picker& picker, Hand& hand, TimePoint now) {
    return [&picker, &hand, now](BenchClock::time_point until) {
        constexpr std::uint64_t batch = 4096;
        std::uint64_t done = 0;
        do {
            pick_some(picker, hand, batch, now);
            done += batch;
        } while (BenchClock::now() < until);
        return done;
    };
}

/// Arithmetic on one thread's own numbers: what a second thread adds to this, the machine adds to
/// anything at best.
Slice counting(Hand& hand) {
    return [&hand](BenchClock::time_point until) {
        constexpr std::uint64_t batch = 16'384;
        std::uint64_t done = 0;
        do {
            for (std::uint64_t i = 0; i < batch; ++i) {
                hand.key = mix_hash(hand.key + i);
            }
            done += batch;
        } while (BenchClock::now() < until);
        return done;
    };
}

/// The same with four numbers that do not wait for each other, so that it keeps the units of a core
/// busy as picks do: what a second thread adds to this tells whether it has a core of its own.
Slice counting_wide(Hand& hand) {
    return [&hand](BenchClock::time_point until) {
        constexpr std::uint64_t batch = 16'384;
        std::uint64_t done = 0;
        std::uint64_t keys[4] = {hand.key, hand.key + 1, hand.key + 2, hand.key + 3};
        do {
            for (std::uint64_t i = 0; i < batch; ++i) {
                for (std::uint64_t& key : keys) {
                    key = mix_hash(key + i);
                }
            }
            done += batch;
        } while (BenchClock::now() < until);
        hand.key = keys[0] ^ keys[1] ^ keys[2] ^ keys[3];
        return done;
    };
}

double thread_seconds() {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

/// Operations a second of two threads together, started at the same moment.
double rate_of_two(const Slice& one, const Slice& other, std::chrono::milliseconds length) {
    std::atomic<int> ready{0};
    const auto run = [&](const Slice& work) {
        ready.fetch_add(1);
        while (ready.load() < 2) {
        }
        return rate(work, length);
    };
    double beside = 0;
    std::thread thread{[&] { beside = run(other); }};
    const double here = run(one);
    thread.join();
    return here + beside;
}

/// One strategy at one size, and what was measured of it.
struct Subject {
    Strategy strategy;
    std::size_t count;
    std::shared_ptr<const Picker> picker;
    std::unique_ptr<Hand> hands[2]{std::make_unique<Hand>(), std::make_unique<Hand>()};
    std::vector<double> nanoseconds{};
    std::vector<double> scaling{};
    std::vector<double> machine{};
    double allocations_per_pick = 0;
};

std::vector<Subject> make_subjects(TimePoint now) {
    std::vector<Subject> subjects;
    for (const Strategy strategy : strategies) {
        for (const std::size_t count : {3U, 100U, 10'000U}) {
            subjects.push_back({strategy, count, make_picker(strategy, count, now)});
            subjects.back().hands[0]->lane.seed(1);
            subjects.back().hands[1]->lane.seed(0x123456789ABCDEFULL);
        }
    }
    return subjects;
}

void count_allocations(Subject& subject, TimePoint now) {
    constexpr std::uint64_t picks = 100'000;
    const std::uint64_t before = allocations;
    pick_some(*subject.picker, *subject.hands[0], picks, now);
    subject.allocations_per_pick =
        static_cast<double>(allocations - before) / static_cast<double>(picks);
}

/// One thread, then two, right after each other: the ratio of a pair is free of the machine's mood.
/// The cost is the thread's own time, so that other programs do not count.
void measure(Subject& subject, TimePoint now, std::chrono::milliseconds length) {
    const Slice ours = picking(*subject.picker, *subject.hands[0], now);
    const Slice theirs = picking(*subject.picker, *subject.hands[1], now);
    const double before = thread_seconds();
    const auto start = BenchClock::now();
    const std::uint64_t done = ours(start + length);
    const std::chrono::duration<double> took = BenchClock::now() - start;
    const auto count = static_cast<double>(done);
    subject.nanoseconds.push_back(1e9 * (thread_seconds() - before) / count);
    subject.scaling.push_back(rate_of_two(ours, theirs, length) / (count / took.count()));

    const Slice plain = counting(*subject.hands[0]);
    const Slice beside = counting(*subject.hands[1]);
    const double alone = rate(plain, length / 4);
    subject.machine.push_back(rate_of_two(plain, beside, length / 4) / alone);
}

/// What the machine gives two threads that share nothing at all.
Row measure_machine(std::chrono::milliseconds length, int rounds) {
    Hand here;
    Hand beside;
    const Slice ours = counting_wide(here);
    const Slice theirs = counting_wide(beside);
    std::vector<double> scaling;
    for (int round = 0; round < rounds; ++round) {
        const double alone = rate(ours, length);
        scaling.push_back(rate_of_two(ours, theirs, length) / alone);
    }
    return {.name = "pick_machine_2t", .ours = median(scaling), .unit = "times", .goal = ""};
}

std::string goal_of(Strategy strategy) {
    return strategy == Strategy::consistent_hash ? "<= 100" : "<= 30";
}

} // namespace

std::vector<Row> run_pick_bench(bool quick) {
    const TimePoint now = Clock::now();
    const std::chrono::milliseconds length{quick ? 8 : 25};
    const int rounds = quick ? 7 : 15;
    std::vector<Subject> subjects = make_subjects(now);
    for (Subject& subject : subjects) {
        count_allocations(subject, now); // and warms it up
    }
    for (int round = 0; round < rounds; ++round) {
        for (Subject& subject : subjects) {
            measure(subject, now, length);
        }
    }
    std::vector<Row> rows;
    rows.push_back(measure_machine(length, rounds));
    for (const Subject& subject : subjects) {
        const std::string name = row_name(subject.strategy, subject.count);
        const double scaling = median(subject.scaling);
        const double machine = median(subject.machine);
        rows.push_back({.name = name,
                        .ours = median(subject.nanoseconds),
                        .unit = "ns",
                        .goal = goal_of(subject.strategy)});
        rows.push_back({.name = name + "_allocs",
                        .ours = subject.allocations_per_pick,
                        .unit = "a pick",
                        .goal = "0"});
        rows.push_back({.name = name + "_2t",
                        .ours = scaling,
                        .peer = machine,
                        .ratio = scaling / machine,
                        .unit = "times",
                        .goal = ">= 1.8"});
    }
    return rows;
}

} // namespace failover::bench
