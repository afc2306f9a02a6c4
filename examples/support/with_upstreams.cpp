// SPDX-License-Identifier: MIT
// with_upstreams [--down | --flap] PROGRAM: runs PROGRAM in a new directory that holds a
// config.yaml for the service "user-service" with three loopback upstreams, which live in this
// process.
//   --down   none of them listens
//   --flap   the first one is killed after half a second and comes back a second later
#include "toy_upstream.hpp"

#include <array>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <spawn.h>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace {

namespace fs = std::filesystem;

using Upstreams = std::array<toy::ToyUpstream, 3>;

/// A directory of its own below the system's one for temporary files, removed at the end.
class ScratchDirectory {
public:
    ScratchDirectory() {
        std::string name = (fs::temp_directory_path() / "failover-example-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr) {
            throw std::runtime_error{"cannot make a directory below " + name};
        }
        path_ = name;
    }
    ScratchDirectory(const ScratchDirectory&) = delete;
    ScratchDirectory& operator=(const ScratchDirectory&) = delete;
    ~ScratchDirectory() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    [[nodiscard]] const fs::path& path() const noexcept { return path_; }

private:
    fs::path path_;
};

void write_config(const fs::path& file, const Upstreams& upstreams) {
    std::ofstream out{file};
    out << "logging: {providers: {console: {level: warn, format: text}}}\n"
           "failover:\n  services:\n    user-service:\n      provider: static\n      endpoints:\n";
    for (const toy::ToyUpstream& upstream : upstreams) {
        out << "        - \"http://127.0.0.1:" << upstream.port() << "\"\n";
    }
    out << "      health_check: {path: /health, interval: 100ms, timeout: 100ms}\n"
           "      failover:\n"
           "        strategy: active-passive\n"
           "        timeout: 5s\n"
           "        attempt_timeout: 300ms\n"
           "        failback_after: 300ms\n"
           "        outlier: {base_ejection: 300ms}\n";
}

std::string environment_of(const Upstreams& upstreams) {
    std::string text;
    for (const toy::ToyUpstream& upstream : upstreams) {
        text += "127.0.0.1:" + std::to_string(upstream.port()) + ' ';
    }
    return text;
}

pid_t start(const fs::path& program, const fs::path& directory) {
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addchdir_np(&actions, directory.c_str());
    // A listening socket the program inherited would go on accepting after its upstream was killed.
    ::posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    std::string name = program.string();
    std::array<char*, 2> arguments{name.data(), nullptr};
    pid_t child = 0;
    const int error =
        ::posix_spawn(&child, name.c_str(), &actions, nullptr, arguments.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    if (error != 0) {
        throw std::system_error{error, std::generic_category(), name};
    }
    return child;
}

int run(std::string_view how, const fs::path& program) {
    Upstreams upstreams{toy::ToyUpstream{"users-1"}, toy::ToyUpstream{"users-2"},
                        toy::ToyUpstream{"users-3"}};
    const ScratchDirectory scratch;
    write_config(scratch.path() / "config.yaml", upstreams);
    ::setenv("USER_SERVICE", environment_of(upstreams).c_str(), 1);
    if (how == "--down") {
        for (toy::ToyUpstream& upstream : upstreams) {
            upstream.set(toy::Mode::down);
        }
    }
    const pid_t child = start(program, scratch.path());
    if (how == "--flap") {
        std::this_thread::sleep_for(std::chrono::milliseconds{500});
        upstreams[0].set(toy::Mode::down);
        std::this_thread::sleep_for(std::chrono::seconds{1});
        upstreams[0].set(toy::Mode::up);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

} // namespace

int main(int argc, char** argv) {
    const std::string_view how = argc == 3 ? argv[1] : "";
    if (argc != 2 && how != "--down" && how != "--flap") {
        std::cerr << "usage: with_upstreams [--down | --flap] PROGRAM\n";
        return 2;
    }
    try {
        return run(how, fs::absolute(argv[argc - 1]));
    } catch (const std::exception& e) {
        std::cerr << "with_upstreams: " << e.what() << '\n';
        return 1;
    }
}
