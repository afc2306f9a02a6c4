// SPDX-License-Identifier: MIT
#include <failover/base/rng.hpp>
#include <failover/discovery/json_list.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace json_list_test {

using failover::Rng;
using failover::discovery::JsonList;
using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> elements(std::string_view text) {
    JsonList list{text};
    std::vector<std::string> all;
    while (list.next()) {
        all.emplace_back(list.element());
    }
    EXPECT_FALSE(list.malformed()) << text;
    return all;
}

/// Is it a list whose elements are JSON, each by itself?
bool accepted(std::string_view text) {
    JsonList list{text};
    while (list.next()) {
        if (!nlohmann::json::accept(list.element())) {
            return false;
        }
    }
    return !list.malformed();
}

TEST(JsonList, finds_the_elements) {
    EXPECT_THAT(elements("[]"), IsEmpty());
    EXPECT_THAT(elements(" [ \n] \t"), IsEmpty());
    EXPECT_THAT(elements("[1]"), ElementsAre("1"));
    EXPECT_THAT(elements(R"( [null , {"a":[1,{}]},"x",[ ], -1.5e3 ] )"),
                ElementsAre("null", R"({"a":[1,{}]})", R"("x")", "[ ]", "-1.5e3"));
}

TEST(JsonList, brackets_commas_and_quotes_in_strings_are_text) {
    EXPECT_THAT(elements(R"(["],[","\"]",{"}":"\\"}])"),
                ElementsAre(R"("],[")", R"("\"]")", R"({"}":"\\"})"));
}

TEST(JsonList, what_is_no_list_or_goes_on_behind_it_is_malformed) {
    using namespace std::string_literals;
    for (const std::string& text :
         {""s, "{}"s, "1"s, "["s, "[1"s, "[1,"s, "[1,]"s, "[,1]"s, "[1 2]"s, "[1]]"s, "[] x"s,
          "[\"a"s, "[\"\\"s, "[{]"s, "[]\0"s, "[1\0]"s,
          "[\xEF\xBB\xBF"
          "1]"s}) {
        EXPECT_FALSE(accepted(text)) << text;
    }
}

TEST(JsonList, agrees_with_the_parser_of_whole_texts_whatever_is_changed) {
    const std::string whole = R"([{"a":["x\"y",1,{"b":null}],"c":{}} , "t\\", [[]], 12.5, true])";
    Rng random{11};
    for (int i = 0; i < 50'000; ++i) {
        std::string text = whole;
        for (auto edits = 1 + random.below(3); edits > 0; --edits) {
            constexpr std::string_view bytes = "\"[]{},:\\ \n1atn\x7F\xC3";
            const std::size_t place = random.below(text.size());
            if (random.below(3) == 0) {
                text.erase(place, 1 + random.below(4));
                text += text.empty() ? "[" : "";
            } else {
                text[place] = bytes[random.below(bytes.size())];
            }
        }
        const nlohmann::json parsed = nlohmann::json::parse(text, nullptr, false);
        ASSERT_EQ(accepted(text), parsed.is_array()) << text;
    }
}

} // namespace json_list_test
