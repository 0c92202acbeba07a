#include "dialect/inspect_tree.hpp"

#include <algorithm>

namespace vestibule::dialect {

using json::Token;

namespace {

bool is_prototype(std::string_view key) noexcept { return key == "__proto__" || key == "prototype" || key == "constructor"; }

}  // namespace

Tree::Text Tree::keep(json::Reader& reader) {
  if (!reader.escaped()) {
    return {static_cast<std::uint32_t>(reader.begin_offset() + 1),
            static_cast<std::uint32_t>(reader.end_offset() - reader.begin_offset() - 2), false};
  }
  const auto at = static_cast<std::uint32_t>(decoded_.size());
  decoded_.append(reader.text());
  return {at, static_cast<std::uint32_t>(decoded_.size() - at), true};
}

Result<void> Tree::read(std::string_view text, unsigned depth) {
  text_ = text;
  decoded_.clear();
  nodes_.clear();
  open_.clear();
  newest_.clear();
  reaches_prototypes_ = false;
  json::Limits limits;
  limits.depth = depth;
  json::Reader reader(text, limits);
  Text key;
  for (;;) {
    const Token t = reader.next();
    switch (t) {
      case Token::error: return fail(Reason::reply_unreadable, reader.error().detail);
      case Token::end: return {};
      case Token::key:
        key = keep(reader);
        reaches_prototypes_ = reaches_prototypes_ || is_prototype(slice(key));
        continue;
      case Token::object_end:
      case Token::array_end:
        nodes_[open_.back()].end = static_cast<std::uint32_t>(reader.end_offset());
        nodes_[open_.back()].next = static_cast<At>(nodes_.size());
        open_.pop_back();
        newest_.pop_back();
        continue;
      case Token::object_begin:
      case Token::array_begin:
      case Token::string:
      case Token::number:
      case Token::boolean_true:
      case Token::boolean_false:
      case Token::null: break;
    }
    const auto at = static_cast<At>(nodes_.size());
    Node& node = nodes_.emplace_back();
    node.kind = t;
    node.begin = static_cast<std::uint32_t>(reader.begin_offset());
    node.end = static_cast<std::uint32_t>(reader.end_offset());
    node.next = at + 1;
    node.key = key;
    key = {};
    if (t == Token::string) node.text = keep(reader);
    if (!newest_.empty()) {
      if (newest_.back() != kNone) nodes_[newest_.back()].last = false;
      newest_.back() = at;
    }
    if (t == Token::object_begin || t == Token::array_begin) {
      open_.push_back(at);
      newest_.push_back(kNone);
    }
  }
}

int Tree::number(At at) const noexcept {
  if (at == kNone || kind(at) != Token::number || end(at) - begin(at) > 5) return -1;
  int value = 0;
  for (const char c : raw(at)) {
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  return value > 65535 ? -1 : value;
}

Tree::At Tree::find(At object, std::string_view name) const noexcept {
  if (!is_object(object)) return kNone;
  for (At at = first(object); at != kNone; at = behind(at)) {
    if (key(at) == name) return at;
  }
  return kNone;
}

std::string Edits::apply(std::string_view text, std::size_t begin, std::size_t end) const {
  std::vector<const Part*> order;
  for (const Part& part : parts_) {
    if (part.begin >= begin && part.end <= end) order.push_back(&part);
  }
  std::sort(order.begin(), order.end(), [](const Part* a, const Part* b) { return a->begin != b->begin ? a->begin < b->begin : a < b; });
  std::string out;
  for (const Part* part : order) {
    out.append(text.substr(begin, part->begin - begin)).append(part->by);
    begin = part->end;
  }
  return out.append(text.substr(begin, end - begin));
}

}  // namespace vestibule::dialect
