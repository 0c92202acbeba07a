#include "crypto/handle.hpp"

#include <gtest/gtest.h>

#include <set>

namespace vestibule::crypto {
namespace {

class Handles : public testing::Test {
 protected:
  SystemRng rng;
  HandleMint mint{Secret(Bytes(32, 0x42))};
  Handle handle = mint.make(kAccessToken, rng);
  std::string text{handle.text.reveal_text()};
};

TEST_F(Handles, MadeOnesAreChecked) {
  EXPECT_EQ(text.size(), kHandleLength);
  EXPECT_TRUE(text.starts_with("vt_"));
  EXPECT_TRUE(well_formed(text, kAccessToken));
  EXPECT_EQ(mint.check(text, kAccessToken), handle.hash);
  EXPECT_EQ(handle.hash, sha256(as_bytes(text)));
}

// Written out from its definition with the tools of base.
TEST_F(Handles, FormatIsFrozen) {
  CountingRng counting(7), again(7);
  const Handle made = mint.make(kControlSession, counting);
  const auto random = again.take<32>();
  Bytes signed_bytes(3 + 32);
  std::copy_n("vs_", 3, signed_bytes.begin());
  std::copy(random.begin(), random.end(), signed_bytes.begin() + 3);
  const Digest mac = hmac_sha256(Bytes(32, 0x42), signed_bytes);
  Bytes raw(random.begin(), random.end());
  raw.insert(raw.end(), mac.begin(), mac.begin() + 8);
  EXPECT_EQ(made.text.reveal_text(), "vs_" + base64url(raw));
}

TEST_F(Handles, AudiencesDoNotMix) {
  for (const HandlePrefix other : {kControlSession, kChildToken, kEnrolmentCode, kApiKey}) {
    EXPECT_FALSE(well_formed(text, other));
    EXPECT_FALSE(mint.check(text, other));
    std::string renamed = text;
    renamed.replace(0, 3, other.text());
    EXPECT_TRUE(well_formed(renamed, other));
    EXPECT_FALSE(mint.check(renamed, other));  // the checksum covers the prefix
  }
}

TEST_F(Handles, GarbageIsRefused) {
  for (std::size_t n = 0; n < text.size(); ++n)
    EXPECT_FALSE(mint.check(text.substr(0, n), kAccessToken)) << n;
  for (const std::string& bad :
       {text + "A", text + "=", " " + text, text + " ", text + "\n", text + std::string(1, '\0'),
        std::string(kHandleLength, 'A'), "vt_" + std::string(54, 'A'), "vt_" + std::string(54, '='),
        "VT_" + text.substr(3), "Bearer " + text, std::string(1000000, 'v')})
    EXPECT_FALSE(mint.check(bad, kAccessToken)) << bad.substr(0, 80);
  for (std::size_t i = 0; i < text.size(); ++i) {
    for (int c = 0; c < 256; ++c) {
      std::string bad = text;
      bad[i] = static_cast<char>(c);
      if (bad != text) {
        EXPECT_FALSE(mint.check(bad, kAccessToken)) << i << ' ' << c;
      }
    }
  }
}

TEST_F(Handles, OneValueHasOneSpelling) {
  // 54 characters carry 324 bits for 320: the last one has two of value, four must be zero.
  const std::string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  int accepted = 0;
  for (const char c : alphabet)
    accepted += well_formed(text.substr(0, 56) + c, kAccessToken) ? 1 : 0;
  EXPECT_EQ(accepted, 4);
}

TEST_F(Handles, AnotherInstallationsHandleIsRefused) {
  const HandleMint other(Secret(Bytes(32, 0x43)));
  EXPECT_FALSE(other.check(text, kAccessToken));
}

TEST_F(Handles, NeverTheSame) {
  std::set<Digest> seen;
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(seen.insert(mint.make(kApiKey, rng).hash).second);
}

}  // namespace
}  // namespace vestibule::crypto
