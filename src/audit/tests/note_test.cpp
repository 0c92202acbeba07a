#include "audit/note.hpp"

#include <gtest/gtest.h>

#include "audit/merkle.hpp"
#include "audit/proof.hpp"
#include "audit/record_codec.hpp"
#include "json/value.hpp"

namespace vestibule::audit {
namespace {

crypto::SigningKey key(std::uint8_t fill) {
  return std::move(*crypto::SigningKey::from_seed(Secret(Bytes(32, fill))));
}

constexpr std::string_view kOrigin = "vestibule.local/audit";

std::string replace(std::string text, std::string_view what, std::string_view with) {
  const std::size_t at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return text.replace(at, what.size(), with);
}

TEST(Note, KeyHashAndVerifierKeyOfTheC2spExample) {
  // golang.org/x/mod/sumdb/note, package documentation.
  const std::string example = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
  const Bytes blob = *unbase64(example.substr(example.rfind('+') + 1));
  ASSERT_EQ(blob.size(), 33U);
  EXPECT_EQ(vkey("PeterNeumann", ByteView(blob).subspan(1)), example);
  const std::string_view text =
      "If you think cryptography is the answer to your problem,\n"
      "then you don't know what your problem is.\n";
  const Bytes signature = *unbase64(
      "x08go/ZJkuBS9UG/"
      "SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=");
  EXPECT_TRUE(crypto::verify_signature(ByteView(blob).subspan(1), as_bytes(text),
                                       ByteView(signature).subspan(4)));
  EXPECT_EQ(hex(ByteView(signature).first(4)), "c74f20a3");
}

TEST(Note, SignsAndOpens) {
  const auto k = key(7);
  Digest root{};
  root[0] = 9;
  const std::string note = sign_checkpoint(kOrigin, 12345, root, k);
  EXPECT_TRUE(note.starts_with(
      "vestibule.local/audit\n12345\nCQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n"
      "\xE2\x80\x94 vestibule.local/audit "));
  const auto c = open_checkpoint(note, k.public_key());
  ASSERT_TRUE(c);
  EXPECT_EQ(c->origin, kOrigin);
  EXPECT_EQ(c->size, 12345U);
  EXPECT_EQ(c->root, root);
  EXPECT_FALSE(open_checkpoint(note, key(8).public_key()));
  EXPECT_FALSE(open_checkpoint(note, {}));
}

TEST(Note, EveryCutAndFlipIsRefused) {
  const auto k = key(7);
  const std::string note = sign_checkpoint(kOrigin, 77, leaf_hash({}), k);
  for (std::size_t n = 0; n < note.size(); ++n)
    EXPECT_FALSE(open_checkpoint(note.substr(0, n), k.public_key())) << n;
  for (std::size_t at = 0; at < note.size(); ++at) {
    for (const unsigned x : {1U, 2U, 0x20U, 0x80U, 0xFFU}) {
      std::string bad = note;
      bad[at] = static_cast<char>(static_cast<unsigned char>(bad[at]) ^ x);
      EXPECT_FALSE(open_checkpoint(bad, k.public_key())) << at << " xor " << x;
    }
  }
}

TEST(Note, ParserIsStrict) {
  const std::string good = sign_checkpoint(kOrigin, 77, leaf_hash({}), key(7));
  ASSERT_TRUE(parse_checkpoint(good));
  const std::string line = good.substr(good.find("\xE2\x80\x94"));
  struct Row {
    std::string_view name;
    std::string text;
    bool parses;
  };
  const Row rows[] = {
      {"witness signature besides",
       good + replace(line, "vestibule.local/audit", "witness.example"), true},
      {"extension line", replace(good, "=\n\n", "=\nextension\n\n"), true},
      {"size with leading zero", replace(good, "\n77\n", "\n077\n"), false},
      {"size with sign", replace(good, "\n77\n", "\n+77\n"), false},
      {"size hexadecimal", replace(good, "\n77\n", "\n0x77\n"), false},
      {"size empty", replace(good, "\n77\n", "\n\n"), false},
      {"size 2^64", replace(good, "\n77\n", "\n18446744073709551616\n"), false},
      {"CRLF", replace(good, "\n77\n", "\r\n77\r\n"), false},
      {"NUL", replace(good, "\n77\n", std::string("\n77\0\n", 5)), false},
      {"hyphen for the dash", replace(good, "\xE2\x80\x94", "-"), false},
      {"no signature", good.substr(0, good.find("\xE2\x80\x94")), false},
      {"no final newline", good.substr(0, good.size() - 1), false},
      {"junk behind", good + "junk\n", false},
      {"broken UTF-8", replace(good, "audit", "\xFF"), false},
      {"space in the origin", replace(good, "vestibule.local", "vestibule local"), false},
      {"signature shorter than a key hash",
       good.substr(0, good.size() - line.size()) + "\xE2\x80\x94 n AAAA\n", false},
      {"root of 31 bytes", replace(good, base64(leaf_hash({})), base64(Bytes(31))), false},
      {"empty", "", false},
  };
  for (const Row& r : rows) EXPECT_EQ(parse_checkpoint(r.text).has_value(), r.parses) << r.name;
  EXPECT_TRUE(open_checkpoint(rows[0].text, key(7).public_key()));
  EXPECT_FALSE(open_checkpoint(rows[1].text, key(7).public_key()))
      << "the extension line is not signed";
}

TEST(Note, OriginsThatServe) {
  for (const char* good : {"a", "vestibule.local/audit", "b\xC3\xBCro/log"})
    EXPECT_TRUE(valid_origin(good)) << good;
  for (const char* bad : {"", "a b", "a+b", "a\n", "a\t", "\xFF",
                          "a\xC2\xA0"
                          "b",
                          "a\xE3\x80\x80"})
    EXPECT_FALSE(valid_origin(bad)) << bad;
}

TEST(Note, SplitsAFile) {
  const auto k = key(7);
  std::vector<std::string> notes;
  for (std::uint64_t n = 1; n <= 3; ++n)
    notes.push_back(sign_checkpoint(kOrigin, n, leaf_hash({}), k));
  const std::vector<std::string_view> want(notes.begin(), notes.end());
  EXPECT_EQ(split_notes(notes[0] + notes[1] + notes[2]), want);
  EXPECT_EQ(split_notes("\n\n" + notes[0] + "\n" + notes[1] + "\n\n\n" + notes[2] + "\n"), want);
  EXPECT_TRUE(split_notes("").empty());
  EXPECT_TRUE(split_notes("\n\n").empty());
  const std::string torn = notes[0] + "\n" + notes[1].substr(0, notes[1].size() / 2);
  const auto pieces = split_notes(torn);
  ASSERT_EQ(pieces.size(), 2U);
  EXPECT_EQ(pieces[0], notes[0]);
  EXPECT_FALSE(parse_checkpoint(pieces[1]));
}

// --- proofs

struct SmallLog {
  std::vector<Bytes> leaves;
  std::vector<Digest> hashes;
  explicit SmallLog(std::uint64_t n) {
    for (std::uint64_t i = 0; i < n; ++i) {
      LeafView l;
      l.seq = i;
      l.kind = Kind::admission;
      l.outcome = "allow";
      l.reason = "ok";
      encode_leaf(l, leaves.emplace_back());
      hashes.push_back(leaf_hash(leaves.back()));
    }
  }
  [[nodiscard]] Digest root(std::uint64_t from, std::uint64_t to) const {
    Frontier f;
    for (; from < to; ++from) f.append(hashes[from]);
    return f.root();
  }
  [[nodiscard]] std::string proof(std::uint64_t seq, const crypto::SigningKey& k) const {
    std::vector<Digest> path;
    for (const Subtree& s : path_subtrees(seq, leaves.size())) path.push_back(root(s.begin, s.end));
    return proof_json(seq, leaves[seq], path,
                      sign_checkpoint(kOrigin, leaves.size(), root(0, leaves.size()), k));
  }
};

TEST(Proof, StandsOnItsOwn) {
  const auto k = key(7);
  for (const std::uint64_t n : {1U, 2U, 3U, 8U, 13U}) {
    const SmallLog log(n);
    for (std::uint64_t i = 0; i < n; ++i) {
      const auto r = check_proof(log.proof(i, k), k.public_key());
      EXPECT_TRUE(r) << i << " of " << n << ": " << r.error().detail;
    }
  }
}

TEST(Proof, NothingElsePasses) {
  const auto k = key(7);
  const SmallLog log(13);
  const std::string good = log.proof(5, k);
  EXPECT_FALSE(check_proof(good, key(8).public_key()));
  EXPECT_FALSE(check_proof("", k.public_key()));
  EXPECT_FALSE(check_proof("{}", k.public_key()));
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (const char x : {'\x01', '\x02', '\x20'}) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ x);
      EXPECT_FALSE(check_proof(bad, k.public_key())) << at << " xor " << int{x};
    }
  }
  const json::Value v = *json::parse(good);
  const auto with = [&](std::string_view name, json::Value value) {
    json::Value copy = v;
    copy.set(name, std::move(value));
    return copy.dump();
  };
  ASSERT_TRUE(check_proof(v.dump(), k.public_key()));
  EXPECT_FALSE(check_proof(with("seq", std::int64_t{6}), k.public_key()));
  EXPECT_FALSE(check_proof(with("seq", std::int64_t{-1}), k.public_key()));
  EXPECT_FALSE(check_proof(with("seq", "5"), k.public_key()));
  EXPECT_FALSE(check_proof(with("record", base64(log.leaves[6])), k.public_key()));
  EXPECT_FALSE(check_proof(with("leaf_hash", hex(log.hashes[6])), k.public_key()));
  EXPECT_FALSE(check_proof(with("path", json::Array{}), k.public_key()));
  EXPECT_FALSE(check_proof(with("extra", true), k.public_key()));
  EXPECT_FALSE(check_proof(with("format", "vestibule-audit-proof/v2"), k.public_key()));
  EXPECT_FALSE(check_proof(with("checkpoint", sign_checkpoint(kOrigin, 12, log.root(0, 12), k)),
                           k.public_key()));
  EXPECT_FALSE(check_proof(
      with("checkpoint", sign_checkpoint(kOrigin, 13, log.root(0, 13), key(8))), k.public_key()));
}

}  // namespace
}  // namespace vestibule::audit
