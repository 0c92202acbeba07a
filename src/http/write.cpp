#include "http/write.hpp"

#include <charconv>
#include <cstring>

#include "http/chars.hpp"
#include "http/target.hpp"

namespace vestibule::http {
namespace {

struct Decimal {
  std::array<char, 20> text;
  std::size_t size;
  explicit Decimal(std::uint64_t n) noexcept
      : size(static_cast<std::size_t>(std::to_chars(text.data(), text.data() + text.size(), n).ptr -
                                      text.data())) {}
  [[nodiscard]] std::string_view view() const noexcept { return {text.data(), size}; }
};

}  // namespace

HeadWriter& HeadWriter::refuse() {
  if (ok_) out_.resize(begin_);
  ok_ = false;
  return *this;
}

HeadWriter& HeadWriter::status(int code, std::string_view reason) {
  if (!ok_) return *this;
  if (reason.empty()) reason = reason_phrase(code);
  if (started_ || code < 100 || code > 599 ||
      !chars::is_field_text(reason.data(), reason.size(), chars::ObsText::allow)) {
    return refuse();
  }
  started_ = true;
  out_.append("HTTP/1.1 ").append(Decimal(static_cast<unsigned>(code)).view()).append(" ");
  out_.append(reason).append("\r\n");
  return *this;
}

HeadWriter& HeadWriter::request(std::string_view method, std::string_view target) {
  if (!ok_) return *this;
  Target parts;
  if (started_ || !chars::is_token(method) || scan_target(target, parts) != nullptr) {
    return refuse();
  }
  started_ = true;
  out_.append(method).append(" ").append(target).append(" HTTP/1.1\r\n");
  return *this;
}

FieldName::FieldName(std::string_view text) noexcept : text_(text), token_(chars::is_token(text)) {}

void HeadWriter::append(std::string_view name, std::string_view value) {
  const std::size_t at = out_.size();
  out_.resize(at + name.size() + value.size() + 4);
  char* p = out_.data() + at;
  const auto put = [&p](std::string_view text) {
    if (!text.empty()) std::memcpy(p, text.data(), text.size());
    p += text.size();
  };
  put(name);
  put(": ");
  put(value);
  put("\r\n");
}

HeadWriter& HeadWriter::field(FieldName name, std::string_view value) {
  if (!ok_) return *this;
  if (!started_ || !name.is_token() || !chars::is_field_text(value.data(), value.size(), chars::ObsText::allow)) return refuse();
  append(name.text(), value);
  return *this;
}

HeadWriter& HeadWriter::copy(const HeaderField& parsed) {
  if (!ok_) return *this;
  if (!started_) return refuse();
  append(parsed.name, parsed.value);
  return *this;
}

HeadWriter& HeadWriter::field(FieldName name, std::uint64_t value) { return field(name, Decimal(value).view()); }

HeadWriter& HeadWriter::framing(const Framing& framing) {
  switch (framing.kind) {
    case BodyKind::length:
      return field("Content-Length", framing.length);
    case BodyKind::chunked:
      return field("Transfer-Encoding", "chunked");
    case BodyKind::none:
    case BodyKind::until_close:
      break;
  }
  return *this;
}

bool HeadWriter::finish() {
  if (!started_) refuse();
  if (!ok_) return false;
  out_.append("\r\n");
  ok_ = false;  // a head ends once
  return true;
}

std::string_view reason_phrase(int status) noexcept {
  switch (status) {
    case 100:
      return "Continue";
    case 101:
      return "Switching Protocols";
    case 103:
      return "Early Hints";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 205:
      return "Reset Content";
    case 206:
      return "Partial Content";
    case 300:
      return "Multiple Choices";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 402:
      return "Payment Required";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 407:
      return "Proxy Authentication Required";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 411:
      return "Length Required";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 416:
      return "Range Not Satisfiable";
    case 417:
      return "Expectation Failed";
    case 421:
      return "Misdirected Request";
    case 422:
      return "Unprocessable Content";
    case 426:
      return "Upgrade Required";
    case 428:
      return "Precondition Required";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 451:
      return "Unavailable For Legal Reasons";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    case 511:
      return "Network Authentication Required";
    default:
      return {};
  }
}

std::array<char, 29> http_date(WallTime time) noexcept {
  using namespace std::chrono;
  constexpr std::string_view days = "SunMonTueWedThuFriSat";
  constexpr std::string_view months = "JanFebMarAprMayJunJulAugSepOctNovDec";
  const auto second = floor<seconds>(time);
  const auto day = floor<std::chrono::days>(second);
  const year_month_day date(day);
  const hh_mm_ss clock(second - day);
  std::array<char, 29> out;
  const std::string_view shape = "Xxx, 00 Xxx 0000 00:00:00 GMT";
  shape.copy(out.data(), out.size());
  const auto digits = [&out](std::size_t at, std::size_t count, std::int64_t n) {
    for (std::size_t i = count; i-- > 0; n /= 10) out[at + i] = static_cast<char>('0' + n % 10);
  };
  days.copy(out.data(), 3, weekday(day).c_encoding() * 3);
  digits(5, 2, static_cast<unsigned>(date.day()));
  months.copy(out.data() + 8, 3, (static_cast<unsigned>(date.month()) - 1) * 3);
  digits(12, 4, static_cast<int>(date.year()));
  digits(17, 2, clock.hours().count());
  digits(20, 2, clock.minutes().count());
  digits(23, 2, clock.seconds().count());
  return out;
}

std::string_view DateCache::at(WallTime time) noexcept {
  const auto second = std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  if (second != second_) {
    text_ = http_date(time);
    second_ = second;
  }
  return {text_.data(), text_.size()};
}

}  // namespace vestibule::http
