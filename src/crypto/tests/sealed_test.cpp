#include "crypto/sealed.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <stdexcept>
#include <thread>

#include "crypto/aead.hpp"

namespace vestibule::crypto {
namespace {

using namespace std::string_view_literals;

constexpr Place kPlace{"factors", "secret", "fac_1"};

MasterKeys keys(std::initializer_list<std::pair<std::uint32_t, std::uint8_t>> list) {
  MasterKeys out;
  for (const auto& [id, fill] : list) out.push_back({id, Secret(Bytes(32, fill))});
  return out;
}

Reason code(const Result<Secret>& r) { return r ? Reason::ok : r.error().code; }

// The GCM specification (McGrew, Viega), test cases 13 to 16: 256-bit keys.
TEST(Aead, GcmVectors) {
  struct Row { std::string_view key, nonce, aad, plain, sealed; };
  constexpr auto kZero = "0000000000000000000000000000000000000000000000000000000000000000"sv;
  constexpr auto kKey = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"sv;
  constexpr auto kPlain =
      "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6"
      "b525b16aedf5aa0de657ba637b391aafd255"sv;
  for (const Row& r :
       {Row{kZero, "000000000000000000000000", "", "", "530f8afbc74536b9a963b4f1c4cb738b"},
        Row{kZero, "000000000000000000000000", "", "00000000000000000000000000000000",
            "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"},
        Row{kKey, "cafebabefacedbaddecaf888", "", kPlain,
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3d"
            "a7b08b1056"
            "828838c5f61e6393ba7a0abcc9f662898015adb094dac5d93471bdec1a502270e3cc6c"},
        Row{kKey, "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
            kPlain.substr(0, 120),
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3d"
            "a7b08b1056"
            "828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b"}}) {
    const Bytes key = *unhex(r.key), nonce = *unhex(r.nonce), aad = *unhex(r.aad);
    const std::span<const std::uint8_t, 32> k(key.data(), 32);
    const std::span<const std::uint8_t, 12> n(nonce.data(), 12);
    Bytes out;
    aead_seal(k, n, aad, *unhex(r.plain), out);
    EXPECT_EQ(hex(out), r.sealed);
    const auto opened = aead_open(k, n, aad, out);
    ASSERT_TRUE(opened);
    EXPECT_EQ(hex(opened->reveal()), r.plain);
    const Bytes other(aad.size() + 1);
    EXPECT_FALSE(aead_open(k, n, other, out));
  }
}

class Sealed : public testing::Test {
 protected:
  SystemRng rng;
  KeyRing ring{keys({{1, 0x11}}), rng};
};

TEST_F(Sealed, OpensWhatItSealed) {
  for (const std::size_t size : {0U, 1U, 15U, 16U, 17U, 32U, 1000U, 100000U}) {
    const Bytes plain(size, 0x5A);
    const Bytes blob = ring.seal(plain, kPlace);
    EXPECT_EQ(blob.size(), size + kSealedOverhead);
    const auto opened = ring.open(blob, kPlace);
    ASSERT_TRUE(opened) << opened.error().detail;
    EXPECT_TRUE(opened->equals(plain));
  }
}

// Keys come and go on the writer's thread while the pool's open secrets.
TEST_F(Sealed, KeysComeAndGoWhileOthersOpen) {
  const Bytes blob = ring.seal(as_bytes("secret"), kPlace);
  std::atomic<bool> over{false};
  std::atomic<int> wrong{0}, opened{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] {
      while (!over) {
        static_cast<void>(ring.open(ring.seal(as_bytes("another"), kPlace), kPlace));  // its key may have gone meanwhile
        if (!ring.open(blob, kPlace)) ++wrong;
        ++opened;
      }
    });
  }
  for (std::uint32_t id = 2; id < 200 || opened < 100; ++id) {
    ASSERT_TRUE(ring.adopt({id, Secret(Bytes(32, static_cast<std::uint8_t>(id)))}));
    if (id > 2) ASSERT_TRUE(ring.retire(id - 1));
  }
  over = true;
  for (std::thread& t : readers) t.join();
  EXPECT_EQ(wrong, 0);
}

// Pins the format: made by an independent implementation (Python's hmac and cryptography).
TEST_F(Sealed, FormatIsFrozen) {
  const auto blob = unhex(
      "0100000001000102030405060708090a0b0c0d0e0fe3fc18f0274eceae0c7eeb7bcfa7dfcff8b88e"
      "7564f0");
  ASSERT_TRUE(blob);
  const auto opened = ring.open(*blob, kPlace);
  ASSERT_TRUE(opened) << opened.error().detail;
  EXPECT_EQ(opened->reveal_text(), "frozen");
  EXPECT_EQ(hex(*ring.key_check(1)), "4d931319bdc9f8a07fde6e4ed4005d87");
}

TEST_F(Sealed, NoBitMayChange) {
  const Bytes blob = ring.seal(as_bytes("a secret"), kPlace);
  for (std::size_t i = 0; i < blob.size(); ++i) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      Bytes bad = blob;
      bad[i] = static_cast<std::uint8_t>(bad[i] ^ (1U << bit));
      EXPECT_EQ(code(ring.open(bad, kPlace)), Reason::sealed_unreadable) << i << '.' << bit;
    }
  }
}

TEST_F(Sealed, NoLengthButItsOwn) {
  const Bytes blob = ring.seal(as_bytes("a secret"), kPlace);
  for (std::size_t n = 0; n < blob.size(); ++n) {
    const Bytes cut(blob.begin(), blob.begin() + static_cast<std::ptrdiff_t>(n));
    EXPECT_EQ(code(ring.open(cut, kPlace)), Reason::sealed_unreadable) << n;
  }
  Bytes longer = blob;
  longer.push_back(0);
  EXPECT_EQ(code(ring.open(longer, kPlace)), Reason::sealed_unreadable);
}

TEST_F(Sealed, OpensAtItsPlaceOnly) {
  const Bytes blob = ring.seal(as_bytes("a secret"), {"ab", "c", "d"});
  EXPECT_TRUE(ring.open(blob, {"ab", "c", "d"}));
  for (const Place& other :
       {Place{"ab", "c", "e"}, Place{"ab", "x", "d"}, Place{"xx", "c", "d"}, Place{"a", "bc", "d"},
        Place{"abc", "", "d"}, Place{"ab", "cd", ""}, Place{"ab", "c", "d\0"sv}, Place{"", "", ""}})
    EXPECT_EQ(code(ring.open(blob, other)), Reason::sealed_unreadable);
}

TEST_F(Sealed, AnotherKeyDoesNotOpen) {
  const Bytes blob = ring.seal(as_bytes("a secret"), kPlace);
  const KeyRing same_id(keys({{1, 0x22}}), rng);
  EXPECT_EQ(code(same_id.open(blob, kPlace)), Reason::sealed_unreadable);
  const KeyRing other_id(keys({{2, 0x11}}), rng);
  const auto missing = other_id.open(blob, kPlace);
  EXPECT_EQ(code(missing), Reason::sealed_unreadable);
  EXPECT_NE(missing.error().detail.find("not here"), std::string::npos);
}

TEST_F(Sealed, SealsNeverLookAlike) {
  std::set<Bytes> seen;
  for (int i = 0; i < 1000; ++i)
    EXPECT_TRUE(seen.insert(ring.seal(as_bytes("same"), kPlace)).second);
}

TEST_F(Sealed, RotationOpensOldAndSealsNew) {
  const Bytes old = ring.seal(as_bytes("a secret"), kPlace);
  const KeyRing both(keys({{1, 0x11}, {7, 0x77}}), rng);
  EXPECT_EQ(both.active_id(), 7U);
  EXPECT_EQ(both.ids(), (std::vector<std::uint32_t>{1, 7}));
  EXPECT_TRUE(both.open(old, kPlace));
  EXPECT_FALSE(both.is_current(old));
  const auto fresh = both.reseal(old, kPlace);
  ASSERT_TRUE(fresh);
  EXPECT_TRUE(both.is_current(*fresh));
  EXPECT_FALSE(both.reseal(old, {"other", "place", "1"}));
  const KeyRing retired(keys({{7, 0x77}}), rng);
  EXPECT_FALSE(retired.open(old, kPlace));
  const auto opened = retired.open(*fresh, kPlace);
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->reveal_text(), "a secret");
  EXPECT_FALSE(both.is_current({}));
}

TEST_F(Sealed, ARetiredKeyOpensNothing) {
  KeyRing both(keys({{1, 0x11}}), rng);
  const Bytes old = both.seal(as_bytes("a secret"), kPlace);
  EXPECT_EQ(KeyRing::sealed_by(old), 1U);
  EXPECT_EQ(both.retire(1).error().code, Reason::conflict) << "it seals";
  ASSERT_TRUE(both.adopt({2, Secret(Bytes(32, 0x22))}));
  const auto fresh = both.reseal(old, kPlace);
  ASSERT_TRUE(fresh);
  EXPECT_EQ(KeyRing::sealed_by(*fresh), 2U);
  EXPECT_EQ(both.retire(2).error().code, Reason::conflict);
  EXPECT_EQ(both.retire(3).error().code, Reason::not_found);
  ASSERT_TRUE(both.retire(1));
  EXPECT_EQ(both.retire(1).error().code, Reason::not_found);
  EXPECT_EQ(both.ids(), std::vector<std::uint32_t>{2});
  EXPECT_EQ(code(both.open(old, kPlace)), Reason::sealed_unreadable);
  EXPECT_TRUE(both.open(*fresh, kPlace));
  EXPECT_EQ(KeyRing::sealed_by({}), std::nullopt);
  EXPECT_EQ(KeyRing::sealed_by(ByteView(old).first(kSealedOverhead - 1)), std::nullopt);
  Bytes other = old;
  other[0] = 9;
  EXPECT_EQ(KeyRing::sealed_by(other), std::nullopt) << "of a version that nobody can read";
}

TEST_F(Sealed, KeyCheckTellsKeysApart) {
  const KeyRing other(keys({{1, 0x22}, {2, 0x11}}), rng);
  ASSERT_TRUE(ring.key_check(1));
  EXPECT_NE(*ring.key_check(1), *other.key_check(1));
  EXPECT_EQ(*ring.key_check(1), *other.key_check(2));
  const auto none = ring.key_check(2);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, Reason::not_found);
}

TEST_F(Sealed, DerivedKeysSurviveRotation) {
  EXPECT_FALSE(ring.has_root());
  EXPECT_THROW((void)ring.derive("pepper/v1"), std::logic_error);
  const Bytes root = ring.create_root();
  const Secret before = ring.derive("pepper/v1");
  EXPECT_EQ(before.size(), 32U);
  EXPECT_FALSE(before.equals(ring.derive("pepper/v2").reveal()));

  KeyRing both(keys({{1, 0x11}, {2, 0x22}}), rng);
  ASSERT_TRUE(both.open_root(root));
  EXPECT_TRUE(before.equals(both.derive("pepper/v1").reveal()));
  const auto resealed = both.reseal_root(root);
  ASSERT_TRUE(resealed);

  KeyRing rotated(keys({{2, 0x22}}), rng);
  EXPECT_FALSE(rotated.open_root(root));
  EXPECT_FALSE(rotated.has_root());
  ASSERT_TRUE(rotated.open_root(*resealed));
  EXPECT_TRUE(before.equals(rotated.derive("pepper/v1").reveal()));
  EXPECT_FALSE(rotated.open_root(rotated.seal(as_bytes("short"), KeyRing::kRootPlace)));
}

TEST_F(Sealed, ARingNeedsProperKeys) {
  EXPECT_THROW(KeyRing(MasterKeys{}, rng), std::invalid_argument);
  EXPECT_THROW(KeyRing(keys({{1, 1}, {1, 2}}), rng), std::invalid_argument);
  MasterKeys bad;
  bad.push_back({1, Secret(Bytes(31, 1))});
  EXPECT_THROW(KeyRing(bad, rng), std::invalid_argument);
}

}  // namespace
}  // namespace vestibule::crypto
