#include "json/reader.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace vestibule::json {
namespace {

// Below this many keys an object is searched key by key; above, it is sorted once at its end: no
// hash, so there is no input that makes it slow.
constexpr std::uint32_t kLinearKeys = 16;

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }
// Stands for itself inside a string and is one byte of UTF-8.
constexpr bool is_plain(char c) {
  const auto u = static_cast<unsigned char>(c);
  return u >= 0x20 && u < 0x80 && c != '"' && c != '\\';
}

// The first byte in [p, end) that is not plain, or end.
inline const char* plain_run(const char* p, const char* end) noexcept {
#ifdef __SSE2__
  const __m128i quote = _mm_set1_epi8('"');
  const __m128i backslash = _mm_set1_epi8('\\');
  const __m128i space = _mm_set1_epi8(0x20);
  while (end - p >= 16) {
    const __m128i x = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    // The comparison is signed: it finds controls and, as negative numbers, non-ASCII.
    const __m128i hit =
        _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(x, quote), _mm_cmpeq_epi8(x, backslash)),
                     _mm_cmplt_epi8(x, space));
    const auto mask = static_cast<unsigned>(_mm_movemask_epi8(hit));
    if (mask != 0) return p + std::countr_zero(mask);
    p += 16;
  }
#endif
  constexpr std::uint64_t kOnes = 0x0101010101010101ULL;
  constexpr std::uint64_t kHigh = 0x8080808080808080ULL;
  while (end - p >= 8) {
    std::uint64_t x = 0;
    std::memcpy(&x, p, 8);
    const std::uint64_t q = x ^ (kOnes * '"');
    const std::uint64_t b = x ^ (kOnes * '\\');
    // A borrow can mark a byte too many above a true hit, never one too few.
    if ((((x - kOnes * 0x20) | (q - kOnes) | (b - kOnes) | x) & kHigh) != 0) break;
    p += 8;
  }
  while (p < end && is_plain(*p)) ++p;
  return p;
}

// One character beyond ASCII (Unicode 15, table 3-7). Returns its end, or nothing if ill-formed.
inline const char* utf8_step(const char* p, const char* end) noexcept {
  const auto at = [p](std::ptrdiff_t i) { return static_cast<unsigned char>(p[i]); };
  const auto tail = [&](std::ptrdiff_t i) { return (at(i) & 0xC0U) == 0x80U; };
  const unsigned char lead = at(0);
  const std::ptrdiff_t left = end - p;
  if (lead < 0xC2) return nullptr;
  if (lead < 0xE0) return left >= 2 && tail(1) ? p + 2 : nullptr;
  if (lead < 0xF0) {
    if (left < 3 || !tail(1) || !tail(2)) return nullptr;
    if ((lead == 0xE0 && at(1) < 0xA0) || (lead == 0xED && at(1) > 0x9F)) return nullptr;
    return p + 3;
  }
  if (lead > 0xF4 || left < 4 || !tail(1) || !tail(2) || !tail(3)) return nullptr;
  if ((lead == 0xF0 && at(1) < 0x90) || (lead == 0xF4 && at(1) > 0x8F)) return nullptr;
  return p + 4;
}

constexpr int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The four hexadecimal digits at p, or -1.
int hex4(const char* p, const char* end) noexcept {
  if (end - p < 4) return -1;
  int value = 0;
  for (int i = 0; i < 4; ++i) {
    const int digit = hex_digit(p[i]);
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}
constexpr bool is_high(int unit) { return unit >= 0xD800 && unit <= 0xDBFF; }
constexpr bool is_low(int unit) { return unit >= 0xDC00 && unit <= 0xDFFF; }

void append_utf8(std::string& out, unsigned cp) {
  const auto put = [&out](unsigned byte) { out.push_back(static_cast<char>(byte)); };
  if (cp < 0x80) {
    put(cp);
  } else if (cp < 0x800) {
    put(0xC0U | (cp >> 6U));
    put(0x80U | (cp & 0x3FU));
  } else if (cp < 0x10000) {
    put(0xE0U | (cp >> 12U));
    put(0x80U | ((cp >> 6U) & 0x3FU));
    put(0x80U | (cp & 0x3FU));
  } else {
    put(0xF0U | (cp >> 18U));
    put(0x80U | ((cp >> 12U) & 0x3FU));
    put(0x80U | ((cp >> 6U) & 0x3FU));
    put(0x80U | (cp & 0x3FU));
  }
}

// Appends what stands between the quotes, which scan_string() has validated.
void append_decoded(std::string& out, std::string_view inner) {
  const char* p = inner.data();
  const char* const end = p + inner.size();
  while (p < end) {
    const void* found = std::memchr(p, '\\', static_cast<std::size_t>(end - p));
    const char* slash = found == nullptr ? end : static_cast<const char*>(found);
    out.append(p, slash);
    if (slash == end) return;
    p = slash + 2;
    switch (slash[1]) {
      case 'b':
        out.push_back('\b');
        break;
      case 'f':
        out.push_back('\f');
        break;
      case 'n':
        out.push_back('\n');
        break;
      case 'r':
        out.push_back('\r');
        break;
      case 't':
        out.push_back('\t');
        break;
      case 'u': {
        auto cp = static_cast<unsigned>(hex4(p, end));
        p += 4;
        if (is_high(static_cast<int>(cp))) {
          const auto low = static_cast<unsigned>(hex4(p + 2, end));
          cp = 0x10000U + ((cp - 0xD800U) << 10U) + (low - 0xDC00U);
          p += 6;
        }
        append_utf8(out, cp);
        break;
      }
      default:
        out.push_back(slash[1]);  // quote, backslash, slash
    }
  }
}

// Eight bytes that, together with the length, tell keys of up to eight bytes apart.
std::uint64_t key_prefix(std::string_view key) noexcept {
  const char* p = key.data();
  if (key.size() >= 8) {
    std::uint64_t v = 0;
    std::memcpy(&v, p, 8);
    return v;
  }
  if (key.size() >= 4) {
    std::uint32_t a = 0;
    std::uint32_t b = 0;
    std::memcpy(&a, p, 4);
    std::memcpy(&b, p + key.size() - 4, 4);
    return (std::uint64_t{a} << 32U) | b;
  }
  if (key.empty()) return 0;
  const auto at = [&](std::size_t i) { return std::uint64_t{static_cast<unsigned char>(p[i])}; };
  return (at(0) << 16U) | (at(key.size() / 2) << 8U) | at(key.size() - 1);
}

}  // namespace

Reader::Reader(std::string_view text, const Limits& limits) noexcept
    : input_(text), p_(text.data()), limit_(text.data() + text.size()), limits_(limits) {
  keys_ = few_keys_.data();
  key_capacity_ = static_cast<std::uint32_t>(few_keys_.size());
  limits_.depth = std::min(limits_.depth, kMaxDepth);
  limits_.bytes = std::min<std::size_t>(limits_.bytes, kDecoded - 1);
  if (text.size() > limits_.bytes) {
    fail(p_, "the text is too long");
  } else if (text.starts_with("\xEF\xBB\xBF")) {
    fail(p_, "byte order mark");
  }
}

Token Reader::fail(const char* at, const char* message) noexcept {
  error_offset_ = static_cast<std::size_t>(at - input_.data());
  begin_ = end_ = error_offset_;
  message_ = message;
  state_ = State::done;
  return token_ = Token::error;
}

Error Reader::error() const {
  if (message_ == nullptr) return vestibule::fail(Reason::internal, "json: no error");
  return vestibule::fail(Reason::body_not_json,
                         "json: offset " + std::to_string(error_offset_) + ": " + message_);
}

inline void Reader::skip_space() noexcept {
  while (p_ < limit_ && is_space(*p_)) ++p_;
}

Token Reader::next() {
  if (state_ == State::done) return token_;
  escaped_ = decoded_ = false;
  skip_space();
  if (state_ == State::after_value && depth_ == 0) {
    if (p_ != limit_) return fail(p_, "bytes behind the value");
    begin_ = end_ = input_.size();
    state_ = State::done;
    return token_ = Token::end;
  }
  if (p_ == limit_) return fail(p_, "the text ends too early");
  if (++tokens_ > limits_.tokens) return fail(p_, "too many tokens");
  switch (state_) {
    case State::first_item:
      if (*p_ == ']') return close(false);
      [[fallthrough]];
    case State::value:
      return read_value();
    case State::first_key:
      if (*p_ == '}') return close(true);
      return read_key();
    case State::after_value: {
      const bool object = frames_[depth_ - 1].object;
      if (*p_ != ',') return close(object);
      ++p_;
      skip_space();
      if (p_ == limit_) return fail(p_, "the text ends too early");
      return object ? read_key() : read_value();
    }
    case State::done:
      break;
  }
  return token_;
}

bool Reader::skip() {
  if (token_ == Token::key) next();
  if (token_ == Token::object_begin || token_ == Token::array_begin) {
    const unsigned inside = depth_;
    while (depth_ >= inside && next() != Token::error) {
    }
  }
  return token_ != Token::error;
}

Token Reader::read_value() {
  begin_ = static_cast<std::size_t>(p_ - input_.data());
  switch (*p_) {
    case '{':
      return open(true);
    case '[':
      return open(false);
    case '"':
      return read_string();
    case 't':
      return read_literal("true", Token::boolean_true);
    case 'f':
      return read_literal("false", Token::boolean_false);
    case 'n':
      return read_literal("null", Token::null);
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
      return read_number();
    default:
      return fail(p_, "a value was expected");
  }
}

Token Reader::open(bool object) {
  if (depth_ == limits_.depth) return fail(p_, "nested too deeply");
  frames_[depth_++] = {static_cast<std::uint32_t>(begin_), key_count_, object};
  end_ = begin_ + 1;
  ++p_;
  state_ = object ? State::first_key : State::first_item;
  return token_ = object ? Token::object_begin : Token::array_begin;
}

Token Reader::close(bool object) {
  if (*p_ != (object ? '}' : ']'))
    return fail(p_, object ? "a comma or } was expected" : "a comma or ] was expected");
  const Frame& frame = frames_[depth_ - 1];
  if (key_count_ - frame.first_key > kLinearKeys) {
    const KeyRef* twin = find_duplicate(keys_ + frame.first_key, keys_ + key_count_);
    if (twin != nullptr) return fail(p_, "an object has a duplicate key");
  }
  key_count_ = frame.first_key;
  begin_ = frame.begin;
  --depth_;
  ++p_;
  end_ = static_cast<std::size_t>(p_ - input_.data());
  state_ = State::after_value;
  return token_ = object ? Token::object_end : Token::array_end;
}

Token Reader::read_literal(std::string_view word, Token token) {
  if (!std::string_view(p_, static_cast<std::size_t>(limit_ - p_)).starts_with(word))
    return fail(p_, "a value was expected");
  p_ += word.size();
  end_ = begin_ + word.size();
  state_ = State::after_value;
  return token_ = token;
}

// From the opening quote at p_ to behind the closing one; begin_ and end_ are set.
inline bool Reader::scan_string() {
  const char* p = p_ + 1;
  for (;;) {
    p = plain_run(p, limit_);
    if (p == limit_) return fail(p, "the text ends inside a string"), false;
    if (*p == '"') break;
    if (*p == '\\') {
      escaped_ = true;
      if (limit_ - p < 2) return fail(p, "the text ends inside a string"), false;
      switch (p[1]) {
        case '"':
        case '\\':
        case '/':
        case 'b':
        case 'f':
        case 'n':
        case 'r':
        case 't':
          p += 2;
          continue;
        case 'u':
          break;
        default:
          return fail(p, "unknown escape"), false;
      }
      const int unit = hex4(p + 2, limit_);
      if (unit < 0) return fail(p, "an escape needs four hexadecimal digits"), false;
      if (is_low(unit)) return fail(p, "unpaired surrogate"), false;
      if (is_high(unit)) {
        if (limit_ - p < 12 || p[6] != '\\' || p[7] != 'u' || !is_low(hex4(p + 8, limit_)))
          return fail(p, "unpaired surrogate"), false;
        p += 12;
        continue;
      }
      saw_nul_ = saw_nul_ || unit == 0;
      p += 6;
      continue;
    }
    if (static_cast<unsigned char>(*p) < 0x20)
      return fail(p, "a control character must be escaped"), false;
    do {
      const char* after = utf8_step(p, limit_);
      if (after == nullptr) return fail(p, "invalid UTF-8"), false;
      p = after;
    } while (p < limit_ && static_cast<unsigned char>(*p) >= 0x80);
  }
  begin_ = static_cast<std::size_t>(p_ - input_.data());
  p_ = p + 1;
  end_ = static_cast<std::size_t>(p_ - input_.data());
  return true;
}

Token Reader::read_string() {
  if (!scan_string()) return token_;
  state_ = State::after_value;
  return token_ = Token::string;
}

Token Reader::read_key() {
  if (*p_ != '"') return fail(p_, "a key was expected");
  if (!scan_string()) return token_;
  if (end_ - begin_ - 2 > limits_.key_bytes)
    return fail(input_.data() + begin_, "a key is too long");
  if (!add_key()) return fail(input_.data() + begin_, "duplicate key");
  skip_space();
  if (p_ == limit_ || *p_ != ':') return fail(p_, "a colon was expected");
  ++p_;
  state_ = State::value;
  return token_ = Token::key;
}

inline std::string_view Reader::key_text(const KeyRef& key) const noexcept {
  if ((key.at & kDecoded) != 0)
    return std::string_view(decoded_keys_).substr(key.at & ~kDecoded, key.size);
  return input_.substr(key.at, key.size);
}

inline bool Reader::same_key(const KeyRef& a, const KeyRef& b) const noexcept {
  return a.prefix == b.prefix && a.size == b.size && (a.size <= 8 || key_text(a) == key_text(b));
}

// False if the object has the key already.
inline bool Reader::add_key() {
  if (key_count_ == key_capacity_) grow_keys();
  KeyRef fresh{0, static_cast<std::uint32_t>(begin_ + 1),
               static_cast<std::uint32_t>(end_ - begin_ - 2)};
  if (escaped_) {
    const std::size_t at = decoded_keys_.size();
    append_decoded(decoded_keys_, input_.substr(fresh.at, fresh.size));
    fresh.at = static_cast<std::uint32_t>(at) | kDecoded;
    fresh.size = static_cast<std::uint32_t>(decoded_keys_.size() - at);
  }
  fresh.prefix = key_prefix(key_text(fresh));
  const std::uint32_t first = frames_[depth_ - 1].first_key;
  if (key_count_ - first < kLinearKeys) {
    for (std::uint32_t i = first; i < key_count_; ++i) {
      if (same_key(keys_[i], fresh)) return false;
    }
  }
  keys_[key_count_++] = fresh;
  return true;
}

void Reader::grow_keys() {
  const std::uint32_t capacity = key_capacity_ * 2;
  auto bigger = std::make_unique_for_overwrite<KeyRef[]>(capacity);
  std::copy(keys_, keys_ + key_count_, bigger.get());
  more_keys_ = std::move(bigger);
  keys_ = more_keys_.get();
  key_capacity_ = capacity;
}

const Reader::KeyRef* Reader::find_duplicate(KeyRef* first, KeyRef* last) const {
  std::sort(first, last, [this](const KeyRef& a, const KeyRef& b) {
    if (a.prefix != b.prefix) return a.prefix < b.prefix;
    if (a.size != b.size) return a.size < b.size;
    return a.size > 8 && key_text(a) < key_text(b);
  });
  const KeyRef* twin = std::adjacent_find(
      first, last, [this](const KeyRef& a, const KeyRef& b) { return same_key(a, b); });
  return twin == last ? nullptr : twin;
}

Token Reader::read_number() {
  const char* p = p_;
  const auto digits = [&p, this] {
    const char* const first = p;
    while (p < limit_ && is_digit(*p)) ++p;
    return p != first;
  };
  if (*p == '-') ++p;
  if (p < limit_ && *p == '0') {
    ++p;
    if (p < limit_ && is_digit(*p)) return fail(p_, "a number begins with a superfluous 0");
  } else if (!digits()) {
    return fail(p, "a digit was expected");
  }
  bool exponent = false;
  if (p < limit_ && *p == '.') {
    ++p;
    if (!digits()) return fail(p, "a digit was expected");
  }
  if (p < limit_ && (*p == 'e' || *p == 'E')) {
    exponent = true;
    ++p;
    if (p < limit_ && (*p == '+' || *p == '-')) ++p;
    if (!digits()) return fail(p, "a digit was expected");
  }
  const auto size = static_cast<std::size_t>(p - p_);
  if (size > limits_.number_bytes) return fail(p_, "a number is too long");
  end_ = begin_ + size;
  token_ = Token::number;
  // 1e999 is grammar, but infinity to one parser and an error to another.
  if ((exponent || size > 300) && !number()) return fail(p_, "a number is too large");
  p_ = p;
  state_ = State::after_value;
  return token_;
}

std::string_view Reader::text() {
  if (token_ == Token::number) return raw();
  if (token_ == Token::key)
    return key_count_ == 0 ? std::string_view{} : key_text(keys_[key_count_ - 1]);
  if (token_ != Token::string) return {};
  const std::string_view inner = input_.substr(begin_ + 1, end_ - begin_ - 2);
  if (!escaped_) return inner;
  if (!decoded_) {
    scratch_.clear();
    append_decoded(scratch_, inner);
    decoded_ = true;
  }
  return scratch_;
}

std::optional<std::int64_t> Reader::int64() const noexcept {
  if (token_ != Token::number) return std::nullopt;
  std::int64_t value = 0;
  const char* const last = input_.data() + end_;
  const auto [stop, ec] = std::from_chars(input_.data() + begin_, last, value);
  if (ec != std::errc{} || stop != last) return std::nullopt;
  return value;
}

std::optional<double> Reader::number() const noexcept {
  if (token_ != Token::number) return std::nullopt;
  double value = 0;
  const std::string_view digits = raw();
  const auto [stop, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (ec == std::errc::result_out_of_range) {
    // Out of range on which side? Beyond the number_bytes limit nothing comes here, so the sign of
    // the decimal exponent of the first significant digit is cheap to find.
    std::ptrdiff_t point = 0;
    bool significant = false;
    bool fraction = false;
    std::size_t i = digits.starts_with('-') ? 1 : 0;
    for (; i < digits.size() && digits[i] != 'e' && digits[i] != 'E'; ++i) {
      if (digits[i] == '.') {
        fraction = true;
      } else {
        significant = significant || digits[i] != '0';
        if (significant && !fraction) ++point;
        if (!significant && fraction) --point;
      }
    }
    std::ptrdiff_t exponent = 0;
    bool negative = false;
    for (++i; i < digits.size(); ++i) {
      if (is_digit(digits[i]))
        exponent = std::min<std::ptrdiff_t>(exponent * 10 + (digits[i] - '0'), 1 << 20);
      negative = negative || digits[i] == '-';
    }
    if (point + (negative ? -exponent : exponent) > 0) return std::nullopt;
    return digits.starts_with('-') ? -0.0 : 0.0;
  }
  if (ec != std::errc{} || !std::isfinite(value)) return std::nullopt;
  return value;
}

}  // namespace vestibule::json
