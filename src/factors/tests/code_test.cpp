#include "factors/code.hpp"

#include <gtest/gtest.h>

#include "factors/totp.hpp"

namespace vestibule::factors {
namespace {

TEST(CanonicalCode, TakesNAsciiDigitsAndNothingElse) {
  EXPECT_EQ(canonical_code("012345", 6), (Code{12345, 6}));
  EXPECT_EQ(canonical_code("99999999", 8), (Code{99999999, 8}));
  struct Row { const char* what; std::string_view text; };
  const Row rows[] = {
      {"empty", ""},
      {"too short", "12345"},
      {"too long", "1234567"},
      {"eight for six", "12345678"},
      {"leading space", " 123456"},
      {"trailing space", "123456 "},
      {"space for a digit", " 12345"},
      {"grouped", "123 456"},
      {"hyphen", "123-456"},
      {"tab", "123456\t"},
      {"newline", "123456\n"},
      {"carriage return", "12345\r"},
      {"no-break space", "123456\u00a0"},
      {"zero width space", "123456\u200b"},
      {"byte order mark", "\ufeff123456"},
      {"plus", "+12345"},
      {"minus", "-12345"},
      {"point", "12345."},
      {"letter", "12345a"},
      {"hexadecimal", "0x1234"},
      {"fullwidth digits", "\uff11\uff12\uff13\uff14\uff15\uff16"},
      {"two fullwidth digits, six bytes", "\uff11\uff12"},
      {"Arabic-Indic digits", "\u0661\u0662\u0663\u0664\u0665\u0666"},
      {"three Arabic-Indic digits, six bytes", "\u0661\u0662\u0663"},
      {"superscript", "12345\u00b2"},
      {"NUL behind", std::string_view("123456\0", 7)},
      {"NUL within", std::string_view("12345\0", 6)},
  };
  for (const Row& row : rows) EXPECT_FALSE(canonical_code(row.text, 6)) << row.what;
}

TEST(CanonicalRecoveryCode, OneShapeEitherCase) {
  const RecoveryBits bits{0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0xff};
  const std::string text = format_recovery_code(bits);
  EXPECT_EQ(text.size(), 19U);
  EXPECT_EQ(canonical_recovery_code(text), bits);
  std::string upper = text;
  for (char& c : upper) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
  EXPECT_EQ(canonical_recovery_code(upper), bits);
  for (const std::string& bad : {std::string(), text + " ", " " + text, text.substr(0, 18), std::string(19, 'a'),
                                 text.substr(0, 4) + " " + text.substr(5), "0" + text.substr(1)}) {
    EXPECT_FALSE(canonical_recovery_code(bad)) << bad;
  }
}

TEST(Hotp, Rfc4226AppendixD) {
  const std::uint32_t expected[] = {755224, 287082, 359152, 969429, 338314, 254676, 287922, 162583, 399871, 520489};
  for (std::uint64_t i = 0; i < 10; ++i) {
    EXPECT_EQ(hotp(as_bytes("12345678901234567890"), i, {crypto::HashAlg::sha1, 6}), (Code{expected[i], 6})) << i;
  }
}

TEST(Totp, Rfc6238AppendixB) {
  const std::string_view k20 = "12345678901234567890";
  const std::string_view k32 = "12345678901234567890123456789012";
  const std::string_view k64 = "1234567890123456789012345678901234567890123456789012345678901234";
  struct Row { std::int64_t time; std::uint32_t sha1, sha256, sha512; };
  const Row rows[] = {
      {59, 94287082, 46119246, 90693936},          {1111111109, 7081804, 68084774, 25091201},
      {1111111111, 14050471, 67062674, 99943326},  {1234567890, 89005924, 91819424, 93441116},
      {2000000000, 69279037, 90698825, 38618901},  {20000000000, 65353130, 77737706, 47863826},
  };
  for (const Row& row : rows) {
    const auto step = static_cast<std::uint64_t>(totp_step(WallTime(std::chrono::seconds(row.time))));
    EXPECT_EQ(hotp(as_bytes(k20), step, {crypto::HashAlg::sha1, 8}).value, row.sha1) << row.time;
    EXPECT_EQ(hotp(as_bytes(k32), step, {crypto::HashAlg::sha256, 8}).value, row.sha256) << row.time;
    EXPECT_EQ(hotp(as_bytes(k64), step, {crypto::HashAlg::sha512, 8}).value, row.sha512) << row.time;
  }
}

TEST(Totp, StepsBeginOnTheMicrosecond) {
  const WallTime t{std::chrono::seconds(1'800'000'000)};
  EXPECT_EQ(totp_step(t), 60'000'000);
  EXPECT_EQ(totp_step(t - Duration(1)), 59'999'999);
  EXPECT_EQ(totp_step(t + std::chrono::seconds(30) - Duration(1)), 60'000'000);
}

TEST(Totp, OtpauthUri) {
  EXPECT_EQ(otpauth_uri(as_bytes("12345678901234567890"), "Vestibule", "a+b@example.org", {}),
            "otpauth://totp/Vestibule:a%2Bb%40example.org?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Vestibule"
            "&algorithm=SHA1&digits=6&period=30");
  EXPECT_NE(otpauth_uri(as_bytes("x"), "V", "a", {crypto::HashAlg::sha512, 8}).find("algorithm=SHA512&digits=8"),
            std::string::npos);
}

}  // namespace
}  // namespace vestibule::factors
