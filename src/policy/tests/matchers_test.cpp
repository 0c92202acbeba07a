#include "policy/glob.hpp"
#include "policy/hours.hpp"
#include "policy/network.hpp"
#include "policy/tests/world.hpp"

namespace vestibule::policy {
namespace {

using namespace test;

TEST(Glob, Table) {
  struct Row { const char* pattern; const char* text; bool match; };
  const Row rows[] = {
      {"*", "", true}, {"*", "abc", true}, {"a", "a", true}, {"a", "ab", false}, {"a", "", false}, {"?", "a", true},
      {"?", "", false}, {"?", "ab", false}, {"??", "ab", true}, {"a*", "a", true}, {"a*", "abc", true}, {"a*", "ba", false},
      {"*a", "a", true}, {"*a", "bca", true}, {"*a", "ab", false}, {"a*c", "abbc", true}, {"a*c", "ac", true},
      {"a*c", "acb", false}, {"*b*", "abc", true}, {"*b*", "ac", false}, {"a*b*c", "aXbYbZc", true}, {"a*b*c", "aXcYb", false},
      {"?*?", "ab", true}, {"?*?", "a", false}, {"*?*?", "ab", true}, {"**", "", true}, {"a**b", "ab", true},
      {"abcdefgh", "abcdefgh", true}, {"abcdefgh", "abcdefgi", false}, {"abcdefghi", "abcdefghj", false},
      {"abcdefghij*", "abcdefghijk", true}, {"abcdefghij*", "abcdefghik", false}, {"abcdefghij*", "abcdefgh", false},
      {"\xc3\xa9", "\xc3\xa9", true}, {"?", "\xc3\xa9", true}, {"??", "\xc3\xa9", false}, {"*?", "\xc3\xa9", true},
      {"*??", "\xc3\xa9", false}, {"a?b", "a\xe2\x82\xac" "b", true}, {"?", "\xff", true}, {"[ab]", "a", false},
      {"[ab]", "[ab]", true}, {"a.c", "abc", false}, {"A", "a", false}, {"tools/call:*", "tools/call:rm", true},
      {"*-70b", "llama-3-70b", true}, {"*-70b", "llama-3-70b-chat", false}, {"*aab", "aaaaaaab", true},
  };
  for (const Row& r : rows) EXPECT_EQ(Glob(r.pattern).matches(std::string_view(r.text)), r.match) << r.pattern << " on " << r.text;
  EXPECT_FALSE(Glob("a*").matches(std::string_view("\0a", 2)));
  EXPECT_FALSE(Glob("ab").matches(std::string_view("ab\0", 3)));
}

TEST(Glob, NoPatternIsSlow) {
  std::string pattern;
  for (int i = 0; i < 40; ++i) pattern += "*a";
  pattern += "*b";
  const std::string text(kMaxFact, 'a');
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(Glob(pattern).matches(std::string_view(text)));
  EXPECT_LT(std::chrono::steady_clock::now() - start, 2s);
}

// Whatever the inner pattern matches, the outer one does too: tried on all short names.
TEST(Glob, CoversIsSound) {
  std::vector<std::string> patterns = {""};
  const std::string alphabet = "ab?*";
  for (std::size_t from = 0, length = 0; length < 4; ++length) {
    const std::size_t to = patterns.size();
    for (; from < to; ++from) {
      for (const char c : alphabet) patterns.push_back(patterns[from] + c);
    }
  }
  std::vector<std::string> texts = {""};
  for (std::size_t from = 0, length = 0; length < 5; ++length) {
    const std::size_t to = texts.size();
    for (; from < to; ++from) {
      for (const char c : {'a', 'b', 'c'}) texts.push_back(texts[from] + c);
    }
  }
  std::vector<Glob> globs;
  std::vector<std::vector<bool>> matched;
  for (const auto& p : patterns) {
    globs.emplace_back(p);
    matched.emplace_back();
    for (const auto& t : texts) matched.back().push_back(globs.back().matches(std::string_view(t)));
  }
  std::size_t proved = 0;
  for (std::size_t i = 0; i < globs.size(); ++i) {
    for (std::size_t j = 0; j < globs.size(); ++j) {
      if (!globs[i].covers(globs[j])) continue;
      ++proved;
      for (std::size_t t = 0; t < texts.size(); ++t) {
        ASSERT_TRUE(!matched[j][t] || matched[i][t]) << patterns[i] << " covers " << patterns[j] << " but not " << texts[t];
      }
    }
  }
  EXPECT_GT(proved, patterns.size());
  EXPECT_TRUE(Glob("lab-*").covers(Glob("lab-a*")));
  EXPECT_TRUE(Glob("lab-*").covers(Glob("lab-7")));
  EXPECT_TRUE(Glob("*-?").covers(Glob("lab-?")));
  EXPECT_FALSE(Glob("lab-?").covers(Glob("lab-*")));
}

Hours hours_of(std::initializer_list<const char*> list) {
  Hours h;
  for (const char* e : list) {
    const auto added = h.add(e);
    EXPECT_TRUE(added) << e;
  }
  h.normalise();
  return h;
}

TEST(Hours, DaylightSavingAndNights) {
  struct Row { const char* name; const char* zone; const char* hours; const char* when; bool inside; };
  const Row rows[] = {
      {"winter opening", "Europe/Berlin", "Mon-Fri 08:00-18:00", "2026-11-23T07:00:00Z", true},
      {"winter, a second before", "Europe/Berlin", "Mon-Fri 08:00-18:00", "2026-11-23T06:59:59Z", false},
      {"winter, last second", "Europe/Berlin", "Mon-Fri 08:00-18:00", "2026-11-23T16:59:59Z", true},
      {"the end is outside", "Europe/Berlin", "Mon-Fri 08:00-18:00", "2026-11-23T17:00:00Z", false},
      {"summer opening", "Europe/Berlin", "Mon-Fri 08:00-18:00", "2026-07-20T06:00:00Z", true},
      {"summer, a second before", "Europe/Berlin", "Mon-Fri 08:00-18:00", "2026-07-20T05:59:59Z", false},
      // Berlin: forward on 2026-03-29 at 01:00Z (02:00 becomes 03:00)
      {"Berlin spring, before the gap", "Europe/Berlin", "Sun 01:00-02:00", "2026-03-29T00:59:59Z", true},
      {"Berlin spring, the gap is never", "Europe/Berlin", "Sun 02:00-03:00", "2026-03-29T01:00:00Z", false},
      {"Berlin spring, nor just before", "Europe/Berlin", "Sun 02:00-03:00", "2026-03-29T00:59:59Z", false},
      {"Berlin spring, after the gap", "Europe/Berlin", "Sun 03:00-04:00", "2026-03-29T01:00:00Z", true},
      {"Berlin spring, office on Monday", "Europe/Berlin", "Mon-Fri 08:00-18:00", "2026-03-30T06:00:00Z", true},
      {"Berlin spring, office on Friday before", "Europe/Berlin", "Mon-Fri 08:00-18:00", "2026-03-27T06:00:00Z", false},
      // Berlin: back on 2026-10-25 at 01:00Z (03:00 becomes 02:00)
      {"Berlin autumn, first 02:30", "Europe/Berlin", "Sun 02:00-03:00", "2026-10-25T00:30:00Z", true},
      {"Berlin autumn, second 02:30", "Europe/Berlin", "Sun 02:00-03:00", "2026-10-25T01:30:00Z", true},
      {"Berlin autumn, over", "Europe/Berlin", "Sun 02:00-03:00", "2026-10-25T02:00:00Z", false},
      // New York: forward on 2026-03-08 at 07:00Z, back on 2026-11-01 at 06:00Z
      {"New York spring, before", "America/New_York", "Sun 01:00-02:00", "2026-03-08T06:59:59Z", true},
      {"New York spring, the gap is never", "America/New_York", "Sun 02:00-03:00", "2026-03-08T07:00:00Z", false},
      {"New York spring, after", "America/New_York", "Sun 03:00-04:00", "2026-03-08T07:00:00Z", true},
      {"New York autumn, first 01:30", "America/New_York", "Sun 01:00-02:00", "2026-11-01T05:30:00Z", true},
      {"New York autumn, second 01:30", "America/New_York", "Sun 01:00-02:00", "2026-11-01T06:30:00Z", true},
      {"New York autumn, over", "America/New_York", "Sun 01:00-02:00", "2026-11-01T07:00:00Z", false},
      {"between the two changes New York is 5 h from Berlin", "America/New_York", "Mon-Fri 09:00-17:00", "2026-10-28T13:00:00Z", true},
      {"half hour zone", "Asia/Kolkata", "Mon 09:30-10:00", "2026-11-23T04:00:00Z", true},
      {"another day there", "Pacific/Auckland", "Tue 00:00-24:00", "2026-11-23T12:00:00Z", true},
      {"a far year", "Europe/Berlin", "Mon-Sun 08:00-18:00", "2150-07-20T06:00:00Z", true},
      {"before the epoch", "UTC", "Wed 23:00-24:00", "1969-12-31T23:59:59Z", true},
      // over midnight
      {"night, evening part", "UTC", "22:00-06:00", "2026-11-23T22:00:00Z", true},
      {"night, morning part", "UTC", "22:00-06:00", "2026-11-24T05:59:59Z", true},
      {"night is over", "UTC", "22:00-06:00", "2026-11-24T06:00:00Z", false},
      {"night of Friday, on Saturday morning", "UTC", "Fri 22:00-06:00", "2026-11-28T05:00:00Z", true},
      {"night of Friday, not on Friday morning", "UTC", "Fri 22:00-06:00", "2026-11-27T05:00:00Z", false},
      {"night of Sunday, on Monday morning", "UTC", "Sun 22:00-06:00", "2026-11-23T05:00:00Z", true},
      {"night of Sunday, not on Sunday morning", "UTC", "Sun 22:00-06:00", "2026-11-22T05:00:00Z", false},
      {"night ends at midnight", "UTC", "Sun 22:00-00:00", "2026-11-23T00:00:00Z", false},
      {"days over the week's end", "UTC", "Fri-Mon 10:00-11:00", "2026-11-23T10:30:00Z", true},
      {"and not between", "UTC", "Fri-Mon 10:00-11:00", "2026-11-24T10:30:00Z", false},
      {"list of days", "UTC", "Sat,Sun 10:00-11:00", "2026-11-22T10:30:00Z", true},
  };
  for (const Row& r : rows) {
    const auto zone = Zone::load(r.zone);
    ASSERT_TRUE(zone) << r.zone;
    EXPECT_EQ(hours_of({r.hours}).contains(zone->minute(at(r.when))), r.inside) << r.name;
  }
}

TEST(Hours, SayTheSameInOneWay) {
  using List = std::vector<std::string>;
  EXPECT_EQ(hours_of({"Mon-Fri 08:00-12:00", "Mon-Fri 12:00-18:00"}).entries(), List{"Mon-Fri 08:00-18:00"});
  EXPECT_EQ(hours_of({"22:00-06:00"}).entries(), (List{"00:00-06:00", "22:00-24:00"}));
  EXPECT_EQ(hours_of({"Sat,Sun 10:00-11:00", "Mon 10:00-11:00"}).entries(), List{"Mon,Sat,Sun 10:00-11:00"});
  EXPECT_TRUE(hours_of({"00:00-24:00"}).always());
  EXPECT_TRUE(hours_of({"18:00-08:00", "07:00-19:00"}).always());
  EXPECT_TRUE(hours_of({"Mon-Fri 08:00-18:00"}).covers(hours_of({"Tue 09:00-10:00", "Wed 17:00-18:00"})));
  EXPECT_FALSE(hours_of({"Mon-Fri 08:00-18:00"}).covers(hours_of({"Fri 17:00-18:01"})));
}

TEST(Networks, OneSpelling) {
  const auto of = [](std::initializer_list<const char*> list) {
    Networks n;
    for (const char* e : list) {
      const auto added = n.add(e);
      EXPECT_TRUE(added) << e;
    }
    n.normalise();
    return n;
  };
  using List = std::vector<std::string>;
  EXPECT_EQ(of({"10.1.0.0/16", "10.0.0.0/8", "unix"}).entries(), (List{"10.0.0.0/8", "unix"}));
  EXPECT_EQ(of({"::ffff:10.0.0.0/104"}).entries(), List{"10.0.0.0/8"});
  EXPECT_EQ(of({"2001:DB8:0::/32", "2001:db8::/32"}).entries(), List{"2001:db8::/32"});
  EXPECT_EQ(of({"192.0.2.7/32"}).entries(), List{"192.0.2.7"});
  EXPECT_TRUE(of({"0.0.0.0/0", "::/0", "unix"}).anywhere());
  EXPECT_FALSE(of({"0.0.0.0/0", "::/0"}).anywhere());
  EXPECT_TRUE(of({"10.0.0.0/8", "::1"}).covers(of({"10.2.0.0/16"})));
  EXPECT_FALSE(of({"10.2.0.0/16"}).covers(of({"10.0.0.0/8"})));
  EXPECT_FALSE(of({"::/0"}).covers(of({"10.0.0.0/8"})));
  EXPECT_FALSE(of({"0.0.0.0/0"}).covers(of({"unix"})));
}

}  // namespace
}  // namespace vestibule::policy
