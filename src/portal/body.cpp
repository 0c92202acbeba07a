#include "portal/body.hpp"

#include "json/reader.hpp"

namespace vestibule::portal {
namespace {

using json::Token;

constexpr json::Limits kLimits{kMaxBody, 4, 2048, 64, 32};

Error wrong(std::string_view name, std::string_view what) {
  std::string detail(name);
  return fail(Reason::invalid_argument, detail.append(": ").append(what));
}

// Names in errors come from the client: short and printable ones only.
std::string_view shown(std::string_view name) {
  if (name.size() > 32) return "a long name";
  for (const char c : name) {
    if (c < 0x21 || c > 0x7e) return "an unprintable name";
  }
  return name.empty() ? "an empty name" : name;
}

}  // namespace

Body::~Body() {
  for (Slot& s : slots_) {
    wipe(s.text);
    for (std::string& entry : s.list) wipe(entry);
  }
}

Result<Body> Body::parse(std::string_view text, const Fields& fields) {
  Body out;
  out.fields_ = &fields;
  out.slots_.resize(static_cast<std::size_t>(fields.end() - fields.begin()));
  json::Reader reader(text, kLimits);
  if (reader.next() == Token::error) return reader.error();
  if (reader.token() != Token::object_begin) return fail(Reason::body_not_json, "an object is expected");
  // The whole text is read before anything is said of its members: a defect may stand in the last byte.
  std::optional<Error> problem;
  const auto note = [&problem](Error e) {
    if (!problem) problem = std::move(e);
  };
  while (reader.next() == Token::key) {
    const std::string name(reader.text());
    const int at = fields.find(name);
    if (at < 0) {
      note(wrong(shown(name), "unknown member"));
      if (!reader.skip()) return reader.error();
      continue;
    }
    const Field& field = fields.begin()[at];
    Slot& s = out.slots_[static_cast<std::size_t>(at)];
    s.present = true;
    const Token token = reader.next();
    switch (field.type) {
      case Field::Type::text:
        if (token == Token::string) {
          s.text = reader.text();
        } else {
          note(wrong(name, "a string is expected"));
        }
        break;
      case Field::Type::integer:
        if (const auto n = token == Token::number ? reader.int64() : std::nullopt) {
          s.integer = *n;
        } else {
          note(wrong(name, "a whole number is expected"));
        }
        break;
      case Field::Type::list:
        if (token != Token::array_begin) {
          note(wrong(name, "a list of strings is expected"));
          break;
        }
        while (reader.next() == Token::string) {
          if (s.list.size() == kMaxList) {
            note(wrong(name, "too many entries"));
            continue;
          }
          s.list.emplace_back(reader.text());
        }
        if (reader.token() != Token::array_end && reader.token() != Token::error) {
          // Something else among the strings: read to the end of the list whatever it holds.
          note(wrong(name, "a list of strings is expected"));
          const unsigned outside = 1;
          while (reader.token() != Token::error && reader.depth() > outside) reader.next();
        }
        break;
    }
    if (reader.token() == Token::error) return reader.error();
    // A mistyped container is read to its end.
    if (field.type != Field::Type::list && (token == Token::object_begin || token == Token::array_begin) &&
        !reader.skip()) {
      return reader.error();
    }
    if (field.type == Field::Type::list && token == Token::object_begin && !reader.skip()) return reader.error();
  }
  if (reader.token() == Token::error) return reader.error();
  if (reader.next() != Token::end) return reader.error();
  if (problem) return std::move(*problem);
  if (reader.saw_nul()) return fail(Reason::invalid_argument, "no member may hold a NUL");
  for (std::size_t i = 0; i < out.slots_.size(); ++i) {
    const Field& field = fields.begin()[i];
    if (field.required && !out.slots_[i].present) return wrong(field.name, "missing");
  }
  return out;
}

const Body::Slot* Body::slot(std::string_view name) const noexcept {
  const int at = fields_ == nullptr ? -1 : fields_->find(name);
  if (at < 0) return nullptr;
  const Slot& s = slots_[static_cast<std::size_t>(at)];
  return s.present ? &s : nullptr;
}

std::string_view Body::text(std::string_view name) const noexcept {
  const Slot* const s = slot(name);
  return s == nullptr ? std::string_view{} : std::string_view(s->text);
}

std::optional<Secret> Body::optional_secret(std::string_view name) const {
  if (!has(name)) return std::nullopt;
  return secret(name);
}

std::optional<std::int64_t> Body::integer(std::string_view name) const noexcept {
  const Slot* const s = slot(name);
  return s == nullptr ? std::nullopt : std::optional(s->integer);
}

std::vector<std::string> Body::list(std::string_view name) const {
  const Slot* const s = slot(name);
  return s == nullptr ? std::vector<std::string>{} : s->list;
}

}  // namespace vestibule::portal
