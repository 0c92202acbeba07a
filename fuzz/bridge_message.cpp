// What a tool server writes, and what is sent to one: lines are cut alike however they come; a message is taken
// for what another reading of its one line takes it for; an id changed and changed back is byte for byte the same.
#include <cstdint>
#include <string>
#include <vector>

#include "bridge/lines.hpp"
#include "bridge/message.hpp"
#include "require.hpp"

namespace bridge = vestibule::bridge;

namespace {

std::vector<std::string> cut(std::string_view text, std::size_t step) {
  bridge::Lines lines(256);
  std::vector<std::string> out;
  for (std::size_t i = 0; i < text.size(); i += step) {
    lines.add(text.substr(i, step));
    while (auto line = lines.next()) {
      require(line->size() <= 256 && line->find('\n') == std::string::npos);
      out.push_back(std::move(*line));
    }
  }
  if (lines.too_long()) out.push_back("too long\n");
  return out;
}

void one_message(std::string_view text) {
  const auto m = bridge::read_message(text);
  if (!m) return;
  for (const bridge::Place& p : {m->id, m->progress, m->cancels, m->subscription}) {
    require(p.begin <= p.end && p.end <= text.size() && p.end - p.begin <= bridge::kMaxId);
    require(p.empty() || bridge::is_id(p.in(text)));
  }
  require((m->kind == bridge::Message::Kind::notification) == m->id.empty());

  const std::string line = bridge::one_line(std::string(text));
  for (const std::string_view end : {"\n", "\r", "\xC2\x85", "\xE2\x80\xA8", "\xE2\x80\xA9"}) require(line.find(end) == std::string::npos);
  const auto again = bridge::read_message(line);
  require(again && again->kind == m->kind && again->method == m->method && again->failed == m->failed && again->code == m->code);

  const std::string there = bridge::changed(text, {{m->id, "4711"}, {m->progress, "4711"}, {m->cancels, "4711"}, {m->subscription, "4711"}});
  const auto changed = bridge::read_message(there);
  require(changed.has_value());
  require(changed->id.empty() || changed->id.in(there) == "4711");
  require(changed->progress.empty() == m->progress.empty() && changed->cancels.empty() == m->cancels.empty());
  const std::string back = bridge::changed(there, {{changed->id, m->id.in(text)},
                                                   {changed->progress, m->progress.in(text)},
                                                   {changed->cancels, m->cancels.in(text)},
                                                   {changed->subscription, m->subscription.in(text)}});
  require(back == text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::vector<std::string> whole = cut(text, size + 1);
  require(cut(text, 1) == whole && cut(text, 7) == whole);
  for (const std::string& line : whole) one_message(line);
  one_message(text);
  return 0;
}
