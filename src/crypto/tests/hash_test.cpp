#include "crypto/hash.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

namespace vestibule::crypto {
namespace {

Bytes raw(std::string_view text) { return *unhex(text); }

// FIPS 180-4 examples (NIST CSRC) and the empty string.
TEST(Hash, Sha256NistVectors) {
  struct Row { std::string text; std::string_view digest; };
  for (const Row& r : {
           Row{"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
           Row{"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
           Row{"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
               "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
           Row{std::string(1000000, 'a'),
               "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"}}) {
    EXPECT_EQ(hex(sha256(as_bytes(r.text))), r.digest);
  }
}

TEST(Hash, PartsAndPiecesEqualTheWhole) {
  std::string text;
  for (int i = 0; i < 300; ++i) text.push_back(static_cast<char>(i * 7));
  const ByteView all = as_bytes(text);
  for (std::size_t size = 0; size <= text.size(); size += 13) {
    const Digest whole = sha256(all.first(size));
    for (std::size_t cut = 0; cut <= size; cut += 11) {
      EXPECT_EQ(sha256({all.first(cut), ByteView{}, all.subspan(cut, size - cut)}), whole);
      Sha256 pieces;
      EXPECT_EQ(pieces.update(all.first(cut)).update(all.subspan(cut, size - cut)).finish(), whole);
    }
  }
  EXPECT_EQ(sha256(std::initializer_list<ByteView>{}), sha256(ByteView{}));
}

TEST(Hash, FinishedObjectIsNewAndCopyKeepsThePrefix) {
  Sha256 h;
  h.update(as_bytes("ab"));
  Sha256 copy = h;
  (void)h.finish();
  EXPECT_EQ(h.update(as_bytes("abc")).finish(), sha256(as_bytes("abc")));
  EXPECT_EQ(copy.update(as_bytes("c")).finish(), sha256(as_bytes("abc")));
}

struct HmacRow { std::string_view name; Bytes key, data; std::string_view sha256, sha512; };

// RFC 4231 section 4.2 to 4.8.
std::vector<HmacRow> rfc4231() {
  Bytes counting(25);
  for (std::size_t i = 0; i < 25; ++i) counting[i] = static_cast<std::uint8_t>(i + 1);
  const auto text = [](std::string_view s) { return Bytes(s.begin(), s.end()); };
  return {
      {"1", Bytes(20, 0x0b), text("Hi There"),
       "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
       "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702"
       "038b274eaea3"
       "f4e4be9d914eeb61f1702e696c203a126854"},
      {"2", text("Jefe"), text("what do ya want for nothing?"),
       "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
       "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a"
       "6d034f65f8f0"
       "e6fdcaeab1a34d4a6b4b636e070a38bce737"},
      {"3", Bytes(20, 0xaa), Bytes(50, 0xdd),
       "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
       "fa73b0089d56a284efb0f0756c890be9b1b5dbdd8ee81a3655f83e33b2279d39bf3e848279a722c8"
       "06b485a47e67"
       "c807b946a337bee8942674278859e13292fb"},
      {"4", counting, Bytes(50, 0xcd),
       "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
       "b0ba465637458c6990e5a8c5f61d4af7e576d97ff94b872de76f8050361ee3dba91ca5c11aa25eb4"
       "d679275cc578"
       "8063a5f19741120c4f2de2adebeb10a298dd"},
      {"6", Bytes(131, 0xaa), text("Test Using Larger Than Block-Size Key - Hash Key First"),
       "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
       "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f3526b56d037e05f2598"
       "bd0fd2215d6a"
       "1e5295e64f73f63f0aec8b915a985d786598"},
      {"7", Bytes(131, 0xaa),
       text("This is a test using a larger than block-size key and a larger than block-size data. "
            "The key needs to be hashed before being used by the HMAC algorithm."),
       "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
       "e37b6a775dc87dbaa4dfa9f96e5e3ffddebd71f8867289865df5a32d20cdc944b6022cac3c4982b1"
       "0d5eeb55c3e4"
       "de15134676fb6de0446065c97440fa8c6a58"},
  };
}

TEST(Hash, HmacRfc4231) {
  for (const HmacRow& r : rfc4231()) {
    EXPECT_EQ(hex(hmac_sha256(r.key, r.data)), r.sha256) << r.name;
    EXPECT_EQ(hex(hmac(HashAlg::sha256, r.key, r.data)), r.sha256) << r.name;
    EXPECT_EQ(hex(hmac(HashAlg::sha512, r.key, r.data)), r.sha512) << r.name;
    HmacKey key{ByteView(r.key)};
    const ByteView data(r.data);
    EXPECT_EQ(hex(key.mac({data.first(3), data.subspan(3)})), r.sha256) << r.name;
    HmacKey moved(std::move(key));
    EXPECT_EQ(hex(moved.mac(data)), r.sha256) << r.name;
  }
}

// RFC 2202 section 3, cases 1, 2 and 6.
TEST(Hash, HmacSha1Rfc2202) {
  EXPECT_EQ(hex(hmac(HashAlg::sha1, Bytes(20, 0x0b), as_bytes("Hi There"))),
            "b617318655057264e28bc0b6fb378c8ef146be00");
  EXPECT_EQ(hex(hmac(HashAlg::sha1, as_bytes("Jefe"), as_bytes("what do ya want for nothing?"))),
            "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
  EXPECT_EQ(hex(hmac(HashAlg::sha1, Bytes(80, 0xaa),
                     as_bytes("Test Using Larger Than Block-Size Key - Hash Key First"))),
            "aa4ae5e15272d00e95705637ce8a3b55ed402112");
}

TEST(Hash, HmacOfNothingUnderNothing) {
  const auto wanted = "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad";
  EXPECT_EQ(hex(hmac_sha256({}, {})), wanted);
  EXPECT_EQ(hex(hmac(HashAlg::sha256, {}, {})), wanted);
}

TEST(Hash, VerifyComparesAtLeastSixteenBytes) {
  const HmacKey key(as_bytes("a key"));
  const Digest mac = key.mac(as_bytes("data"));
  for (std::size_t n = 0; n <= 32; ++n) {
    EXPECT_EQ(key.verify(as_bytes("data"), ByteView(mac).first(n)), n >= 16) << n;
    EXPECT_FALSE(key.verify(as_bytes("date"), ByteView(mac).first(n))) << n;
  }
  for (std::size_t i = 0; i < 32; ++i) {
    Digest bad = mac;
    bad[i] ^= 1U;
    EXPECT_FALSE(key.verify(as_bytes("data"), bad));
  }
  Bytes longer(mac.begin(), mac.end());
  longer.push_back(0);
  EXPECT_FALSE(key.verify(as_bytes("data"), longer));
}

// RFC 5869 appendix A.1 to A.3.
TEST(Hash, HkdfRfc5869) {
  const auto range = [](unsigned from, unsigned to) {
    Bytes out;
    for (unsigned i = from; i <= to; ++i) out.push_back(static_cast<std::uint8_t>(i));
    return out;
  };
  EXPECT_EQ(hex(hkdf_sha256(Bytes(22, 0x0b), range(0, 0x0c), range(0xf0, 0xf9), 42).reveal()),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
  EXPECT_EQ(hex(hkdf_sha256(range(0, 0x4f), range(0x60, 0xaf), range(0xb0, 0xff), 82).reveal()),
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac78272"
            "71cb41c6"
            "5e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87");
  EXPECT_EQ(hex(hkdf_sha256(Bytes(22, 0x0b), {}, {}, 42).reveal()),
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
}

TEST(Hash, HkdfBounds) {
  EXPECT_EQ(hkdf_sha256(raw("00"), {}, {}, 8160).size(), 8160U);
  EXPECT_THROW((void)hkdf_sha256(raw("00"), {}, {}, 8161), std::length_error);
  EXPECT_THROW((void)hkdf_sha256(raw("00"), {}, {}, 0), std::length_error);
}

}  // namespace
}  // namespace vestibule::crypto
