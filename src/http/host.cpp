#include "http/host.hpp"

#include <arpa/inet.h>

#include <array>
#include <cstring>

#include "http/chars.hpp"

namespace vestibule::http {
namespace {

bool is_number_up_to(std::string_view digits, unsigned max, unsigned& value) noexcept {
  if (digits.empty() || digits.size() > 5 || (digits.size() > 1 && digits[0] == '0')) return false;
  value = 0;
  for (const char c : digits) {
    if (!chars::is_digit(c)) return false;
    value = value * 10 + static_cast<unsigned>(c - '0');
  }
  return value <= max;
}

bool is_ipv4(std::string_view text) noexcept {
  for (int i = 0; i < 4; ++i) {
    const std::size_t dot = text.find('.');
    if ((dot == std::string_view::npos) != (i == 3)) return false;
    unsigned octet = 0;
    if (!is_number_up_to(text.substr(0, dot), 255, octet)) return false;
    text.remove_prefix(i == 3 ? text.size() : dot + 1);
  }
  return true;
}

// Resolvers take a last label of this kind for (part of) an address: WHATWG URL section 3.5.
bool looks_numeric(std::string_view label) noexcept {
  std::size_t i = 0;
  const bool hex = label.size() >= 2 && label[0] == '0' && chars::lower(label[1]) == 'x';
  for (i = hex ? 2 : 0; i < label.size(); ++i) {
    if (hex ? chars::hex_value(label[i]) < 0 : !chars::is_digit(label[i])) return false;
  }
  return true;
}

bool is_name(std::string_view name) noexcept {
  if (name.empty() || name.size() > 253) return false;
  std::size_t begin = 0;
  for (std::size_t i = 0; i <= name.size(); ++i) {
    if (i < name.size() && name[i] != '.') {
      const char c = name[i];
      if (!chars::is_alpha(c) && !chars::is_digit(c) && c != '-' && c != '_') return false;
      continue;
    }
    const std::size_t size = i - begin;
    if (size == 0 || size > 63 || name[begin] == '-' || name[i - 1] == '-') return false;
    if (i == name.size() && looks_numeric(name.substr(begin))) return is_ipv4(name);
    begin = i + 1;
  }
  return true;
}

bool parse_ipv6(std::string_view text, in6_addr& out) noexcept {
  std::array<char, INET6_ADDRSTRLEN + 1> copy{};
  if (text.size() >= copy.size()) return false;
  for (const char c : text) {
    if (chars::hex_value(c) < 0 && c != ':' && c != '.') return false;
  }
  std::memcpy(copy.data(), text.data(), text.size());
  return inet_pton(AF_INET6, copy.data(), &out) == 1;
}

struct Parts {
  std::string_view name;
  std::uint16_t port = 0;
  bool ipv6 = false;
  in6_addr address{};
};

bool split(std::string_view value, Parts& out) noexcept {
  std::size_t end = 0;
  if (!value.empty() && value[0] == '[') {
    end = value.find(']');
    if (end == std::string_view::npos) return false;
    out.ipv6 = true;
    if (!parse_ipv6(value.substr(1, end - 1), out.address)) return false;
    ++end;
    out.name = value.substr(0, end);
  } else {
    end = value.find(':');
    if (end == std::string_view::npos) end = value.size();
    out.name = value.substr(0, end);
    if (!is_name(out.name)) return false;
  }
  if (end == value.size()) return true;
  unsigned port = 0;
  if (value[end] != ':' || !is_number_up_to(value.substr(end + 1), 65535, port) || port == 0) {
    return false;
  }
  out.port = static_cast<std::uint16_t>(port);
  return true;
}

}  // namespace

bool is_valid_host(std::string_view value) noexcept {
  Parts parts;
  return split(value, parts);
}

Result<Host> parse_host(std::string_view value) {
  Parts parts;
  if (!split(value, parts)) return fail(Reason::request_malformed, "malformed Host");
  Host host;
  host.port = parts.port;
  if (parts.ipv6) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (inet_ntop(AF_INET6, &parts.address, text.data(), text.size()) == nullptr) {
      return fail(Reason::request_malformed, "malformed Host");
    }
    host.name = "[" + std::string(text.data()) + "]";
    return host;
  }
  host.name.reserve(parts.name.size());
  for (const char c : parts.name) host.name.push_back(chars::lower(c));
  return host;
}

}  // namespace vestibule::http
