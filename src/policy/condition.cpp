#include "policy/condition.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "json/fold_guard.hpp"

namespace vestibule::policy {
namespace {

constexpr bool letter_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }
constexpr bool bare(char c) { return letter_or_digit(c) || c == '_' || c == '-'; }
constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

Error wrong(std::string why) { return fail(Reason::invalid_argument, std::move(why)); }

// What stands in quotes at the front of `rest`, decoded and cut off; nothing if that is not well formed.
std::optional<std::string> take_quoted(std::string_view& rest) {
  std::string out;
  for (std::size_t i = 1; i < rest.size(); ++i) {
    if (rest[i] == '"') {
      rest.remove_prefix(i + 1);
      return out;
    }
    if (rest[i] == '\\') {
      ++i;
      if (i == rest.size() || (rest[i] != '"' && rest[i] != '\\')) return std::nullopt;
    }
    out.push_back(rest[i]);
  }
  return std::nullopt;
}

void append_escaped(std::string& out, std::string_view text) {
  out.push_back('"');
  for (const char c : text) {
    if (c == '"' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  out.push_back('"');
}

// A path from the root that every system reads alike: no empty, "." or ".." segment, none of ~ % \, no control
// character. One slash at the end is let pass.
bool plain_path(std::string_view path) noexcept {
  if (path.empty() || path.front() != '/' || path.find("//") != std::string_view::npos) return false;
  for (const char c : path) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '~' || c == '%' || c == '\\') return false;
  }
  if (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  while (path.size() > 1) {
    path.remove_prefix(1);
    const std::string_view segment = path.substr(0, path.find('/'));
    if (segment == "." || segment == "..") return false;
    path.remove_prefix(segment.size());
  }
  return true;
}

bool path_under(std::string_view path, std::string_view folder) noexcept {
  if (folder == "/" || path == folder) return true;
  return path.starts_with(folder) && path.substr(folder.size()).starts_with('/');
}

bool host_name(std::string_view host) noexcept {
  if (host.empty() || host.size() > 253) return false;
  while (true) {
    const std::string_view label = host.substr(0, host.find('.'));
    if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-') return false;
    if (!std::ranges::all_of(label, [](char c) { return letter_or_digit(c) || c == '-'; })) return false;
    if (label.size() == host.size()) return true;
    host.remove_prefix(label.size() + 1);
  }
}

// Of "anna@example.org" or "example.org" the host; empty where two readers may disagree about it: a list, a name
// beside it, quotes, a route, a second @.
std::string_view host_of(std::string_view text) noexcept {
  const std::size_t at = text.find('@');
  if (at != std::string_view::npos) {
    const std::string_view local = text.substr(0, at);
    static constexpr std::string_view kMore = ".+_-='#&*/";
    const auto usual = [](char c) { return letter_or_digit(c) || kMore.find(c) != std::string_view::npos; };
    if (local.empty() || !std::ranges::all_of(local, usual)) return {};
    text.remove_prefix(at + 1);
  }
  return host_name(text) ? text : std::string_view();
}

bool same_host(std::string_view a, std::string_view b) noexcept {
  return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

// `domain` is in lower case; with a dot before it, it stands for itself and all below.
bool host_in(std::string_view host, std::string_view domain) noexcept {
  if (domain.front() != '.') return same_host(host, domain);
  if (same_host(host, domain.substr(1))) return true;
  return host.size() > domain.size() && same_host(host.substr(host.size() - domain.size()), domain);
}

// Another key that some reader takes for this one: Go's by case, C's up to a NUL.
bool mistaken(std::string_view key, std::string_view known) noexcept {
  return json::folds_to(key, known) || key.find('\0') != std::string_view::npos;
}

Truth truth(bool holds) noexcept { return holds ? Truth::yes : Truth::no; }

}  // namespace

const std::array<Condition::Spelling, 9>& Condition::spellings() noexcept {
  static constexpr std::array<Spelling, 9> all = {{{"=", Op::equal}, {"!=", Op::unequal}, {"<", Op::less}, {"<=", Op::at_most},
                                                   {">", Op::more}, {">=", Op::at_least}, {"matches", Op::matches},
                                                   {"under", Op::under}, {"domain", Op::domain}}};
  return all;
}

Result<void> Condition::read_field(std::string_view& rest) {
  while (true) {
    std::string key;
    if (!rest.empty() && rest.front() == '"') {
      std::optional<std::string> quoted = take_quoted(rest);
      if (!quoted) return wrong("has a key whose quotes do not end, or another escape than \\\" and \\\\");
      key = std::move(*quoted);
    } else {
      const auto n = static_cast<std::size_t>(std::ranges::find_if_not(rest, bare) - rest.begin());
      key = rest.substr(0, n);
      rest.remove_prefix(n);
    }
    const bool ascii = std::ranges::all_of(key, [](char c) { return c >= 0x20 && c < 0x7f; });
    if (key.empty() || key.size() > kMaxKey || !ascii) {
      return wrong(fmt::format("needs a field first: keys of 1 to {} ASCII characters with dots between them, odd ones in quotes", kMaxKey));
    }
    field_.push_back(std::move(key));
    if (field_.size() > kMaxField) return wrong(fmt::format("has a field of more than {} keys", kMaxField));
    if (rest.empty() || rest.front() == ' ') return {};
    if (rest.front() != '.') return wrong("needs a space behind the field; odd keys stand in quotes");
    rest.remove_prefix(1);
  }
}

Result<void> Condition::read_literal(std::string_view value) {
  if (value == "true" || value == "false") {
    kind_ = Kind::boolean;
    boolean_ = value == "true";
    value_ = value;
    return {};
  }
  if (value.front() != '"') {
    const auto number = Decimal::parse(value);
    if (!number) return wrong("needs a number, true, false, or \"text\" in quotes behind its operator");
    kind_ = Kind::number;
    number_ = *number;
    value_ = value;
    return {};
  }
  std::optional<std::string> text = take_quoted(value);
  if (!text || !value.empty()) return wrong("has text whose quotes do not end where it ends, or another escape than \\\" and \\\\");
  value_ = std::move(*text);
  return {};
}

Result<void> Condition::read_value(std::string_view value) {
  switch (op_) {
    case Op::equal:
    case Op::unequal: return read_literal(value);
    case Op::less:
    case Op::at_most:
    case Op::more:
    case Op::at_least: {
      const auto number = Decimal::parse(value);
      if (!number) return wrong("needs a number behind its operator, spelt as in JSON");
      kind_ = Kind::number;
      number_ = *number;
      value_ = value;
      return {};
    }
    case Op::matches:
      glob_.emplace(value);
      value_ = glob_->text();
      return {};
    case Op::under:
      if (!plain_path(value)) return wrong("needs a folder such as /srv/data: from the root, without . and .. and //, none of ~ % \\");
      value_ = value;
      if (value_.size() > 1 && value_.back() == '/') value_.pop_back();
      if (value_.back() == ' ') return wrong("needs a folder whose name does not end in a space");
      return {};
    case Op::domain:
      if (!host_name(value.substr(value.front() == '.' ? 1 : 0))) return wrong("needs a host name such as example.org or .example.org");
      for (const char c : value) value_.push_back(lower(c));
      return {};
  }
  return wrong("has no operator");
}

Result<Condition> Condition::parse(std::string_view text) {
  Condition c;
  auto field = c.read_field(text);
  if (!field) return std::move(field).error();
  const auto skip = [&] { text.remove_prefix(std::min(text.find_first_not_of(' '), text.size())); };
  const auto word = [&] {
    skip();
    const std::string_view out = text.substr(0, text.find(' '));
    text.remove_prefix(out.size());
    skip();
    return out;
  };
  std::string_view op = word();
  if (op == "not") {
    c.negated_ = true;
    op = word();
  }
  const auto& all = spellings();
  const auto known = std::ranges::find_if(all, [&](const Spelling& s) { return s.text == op; });
  if (known == all.end()) return wrong("needs one of = != < <= > >= matches under domain behind its field, spaces around it");
  c.op_ = known->op;
  if (c.negated_ && c.op_ < Op::matches) return wrong("has a \"not\" that belongs before matches, under or domain");
  if (text.empty() || text.back() == ' ') return wrong("needs a value behind its operator, and no space at the end");
  auto value = c.read_value(text);
  if (!value) return std::move(value).error();
  c.write_text();
  return c;
}

void Condition::write_text() {
  for (const std::string& key : field_) {
    if (!text_.empty()) text_.push_back('.');
    if (std::ranges::all_of(key, bare)) {
      text_.append(key);
    } else {
      append_escaped(text_, key);
    }
  }
  text_.append(negated_ ? " not " : " ");
  for (const Spelling& s : spellings()) {
    if (s.op == op_) text_.append(s.text);
  }
  text_.push_back(' ');
  if (kind_ == Kind::text && op_ < Op::matches) {
    append_escaped(text_, value_);
  } else {
    text_.append(value_);
  }
}

bool Condition::compares(std::strong_ordering order) const noexcept {
  switch (op_) {
    case Op::equal: return order == 0;
    case Op::unequal: return order != 0;
    case Op::less: return order < 0;
    case Op::at_most: return order <= 0;
    case Op::more: return order > 0;
    case Op::at_least: return order >= 0;
    case Op::matches:
    case Op::under:
    case Op::domain: return false;
  }
  return false;
}

Truth Condition::holds_text(std::string_view value) const noexcept {
  if (op_ == Op::equal || op_ == Op::unequal) return truth((value == value_) == (op_ == Op::equal));
  if (value.size() > kMaxJudged) return Truth::unknown;
  bool is = false;
  if (op_ == Op::matches) {
    is = glob_->matches(value);
  } else if (op_ == Op::under) {
    if (!plain_path(value)) return Truth::unknown;
    is = path_under(value, value_);
  } else {
    const std::string_view host = host_of(value);
    if (host.empty()) return Truth::unknown;
    is = host_in(host, value_);
  }
  return truth(is != negated_);
}

Truth Condition::holds(json::Token token, json::Reader& reader) const {
  switch (kind_) {
    case Kind::boolean: {
      if (token != json::Token::boolean_true && token != json::Token::boolean_false) return Truth::unknown;
      return truth(((token == json::Token::boolean_true) == boolean_) == (op_ == Op::equal));
    }
    case Kind::number: {
      if (token != json::Token::number) return Truth::unknown;
      const auto number = Decimal::parse(reader.text());
      return number ? truth(compares(*number <=> number_)) : Truth::unknown;
    }
    case Kind::text: {
      if (token != json::Token::string) return Truth::unknown;
      const std::string_view value = reader.text();
      // C programs cut there: what they read is another text.
      return value.find('\0') == std::string_view::npos ? holds_text(value) : Truth::unknown;
    }
  }
  return Truth::unknown;
}

bool Condition::follows_from(const Condition& s) const noexcept {
  if (text_ == s.text_) return true;
  if (field_ != s.field_ || kind_ != s.kind_) return false;
  if (kind_ == Kind::number) {
    const std::strong_ordering than = s.number_ <=> number_;
    switch (op_) {
      case Op::more: return s.op_ == Op::more ? than >= 0 : (s.op_ == Op::at_least || s.op_ == Op::equal) && than > 0;
      case Op::at_least: return (s.op_ == Op::more || s.op_ == Op::at_least || s.op_ == Op::equal) && than >= 0;
      case Op::less: return s.op_ == Op::less ? than <= 0 : (s.op_ == Op::at_most || s.op_ == Op::equal) && than < 0;
      case Op::at_most: return (s.op_ == Op::less || s.op_ == Op::at_most || s.op_ == Op::equal) && than <= 0;
      case Op::equal: return s.op_ == Op::equal && than == 0;
      case Op::unequal:
      case Op::matches:
      case Op::under:
      case Op::domain: return false;
    }
    return false;
  }
  if (op_ != s.op_ || negated_ != s.negated_ || op_ < Op::matches) return false;
  const Condition& wide = negated_ ? s : *this;  // what is not in the wider one is not in the narrower one
  const Condition& narrow = negated_ ? *this : s;
  if (op_ == Op::matches) return wide.glob_->covers(*narrow.glob_);
  if (op_ == Op::under) return path_under(narrow.value_, wide.value_);
  const std::string_view host = std::string_view(narrow.value_).substr(narrow.value_.front() == '.' ? 1 : 0);
  return wide.value_.front() == '.' && host_in(host, wide.value_);
}

namespace {

// False if the arguments are no object that all readers agree about: then nothing that was read holds.
bool walk(const std::vector<Condition>& all, std::string_view arguments, std::span<Truth> each) {
  json::Reader reader(arguments);
  if (reader.next() != json::Token::object_begin) return false;
  // How many keys of each field the objects that are open now have named. Only those open for it alone count:
  // every other object or array makes the depth greater, and this not.
  std::array<std::uint8_t, kMaxConditions> reached{};
  std::array<bool, kMaxConditions> here{};
  std::array<bool, kMaxConditions> doubtful{};
  json::Token token = reader.next();
  for (; token != json::Token::end && token != json::Token::error; token = reader.next()) {
    const unsigned depth = reader.depth();
    if (token == json::Token::object_end && depth > 0) {
      for (auto& r : reached) r = static_cast<std::uint8_t>(std::min<unsigned>(r, depth - 1));
    }
    if (token != json::Token::key) continue;
    bool asked = false;
    const std::string_view key = reader.text();
    for (std::size_t i = 0; i < all.size(); ++i) {
      const auto& field = all[i].field();
      const bool inside = reached[i] + 1U == depth && field.size() >= depth;
      here[i] = inside && field[depth - 1] == key;
      doubtful[i] = doubtful[i] || (inside && mistaken(key, field[depth - 1]));
      asked |= here[i];
    }
    if (!asked) continue;
    token = reader.next();
    if (token == json::Token::error) return false;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (!here[i]) continue;
      if (all[i].field().size() == depth) {
        each[i] = all[i].holds(token, reader);
      } else if (token == json::Token::object_begin) {
        reached[i] = static_cast<std::uint8_t>(depth);
      }
    }
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (doubtful[i]) each[i] = Truth::unknown;
  }
  return token == json::Token::end;
}

}  // namespace

void judge(const std::vector<Condition>& all, std::string_view arguments, std::span<Truth> each) {
  std::ranges::fill(each, Truth::unknown);
  if (!walk(all, arguments, each)) std::ranges::fill(each, Truth::unknown);
}

Truth judge(const std::vector<Condition>& all, std::string_view arguments) {
  std::array<Truth, kMaxConditions> each{};
  const std::span<Truth> used(each.data(), std::min(all.size(), each.size()));
  judge(all, arguments, used);
  Truth out = Truth::yes;
  for (const Truth t : used) out = std::min(out, t);
  return out;
}

}  // namespace vestibule::policy
