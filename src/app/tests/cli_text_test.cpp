#include "app/cli/text.hpp"

#include <gtest/gtest.h>

#include "app/cli/body.hpp"
#include "app/cli/client.hpp"
#include "app/cli/exit.hpp"
#include "app/cli/verifier_key.hpp"
#include "audit/note.hpp"

namespace vestibule::app::cli {
namespace {

TEST(CliText, CodesAreStrippedOfWhatPeopleType) {
  struct Row {
    const char* name;
    const char* typed;
    const char* code;
  };
  for (const Row& r : {Row{"plain", "123456", "123456"}, Row{"blank", "123 456", "123456"}, Row{"dashes", "abcd-efgh-ijkl", "abcdefghijkl"},
                       Row{"around", " \t123456\r\n", "123456"}, Row{"no-break blank", "123\u00a0456", "123456"},
                       Row{"en dash", "123\u2013456", "123456"}, Row{"nothing", " - ", ""},
                       Row{"letters stay", "12a456", "12a456"}, Row{"other digits stay", "\u0661", "\u0661"}}) {
    EXPECT_EQ(strip_code(r.typed), r.code) << r.name;
  }
}

TEST(CliText, NothingPrintedSteersTheTerminal) {
  EXPECT_EQ(printable("plain \u00fc \u4e2d"), "plain \u00fc \u4e2d");
  EXPECT_EQ(printable("\x1b[2Jgone"), "\\x1b[2Jgone");
  EXPECT_EQ(printable("a\nb\tc\rd"), "a\\x0ab\\x09c\\x0dd");
  EXPECT_EQ(printable("a\nb\tc\rd", Lines::many), "a\nb\tc\\x0dd");
  EXPECT_EQ(printable("\x7f"), "\\x7f");
  EXPECT_EQ(printable("\u009b31m"), "\\x9b31m");        // a one-byte CSI in disguise
  EXPECT_EQ(printable("\u202egnp"), "\\u{202e}gnp");    // right-to-left override
  EXPECT_EQ(printable("a\u200bb\u00adc\ufeff"), "a\\u{200b}b\\u{00ad}c\\u{feff}");
  EXPECT_EQ(printable("\U000E0041"), "\\u{e0041}");      // a tag: ASCII that nobody sees
  EXPECT_EQ(printable("\xff\xc3"), "\uFFFD\uFFFD");
  EXPECT_EQ(printable(std::string_view("\0", 1)), "\\x00");
}

TEST(CliText, Columns) {
  EXPECT_EQ(columns("abc"), 3U);
  EXPECT_EQ(columns("\u00fc"), 1U);
  EXPECT_EQ(columns("e\u0301"), 1U);
  EXPECT_EQ(columns("\u4e2d\u6587"), 4U);
  EXPECT_EQ(columns("\xff"), 1U);
}

TEST(CliText, Durations) {
  EXPECT_EQ(duration_text(-1), "0 s");
  EXPECT_EQ(duration_text(59), "59 s");
  EXPECT_EQ(duration_text(60), "1 min");
  EXPECT_EQ(duration_text(3600), "1 h");
  EXPECT_EQ(duration_text(5400), "1 h 30 min");
  EXPECT_EQ(duration_text(90000), "1 d 1 h");
}

TEST(CliText, Times) {
  EXPECT_EQ(time_text("2026-11-23T03:02:36Z"), "2026-11-23 03:02:36 UTC");
  EXPECT_EQ(time_text("2026-11-23T03:02:36.123456Z"), "2026-11-23 03:02:36 UTC");
  EXPECT_EQ(time_text(""), "");
  EXPECT_EQ(time_text("\x1b[0m"), "\\x1b[0m");
}

TEST(CliText, TablesLineUp) {
  Table t({"NAME", "X", "NOTE"});
  EXPECT_TRUE(t.empty());
  t.add({"maria", "1", "ok"});
  t.add({"\u4e2d", "22", ""});
  EXPECT_FALSE(t.empty());
  EXPECT_EQ(t.text(), "NAME   X   NOTE\nmaria  1   ok\n\u4e2d     22\n");
  EXPECT_EQ(t.text("<", ">"), "<NAME   X   NOTE>\nmaria  1   ok\n\u4e2d     22\n");
  Table hostile({"A"});
  hostile.add({"x\ny\x1b[1m"});
  EXPECT_EQ(hostile.text(), "A\nx\\x0ay\\x1b[1m\n");
  Table ragged({"A", "B"});
  ragged.add({"1"});
  ragged.add({"1", "2", "3"});
  EXPECT_EQ(ragged.text(), "A  B\n1\n1  2\n");
}

TEST(CliExit, StatusesAreTheSameForEveryCommand) {
  EXPECT_EQ(status(exit_for(Reason::ok)), 0);
  EXPECT_EQ(status(exit_for(Reason::policy_denied)), 1);
  EXPECT_EQ(status(exit_for(Reason::credential_missing)), 1);
  EXPECT_EQ(status(exit_for(Reason::code_wrong)), 1);
  EXPECT_EQ(status(exit_for(Reason::invalid_argument)), 2);
  EXPECT_EQ(status(exit_for(Reason::upstream_unreachable)), 3);
  EXPECT_EQ(status(exit_for(Reason::mfa_lapsed)), 4);
  EXPECT_EQ(status(exit_for(Reason::mfa_required)), 4);
  EXPECT_TRUE(wants_sign_in(Reason::session_idle));
  EXPECT_FALSE(wants_sign_in(Reason::mfa_lapsed));
}

TEST(CliBody, MembersInOrderEscapedReplaced) {
  Body b;
  EXPECT_EQ(b.text(), "{}");
  b.set("name", "a\"b").set_if("display", "").set("code", "1");
  b.set("roles", std::vector<std::string>{"member", "x\n"}).set("ttl_s", std::int64_t{60}).set("code", "2");
  EXPECT_EQ(b.text(), R"({"name":"a\"b","code":"2","roles":["member","x\n"],"ttl_s":60})");
}

TEST(CliClient, Urls) {
  const auto ok = Endpoint::from_url("http://localhost:8420");
  ASSERT_TRUE(ok);
  EXPECT_EQ(ok->authority, "localhost:8420");
  EXPECT_EQ(ok->address.port, 8420);
  EXPECT_FALSE(ok->tls);
  const auto v6 = Endpoint::from_url("http://[::1]:8420/");
  ASSERT_TRUE(v6);
  EXPECT_EQ(v6->address.host, "::1");
  const auto tls = Endpoint::from_url("https://models.example.org");
  ASSERT_TRUE(tls);
  EXPECT_TRUE(tls->tls);
  EXPECT_EQ(tls->address.port, 443);
  for (const char* bad : {"", "localhost:8420", "ftp://x", "http://models.example.org", "http://10.0.0.1:80", "https://a/b", "https://a?b",
                          "https://u@a", "http://", "https://a:0"}) {
    EXPECT_FALSE(Endpoint::from_url(bad)) << bad;
  }
}

TEST(CliClient, PercentEncoding) {
  EXPECT_EQ(percent_encode("maria-1._~"), "maria-1._~");
  EXPECT_EQ(percent_encode("a/b?c=d&e f"), "a%2Fb%3Fc%3Dd%26e%20f");
  EXPECT_EQ(percent_encode("\u00fc"), "%C3%BC");
}

TEST(CliVerifierKey, RoundTripAndRefusals) {
  const Bytes key(32, 7);
  const std::string text = audit::vkey("gw.example.org/audit", key);
  const auto parsed = parse_verifier_key(text + "\n");
  ASSERT_TRUE(parsed) << parsed.error().detail;
  EXPECT_EQ(parsed->name, "gw.example.org/audit");
  EXPECT_EQ(parsed->key, key);
  std::string other = text;
  other.replace(0, 2, "xx");  // the hash belongs to name and key
  EXPECT_FALSE(parse_verifier_key(other));
  for (const std::string& bad : {std::string(), std::string("a+b"), text.substr(0, text.size() - 4), "+" + text}) {
    EXPECT_FALSE(parse_verifier_key(bad)) << bad;
  }
}

}  // namespace
}  // namespace vestibule::app::cli
