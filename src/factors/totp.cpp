#include "factors/totp.hpp"

#include <array>

namespace vestibule::factors {
namespace {

std::string_view algorithm_name(crypto::HashAlg a) {
  switch (a) {
    case crypto::HashAlg::sha1: return "SHA1";
    case crypto::HashAlg::sha256: return "SHA256";
    case crypto::HashAlg::sha512: return "SHA512";
  }
  return "";
}

void append_encoded(std::string& out, std::string_view text) {
  constexpr std::string_view hex_digits = "0123456789ABCDEF";
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                       c == '.' || c == '_' || c == '~';
    if (plain) {
      out.push_back(c);
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out.push_back('%');
      out.push_back(hex_digits[byte >> 4U]);
      out.push_back(hex_digits[byte & 15U]);
    }
  }
}

}  // namespace

Code hotp(ByteView secret, std::uint64_t counter, const TotpParameters& parameters) {
  std::array<std::uint8_t, 8> message{};
  for (std::size_t i = 0; i < 8; ++i) message[i] = static_cast<std::uint8_t>(counter >> (56 - 8 * i));
  Bytes mac = crypto::hmac(parameters.algorithm, secret, message);
  const std::size_t at = mac.back() & 15U;
  const std::uint32_t bits = (mac[at] & 0x7FU) << 24U | static_cast<std::uint32_t>(mac[at + 1]) << 16U |
                             static_cast<std::uint32_t>(mac[at + 2]) << 8U | mac[at + 3];
  wipe(mac.data(), mac.size());
  return Code{bits % (parameters.digits == 8 ? 100'000'000U : 1'000'000U), parameters.digits};
}

std::int64_t totp_step(WallTime time) noexcept {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count() / kTotpPeriod;
}

std::string otpauth_uri(ByteView secret, std::string_view issuer, std::string_view account,
                        const TotpParameters& parameters) {
  std::string out = "otpauth://totp/";
  append_encoded(out, issuer);
  out.push_back(':');
  append_encoded(out, account);
  out.append("?secret=").append(base32(secret)).append("&issuer=");
  append_encoded(out, issuer);
  out.append("&algorithm=").append(algorithm_name(parameters.algorithm));
  out.append("&digits=").append(std::to_string(parameters.digits));
  out.append("&period=").append(std::to_string(kTotpPeriod));
  return out;
}

}  // namespace vestibule::factors
