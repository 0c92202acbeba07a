#include "dialect/inspect_reply.hpp"

#include <algorithm>
#include <array>

#include "json/fold_guard.hpp"
#include "json/writer.hpp"

namespace vestibule::dialect {
namespace {

// Every key that decides where a client looks for a call or its text, of all protocols: a key that folds onto one
// reaches the same field in a client that matches without regard to case.
constexpr std::array<std::string_view, 44> kKnown{
    "choices",       "delta",       "message",         "content",       "tool_calls",   "function_call",  "function",
    "custom",        "name",        "arguments",       "input",         "index",        "type",           "id",
    "finish_reason", "call_id",     "item",            "response",      "output",       "output_index",   "content_index",
    "summary_index", "part",        "text",            "refusal",       "content_block", "partial_json",  "stop_reason",
    "done",          "done_reason", "error",           "thinking",      "reasoning",    "reasoning_content", "summary",
    "item_id",       "role",        "sequence_number", "status",        "annotation",   "logprobs",       "model",
    "usage",         "object"};

constexpr std::string_view kNoReason = "This tool call was refused.";

}  // namespace

std::string in_quotes(std::string_view text) {
  std::string out;
  json::append_string(out, text);
  return out;
}

Result<void> Reply::sound(const Tree& tree, Tree::At object) {
  static const json::FoldGuard guard(kKnown);
  for (Tree::At at = tree.first(object); at != Tree::kNone; at = tree.behind(at)) {
    const std::string_view key = tree.key(at);
    if (guard.check(key) == json::FoldGuard::kFolded) return unreadable("a key that differs from a known one by its letters' case only");
    if (key.find('\0') != std::string_view::npos) return unreadable("a key with a zero byte");
  }
  return {};
}

Reply::Begun* Reply::call_at(int a, int b) noexcept {
  const auto at = std::find_if(begun_.begin(), begun_.end(), [=](const Begun& c) { return c.a == a && c.b == b; });
  return at == begun_.end() ? nullptr : &*at;
}

Result<Reply::Begun*> Reply::begin_call(int a, int b, Arguments form) {
  if (begun_.size() >= limits_.calls) return fail(Reason::reply_too_large, "calls");
  Begun& call = begun_.emplace_back();
  call.a = a;
  call.b = b;
  call.unit = unit_;
  call.form = form;
  return &call;
}

Result<void> Reply::add_arguments(Begun& call, std::string_view more) const {
  if (call.call.arguments.size() + more.size() > limits_.arguments) return fail(Reason::reply_too_large, "arguments");
  call.call.arguments.append(more);
  return {};
}

Result<void> Reply::set_once(std::string& field, std::string_view value, std::string_view what) {
  if (value.empty()) return {};
  if (!field.empty() && field != value) return unreadable(what);
  field = value;
  return {};
}

Reply::Channel& Reply::channel(int a, int b, std::string_view kind) {
  for (Channel& c : channels_) {
    if (c.a == a && c.b == b && c.kind == kind) return c;
  }
  return channels_.emplace_back(Channel{a, b, kind, TextScan(limits_.arguments, limits_.depth)});
}

Result<void> Reply::add_piece(int a, int b, std::string_view kind, const Tree& tree, Tree::At at) {
  Channel& c = channel(a, b, kind);
  ++pieces_;
  piece_ = at;
  piece_channel_ = static_cast<std::size_t>(&c - channels_.data());
  return feed(c, tree.text(at));
}

Result<void> Reply::feed(Channel& c, std::string_view text) {
  if (channels_.size() > kChannels) return fail(Reason::reply_too_large, "texts");
  Result<void> fed = c.scan.feed(text, unit_);
  if (fed && c.scan.calls().size() > limits_.calls) return fail(Reason::reply_too_large, "calls");
  return fed;
}

bool Reply::open() const noexcept {
  if (!begun_.empty()) return true;
  return std::any_of(channels_.begin(), channels_.end(),
                     [](const Channel& c) { return c.scan.open() || !c.scan.calls().empty(); });
}

void Reply::follow(const Reply& before) {
  for (const Channel& c : before.channels_) {
    if (c.flowed > 0) channel(c.a, c.b, c.kind).scan.skip(c.flowed);
  }
}

void Reply::flowed() noexcept {
  flowed_unit_ = unit_;
  for (Channel& c : channels_) c.flowed = c.scan.size();
}

// What policy reads: one JSON value.
Result<void> Reply::settle(Begun& begun) const {
  ToolCall& call = begun.call;
  if (call.name.empty()) return unreadable("a call without a name");
  if (begun.form == Arguments::free_text) {
    call.arguments = in_quotes(call.arguments);
    return {};
  }
  if (call.arguments.empty()) call.arguments = "{}";
  Tree tree;
  Result<void> read = tree.read(call.arguments, limits_.depth);
  if (!read || tree.reaches_prototypes()) return unreadable("arguments that are no JSON, or are one thing to JavaScript and another to others");
  if (begun.form == Arguments::object && !tree.is_object(0)) return unreadable("arguments that are no object");
  return {};
}

Result<void> Reply::end() {
  for (Channel& c : channels_) {
    Result<void> read = c.scan.finish();
    if (!read) return read;
  }
  Result<void> texts = after_texts();
  if (!texts) return texts;
  if (!open()) return {};
  if (!calls_ended()) return unreadable("a call without an end");

  struct Place {
    std::size_t unit, order;
    const ToolCall* call;
    std::size_t* ruling;
  };
  std::vector<ToolCall> in_text;
  for (const Channel& c : channels_) {
    for (const TextCall& call : c.scan.calls()) in_text.push_back({{}, call.name, call.arguments, true});
  }
  if (begun_.size() + in_text.size() > limits_.calls) return fail(Reason::reply_too_large, "calls");
  std::vector<Place> places;
  Result<void> last = before_settling();
  if (!last) return last;
  for (Begun& b : begun_) {
    Result<void> settled = settle(b);
    if (!settled) return settled;
    places.push_back({b.unit, places.size(), &b.call, &b.ruling});
  }
  std::size_t next = 0;
  for (Channel& c : channels_) {
    c.rulings.resize(c.scan.calls().size());
    for (std::size_t i = 0; i < c.rulings.size(); ++i) places.push_back({c.scan.calls()[i].unit, places.size(), &in_text[next++], &c.rulings[i]});
  }
  std::sort(places.begin(), places.end(), [](const Place& x, const Place& y) { return x.unit != y.unit ? x.unit < y.unit : x.order < y.order; });
  for (const Place& place : places) {
    *place.ruling = calls_.size();
    calls_.push_back(*place.call);
  }
  return {};
}

Result<void> Reply::rule(std::span<const Ruling> rulings) {
  rulings_.assign(rulings.begin(), rulings.end());
  for (Ruling& r : rulings_) {
    if (r.why.empty()) r.why = kNoReason;
  }
  for (Channel& c : channels_) {
    c.written = c.flowed;
    const bool refused = std::any_of(c.rulings.begin(), c.rulings.end(), [this](std::size_t r) { return refusal(r) != nullptr; });
    if (refused && !writes(c.kind)) return unreadable("a call where no text is written anew");
  }
  return {};
}

std::size_t Reply::calls_left(int a) const noexcept {
  return static_cast<std::size_t>(
      std::count_if(begun_.begin(), begun_.end(), [&](const Begun& c) { return c.a == a && refusal(c) == nullptr; }));
}

std::string Reply::rewritten(const Channel& c, std::size_t from, std::string_view text) const {
  std::string out;
  std::size_t at = from;
  const std::size_t end = from + text.size();
  for (std::size_t i = 0; i < c.rulings.size(); ++i) {
    const TextCall& call = c.scan.calls()[i];
    const std::string* why = refusal(c.rulings[i]);
    if (why == nullptr || call.end <= at || call.begin >= end) continue;
    if (call.begin > at) out.append(text.substr(at - from, call.begin - at));
    if (call.begin >= from) out.append(*why);
    at = std::min(call.end, end);
  }
  return out.append(text.substr(at - from));
}

std::string Reply::rewritten(Channel& c, std::string_view text) const {
  std::string out = rewritten(c, c.written, text);
  c.written += text.size();
  return out;
}

}  // namespace vestibule::dialect
