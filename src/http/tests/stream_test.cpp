#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "http/ndjson.hpp"
#include "http/sse.hpp"

namespace vestibule::http {
namespace {

struct Seen {
  std::string events, raws;
  bool ok = true;
  bool operator==(const Seen&) const = default;
};

Seen split(const std::string& text, std::size_t piece, std::size_t max = 1000) {
  SseSplitter s(max);
  Seen seen;
  const auto on = [&](const SseEvent& e) {
    seen.raws.append(e.raw);
    seen.events.append("(")
        .append(e.name)
        .append(e.has_data ? ":" : "-")
        .append(e.data)
        .append(")");
  };
  for (std::size_t at = 0; at < text.size() && seen.ok; at += piece) {
    seen.ok = s.feed(std::string(text.substr(at, piece)), on);
  }
  s.finish(on);
  if (seen.ok) seen.raws.append("|").append(s.rest());
  return seen;
}

TEST(Sse, EventsHoweverTheStreamIsCut) {
  struct Row {
    std::string name, text, events;
  };
  for (const Row& r :
       std::vector<Row>{{"one", "data: x\n\n", "(:x)"},
                        {"two", "data: x\n\ndata: y\n\n", "(:x)(:y)"},
                        {"CRLF", "data: x\r\n\r\ndata: y\r\n\r\n", "(:x)(:y)"},
                        {"CR", "data: x\r\rdata: y\r\r", "(:x)(:y)"},
                        {"mixed", "data: x\r\n\ndata: y\n\rdata: z\r\r\n", "(:x)(:y)(:z)"},
                        {"name", "event: message_start\ndata: {}\n\n", "(message_start:{})"},
                        {"two lines of data", "data: a\ndata:b\n\n", "(:a\nb)"},
                        {"three lines of data", "data: a\ndata\ndata:  c\n\n", "(:a\n\n c)"},
                        {"comment", ": ping\n\ndata: x\n\n", "(-)(:x)"},
                        {"extra empty lines", "\n\ndata: x\n\n\n", "(-)(-)(:x)(-)"},
                        {"byte order mark",
                         "\xEF\xBB\xBF"
                         "data: x\n\n",
                         "(:x)"},
                        {"byte order mark later",
                         "data: x\n\n\xEF\xBB\xBF"
                         "data: y\n\n",
                         "(:x)(-)"},
                        {"unfinished", "data: x\n\ndata: y\n", "(:x)"},
                        {"unfinished line", "data: x\n\ndata: y", "(:x)"},
                        {"empty data", "data\n\n", "(:)"},
                        {"other fields", "id: 1\nretry: 5\nfoo: bar\ndata: x\n\n", "(:x)"},
                        {"last name wins", "event: a\nevent: b\ndata: x\n\n", "(b:x)"},
                        {"no field", "datax: y\n\n", "(-)"},
                        {"colon in the data", "data: {\"a\": 1}\n\n", "(:{\"a\": 1})"},
                        {"empty", "", ""}}) {
    SCOPED_TRACE(r.name);
    const Seen whole = split(r.text, r.text.size() + 1);
    EXPECT_EQ(whole.events, r.events);
    std::string raws = whole.raws;
    std::erase(raws, '|');
    EXPECT_EQ(raws, r.text) << "a byte was lost or moved";
    for (std::size_t piece = 1; piece <= r.text.size(); ++piece)
      EXPECT_EQ(split(r.text, piece), whole) << piece;
  }
}

TEST(Sse, StrictIsWhatAllReadAlike) {
  struct Row {
    std::string name, event;
    bool strict;
  };
  for (const Row& r : std::vector<Row>{{"all fields", "event: a\nid: 1\nretry: 5\n: c\ndata: {}\n", true},
                                       {"no values", "event\nid\nretry\ndata\n", true},
                                       {"nothing", "", true},
                                       {"CR", "id: 1\rdata: {}\r\n", true},
                                       {"no data", ": ping\n", true},
                                       {"two lines of data", "data: a\ndata: b\n", false},
                                       {"two lines, one empty", "data\ndata: {}\n", false},
                                       {"unknown", "foo: bar\n", false},
                                       {"unknown, no colon", "{}\n", false},
                                       {"another case", "Data: {}\n", false},
                                       {"a blank before", " data: {}\n", false},
                                       {"a blank behind", "data : {}\n", false},
                                       {"a blank line", " \ndata: {}\n", false},
                                       {"a brace in a comment", ": {\n", false},
                                       {"a brace in a name", "event: {\n", false},
                                       {"a brace in an id", "id:{}\n", false},
                                       {"unknown behind CR", "data: {}\r{}\n", false}}) {
    SCOPED_TRACE(r.name);
    SseSplitter s;
    int events = 0;
    EXPECT_TRUE(s.feed(r.event + "\n", [&](const SseEvent& e) {
      ++events;
      EXPECT_EQ(e.strict, r.strict);
    }));
    EXPECT_EQ(events, 1);
  }
}

TEST(Sse, LimitHoweverTheStreamIsCut) {
  const std::string text = "data: 0123456789\n\n";
  const std::string twice = text + text;
  for (std::size_t piece = 1; piece <= twice.size(); ++piece) {
    EXPECT_TRUE(split(twice, piece, text.size()).ok);
    EXPECT_FALSE(split(twice, piece, text.size() - 1).ok);
    EXPECT_FALSE(split("data: x\n\n" + std::string(100, 'a'), piece, 50).ok);
    EXPECT_EQ(split("data: x\n\n" + std::string(100, 'a'), piece, 50).events, "(:x)");
  }
}

TEST(Ndjson, LinesHoweverTheStreamIsCut) {
  struct Row {
    std::string name, text, lines;
  };
  for (const Row& r : std::vector<Row>{{"two", "{}\n{\"a\":1}\n", "({})({\"a\":1})"},
                                       {"CRLF", "a\r\nb\r\n", "(a)(b)"},
                                       {"empty line", "a\n\nb\n", "(a)()(b)"},
                                       {"no LF at the end", "a\nb", "(a)(b)"},
                                       {"CR inside", "a\rb\n", "(a\rb)"},
                                       {"empty", "", ""}}) {
    SCOPED_TRACE(r.name);
    for (std::size_t piece = 1; piece <= r.text.size() + 1; ++piece) {
      NdjsonSplitter s;
      std::string lines, raws;
      const auto on = [&](std::string_view raw, std::string_view line) {
        raws.append(raw);
        lines.append("(").append(line).append(")");
      };
      for (std::size_t at = 0; at < r.text.size(); at += piece)
        ASSERT_TRUE(s.feed(std::string(r.text.substr(at, piece)), on));
      s.finish(on);
      EXPECT_EQ(lines, r.lines);
      EXPECT_EQ(raws, r.text);
    }
  }
}

TEST(Ndjson, Limit) {
  const auto ignore = [](std::string_view, std::string_view) {};
  NdjsonSplitter s(4);
  EXPECT_TRUE(s.feed("abc\nabc\n", ignore));
  EXPECT_FALSE(s.feed("abcd\n", ignore));
  EXPECT_FALSE(s.feed("a\n", ignore));
  NdjsonSplitter t(4);
  EXPECT_TRUE(t.feed("abcd", ignore));
  EXPECT_FALSE(t.feed("e", ignore));
}

}  // namespace
}  // namespace vestibule::http
