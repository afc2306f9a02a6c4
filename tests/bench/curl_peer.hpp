// SPDX-License-Identifier: MIT
#pragma once

#include "beast_peer.hpp"
#include "pairs.hpp"

#include <curl/curl.h>

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>

namespace failover::bench {

/// One libcurl easy handle in a loop: it keeps its connection between calls.
class CurlPeer {
public:
    explicit CurlPeer(std::uint16_t port) : curl_{::curl_easy_init()} {
        const std::string url = "http://127.0.0.1:" + std::to_string(port) + '/';
        ::curl_easy_setopt(curl_.get(), CURLOPT_URL, url.c_str());
        ::curl_easy_setopt(curl_.get(), CURLOPT_NOSIGNAL, 1L);
        ::curl_easy_setopt(curl_.get(), CURLOPT_TIMEOUT_MS, 3000L);
        ::curl_easy_setopt(curl_.get(), CURLOPT_WRITEFUNCTION, &append);
        ::curl_easy_setopt(curl_.get(), CURLOPT_WRITEDATA, &body_);
    }

    std::uint64_t run(BenchClock::time_point until) {
        std::uint64_t done = 0;
        while (BenchClock::now() < until) {
            body_.clear();
            if (::curl_easy_perform(curl_.get()) != CURLE_OK) {
                throw std::runtime_error{"libcurl: the call failed"};
            }
            require_answer(body_.size());
            ++done;
        }
        return done;
    }

private:
    static std::size_t append(char* data, std::size_t size, std::size_t count, void* to) {
        static_cast<std::string*>(to)->append(data, size * count);
        return size * count;
    }

    struct Cleanup {
        void operator()(CURL* curl) const noexcept { ::curl_easy_cleanup(curl); }
    };
    std::unique_ptr<CURL, Cleanup> curl_;
    std::string body_;
};

} // namespace failover::bench
