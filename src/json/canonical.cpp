#include "json/canonical.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <vector>

#include "json/writer.hpp"

namespace vestibule::json {
namespace {

// Order by UTF-16 code units (RFC 8785 section 3.2.3) of texts in UTF-8. It is the order of bytes,
// but that characters beyond U+FFFF (lead byte F0..F4), being surrogate pairs in UTF-16, come
// before U+E000..U+FFFF (lead bytes EE and EF).
bool utf16_less(std::string_view a, std::string_view b) noexcept {
  const auto [x, y] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  if (x == a.end() || y == b.end()) return x == a.end() && y != b.end();
  const auto c = static_cast<unsigned char>(*x);
  const auto d = static_cast<unsigned char>(*y);
  if (c >= 0xEE && d >= 0xEE && (c >= 0xF0) != (d >= 0xF0)) return c >= 0xF0;
  return c < d;
}

// U+FDD0..U+FDEF and the last two of each plane, in valid UTF-8.
bool has_noncharacter(std::string_view text) noexcept {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto at = [&](std::size_t k) { return static_cast<unsigned char>(text[i + k]); };
    if (at(0) < 0xEF) continue;
    if (at(0) == 0xEF) {
      if (at(1) == 0xB7 && at(2) >= 0x90 && at(2) <= 0xAF) return true;
      if (at(1) == 0xBF && at(2) >= 0xBE) return true;
    } else if ((at(1) & 0x0FU) == 0x0F && at(2) == 0xBF && at(3) >= 0xBE) {
      return true;
    }
  }
  return false;
}

// A decimal value: its significant digits and the place of the point. Equal iff the values are.
struct Decimal {
  std::string digits;
  std::int64_t point = 0;
  bool operator==(const Decimal&) const = default;
};

Decimal decimal(std::string_view number) {
  Decimal d;
  const std::size_t e = std::min(number.find_first_of("eE"), number.size());
  bool fraction = false;
  for (const char c : number.substr(0, e)) {
    if (c == '.') fraction = true;
    if (c < '0' || c > '9') continue;
    if (!d.digits.empty() || c != '0') {
      d.digits.push_back(c);
      if (!fraction) ++d.point;
    } else if (fraction) {
      --d.point;
    }
  }
  while (!d.digits.empty() && d.digits.back() == '0') d.digits.pop_back();
  if (e < number.size()) {
    std::string_view tail = number.substr(e + 1);
    if (tail.starts_with('+')) tail.remove_prefix(1);
    std::int64_t exponent = 0;
    std::from_chars(tail.data(), tail.data() + tail.size(), exponent);
    d.point += exponent;
  }
  return d;
}

// A member of an open object: the decoded key, and where `"key":value` stands in the output.
struct Written {
  std::string key;
  std::size_t begin;
  std::size_t end;
};

struct Frame {
  std::size_t begin;         // behind the bracket, in the output
  std::size_t first_member;  // in the list of members
};

// Writes the values in the order in which they come; an object's members are put in order at its
// end.
class Canonicalizer {
 public:
  Canonicalizer(std::string_view text, const Limits& limits) : reader_(text, limits) {
    out_.reserve(text.size());
  }

  Result<std::string> run() {
    for (;;) {
      const Token token = reader_.next();
      if (token == Token::error) return reader_.error();
      if (token == Token::end) return std::move(out_);
      const bool closes = token == Token::object_end || token == Token::array_end;
      if (!closes && comma_) out_.push_back(',');
      comma_ = true;
      switch (token) {
        case Token::object_begin:
        case Token::array_begin:
          out_.push_back(token == Token::object_begin ? '{' : '[');
          comma_ = false;
          frames_.push_back({out_.size(), members_.size()});
          break;
        case Token::object_end:
          sort_members();
          frames_.pop_back();
          out_.push_back('}');
          break;
        case Token::array_end:
          frames_.pop_back();
          out_.push_back(']');
          break;
        case Token::key:
        case Token::string: {
          const std::string_view text = reader_.text();
          if (has_noncharacter(text)) return refuse("a noncharacter");
          if (token == Token::key) {
            end_member();
            members_.push_back({std::string(text), out_.size(), 0});
          }
          append_string(out_, text);
          if (token == Token::key) {
            out_.push_back(':');
            comma_ = false;
          }
          break;
        }
        case Token::number:
          if (!put_number()) return refuse("a number that a double cannot hold exactly");
          break;
        case Token::boolean_true:
        case Token::boolean_false:
        case Token::null:
          out_ += reader_.raw();
          break;
        case Token::end:
        case Token::error:
          break;
      }
    }
  }

 private:
  // The current object's latest member reaches up to the comma that was just written, if any.
  void end_member() {
    if (members_.size() > frames_.back().first_member) members_.back().end = out_.size() - 1;
  }

  void sort_members() {
    const Frame frame = frames_.back();
    const auto first = members_.begin() + static_cast<std::ptrdiff_t>(frame.first_member);
    if (first == members_.end()) return;
    members_.back().end = out_.size();
    const auto less = [](const Written& a, const Written& b) { return utf16_less(a.key, b.key); };
    if (!std::is_sorted(first, members_.end(), less)) {
      std::sort(first, members_.end(), less);
      std::string sorted;
      sorted.reserve(out_.size() - frame.begin);
      for (auto m = first; m != members_.end(); ++m) {
        if (m != first) sorted.push_back(',');
        sorted.append(out_, m->begin, m->end - m->begin);
      }
      out_.replace(frame.begin, std::string::npos, sorted);
    }
    members_.erase(first, members_.end());
  }

  bool put_number() {
    constexpr double kMaxExact = 9007199254740991.0;
    const auto value = reader_.number();
    if (!value) return false;
    const std::size_t at = out_.size();
    append_number(out_, *value);
    return std::fabs(*value) <= kMaxExact ||
           decimal(std::string_view(out_).substr(at)) == decimal(reader_.raw());
  }

  Error refuse(std::string_view what) const {
    return fail(Reason::body_not_json, "json: offset " + std::to_string(reader_.begin_offset()) +
                                           ": not I-JSON: " + std::string(what));
  }

  Reader reader_;
  std::string out_;
  std::vector<Frame> frames_;
  std::vector<Written> members_;
  bool comma_ = false;
};

}  // namespace

Result<std::string> canonicalize(std::string_view text, const Limits& limits) {
  return Canonicalizer(text, limits).run();
}

}  // namespace vestibule::json
