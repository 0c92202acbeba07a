// The stream splitters: the same events however the stream is cut, and no byte lost or moved.
#include <cstdint>
#include <string>

#include "http/ndjson.hpp"
#include "http/sse.hpp"
#include "require.hpp"

using namespace vestibule::http;

namespace {

constexpr std::size_t kMax = 64;

struct Seen {
  std::string events, raws;
  bool ok = true;
};

Seen sse(std::string_view text, std::size_t piece) {
  SseSplitter splitter(kMax);
  Seen seen;
  const auto on = [&seen](const SseEvent& e) {
    require(!e.raw.empty() && e.raw.size() <= kMax && e.data.size() <= e.raw.size());
    seen.raws.append(e.raw);
    seen.events.append(e.name).append(e.has_data ? "\1" : "\2").append(e.data).append("\3");
  };
  for (std::size_t at = 0; at < text.size() && seen.ok; at += piece) {
    seen.ok = splitter.feed(std::string(text.substr(at, piece)), on);
  }
  splitter.finish(on);
  if (seen.ok) require(seen.raws + std::string(splitter.rest()) == text);
  return seen;
}

Seen ndjson(std::string_view text, std::size_t piece) {
  NdjsonSplitter splitter(kMax);
  Seen seen;
  const auto on = [&seen](std::string_view raw, std::string_view line) {
    require(raw.size() <= kMax && line.find('\n') == std::string_view::npos);
    seen.raws.append(raw);
    seen.events.append(line).append("\3");
  };
  for (std::size_t at = 0; at < text.size() && seen.ok; at += piece) {
    seen.ok = splitter.feed(std::string(text.substr(at, piece)), on);
  }
  splitter.finish(on);
  if (seen.ok) require(seen.raws == text);
  return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Seen a = sse(text, size + 1);
  const Seen b = ndjson(text, size + 1);
  for (const std::size_t piece : {std::size_t{1}, std::size_t{3}}) {
    const Seen c = sse(text, piece);
    require(c.ok == a.ok && c.events == a.events && c.raws == a.raws);
    const Seen d = ndjson(text, piece);
    require(d.ok == b.ok && d.events == b.events && d.raws == b.raws);
  }
  return 0;
}
