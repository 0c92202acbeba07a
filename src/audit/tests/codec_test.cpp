// The freeze of record version 1: the vectors below were made by a program of its own from the
// description in record_codec.hpp. They are never to be changed.

#include "audit/record_codec.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "audit/entry.hpp"
#include "crypto/hash.hpp"

namespace vestibule::audit {
namespace {

constexpr std::string_view kFullEntry =
    "006a101112131415161718191a1b1c1d1e1f010110a0a1a2a3a4a5a6a7a8a9aaabacadaeaf0204616e6e610310b0b1"
    "b2b3b4"
    "b5b6b7b8b9babbbcbdbebf041000000000000000000000ffffc000020705086375726c2f382e350606626ac3b8726e"
    "070974"
    "776f0a6c696e6573010101010207066517289a62400310c0c1c2c3c4c5c6c7c8c9cacbcccdcecf04056c6c616d6105"
    "046368"
    "6174060a7177656e333a302e36620705616c6c6f7708026f6b090764656661756c740a20d0d1d2d3d4d5d6d7d8d9da"
    "dbdcdd"
    "dedfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf0b01020c110870617373776f7264901c04746f74703b0d0204d20e0301"
    "11700f"
    "2092af7dd6537bd4494b26755d595a7e865debeb9bf25e3f666a7af8c4693e2a1e1001c811010b1202010013010314"
    "0205dc"
    "15032625a01620db109c8dd61d9ef6927d0fae9cd4d4237916d0538ffd7fd33fc1531968c7724e";
constexpr std::string_view kFullLeaf =
    "0100000000000000050101010207066517289a62400310c0c1c2c3c4c5c6c7c8c9cacbcccdcecf04056c6c616d6105"
    "046368"
    "6174060a7177656e333a302e36620705616c6c6f7708026f6b090764656661756c740a20d0d1d2d3d4d5d6d7d8d9da"
    "dbdcdd"
    "dedfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf0b01020c110870617373776f7264901c04746f74703b0d0204d20e0301"
    "11700f"
    "2092af7dd6537bd4494b26755d595a7e865debeb9bf25e3f666a7af8c4693e2a1e1001c811010b1202010013010314"
    "0205dc"
    "15032625a01620db109c8dd61d9ef6927d0fae9cd4d4237916d0538ffd7fd33fc1531968c7724e";
constexpr std::string_view kStopEntry =
    "000001010107020706651728988000050473746f700705616c6c6f7708026f6b";
constexpr std::string_view kBodyOnlyEntry =
    "0011101112131415161718191a1b1c1d1e1f0101010103070464656e790808696e7465726e616c0f2092af7dd6537b"
    "d4494b"
    "26755d595a7e865debeb9bf25e3f666a7af8c4693e2a1e16201d18c18da0dee47b0c36d3fbe0eb359b22b70eb6dabc"
    "8f10d4"
    "56e0498376d368";

constexpr Salt kSalt{0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17,
                     0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f};

template <class A>
A counting(std::uint8_t from, std::uint8_t modulo = 0) {
  A a{};
  for (std::size_t i = 0; i < a.size(); ++i)
    a[i] = static_cast<std::uint8_t>(from + (modulo == 0 ? i : i % modulo));
  return a;
}

domain::Proof proof(domain::FactorKind kind, std::uint8_t id, Instant now,
                    std::chrono::seconds age) {
  domain::Proof p;
  p.kind = kind;
  p.factor.bytes[0] = id;
  p.wall = now.wall - age;
  return p;
}

Record full_record() {
  Record r;
  r.kind = Kind::admission;
  r.at = WallTime(Duration(1'800'000'000'123'456));
  r.request.bytes = counting<std::array<std::uint8_t, 16>>(0xC0);
  r.access_point = "llama";
  r.operation = "chat";
  r.model = "qwen3:0.6b";
  r.rule = "default";
  r.policy = counting<Digest>(0xD0, 16);
  r.level = 2;
  r.now = {r.at, BootTime{}};
  r.evidence.add(proof(domain::FactorKind::password, 1, r.now, std::chrono::seconds(3600)));
  r.evidence.add(proof(domain::FactorKind::totp, 2, r.now, std::chrono::seconds(59)));
  r.body_bytes = 1234;
  r.reply_bytes = 70'000;
  r.body_digest = counting<Digest>(0);
  r.status = 200;
  r.input_tokens = 11;
  r.output_tokens = 256;
  r.count = 3;
  r.waited = std::chrono::microseconds(1500);
  r.total = std::chrono::microseconds(2'500'000);
  r.user.bytes = counting<std::array<std::uint8_t, 16>>(0xA0);
  r.user_name = "anna";
  r.session.bytes = counting<std::array<std::uint8_t, 16>>(0xB0);
  r.source = *domain::Source::parse("192.0.2.7");
  r.client = "curl/8.5";
  r.object = "bj\xC3\xB8rn";
  r.note = "two\nlines";
  return r;
}

Bytes encoded(const Record& r) {
  std::array<std::uint8_t, kMaxEntry> buffer;
  const std::size_t n = encode(r, kSalt, buffer);
  return {buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(n)};
}

Bytes with_seq(ByteView leaf, std::uint64_t seq) {
  Bytes out{leaf[0]};
  for (int shift = 56; shift >= 0; shift -= 8)
    out.push_back(static_cast<std::uint8_t>(seq >> shift));
  out.insert(out.end(), leaf.begin() + 1, leaf.end());
  return out;
}

// An exact copy on the heap, so that the address sanitizer sees a byte too far.
struct Exact {
  explicit Exact(ByteView bytes) : size(bytes.size()), data(new std::uint8_t[bytes.size()]) {
    std::copy(bytes.begin(), bytes.end(), data.get());
  }
  [[nodiscard]] ByteView view() const { return {data.get(), size}; }
  std::size_t size;
  std::unique_ptr<std::uint8_t[]> data;
};

TEST(RecordV1, GoldenBytes) {
  EXPECT_EQ(hex(encoded(full_record())), kFullEntry);

  Record stop;
  stop.kind = Kind::system;
  stop.at = WallTime(std::chrono::seconds(1'800'000'000));
  stop.operation = "stop";
  EXPECT_EQ(hex(encoded(stop)), kStopEntry);

  Record body;
  body.kind = Kind::completion;
  body.outcome = domain::Outcome::deny;
  body.reason = Reason::internal;
  body.body_digest = counting<Digest>(0);
  EXPECT_EQ(hex(encoded(body)), kBodyOnlyEntry);
}

TEST(RecordV1, SplitsAndDecodes) {
  const Bytes entry = *unhex(kFullEntry);
  const auto parts = split_entry(entry);
  ASSERT_TRUE(parts);
  const Bytes leaf = with_seq(parts->leaf, 5);
  EXPECT_EQ(hex(leaf), kFullLeaf);
  EXPECT_EQ(peek_kind(leaf), 1);
  const auto l = decode_leaf(leaf);
  ASSERT_TRUE(l);
  EXPECT_EQ(l->seq, 5U);
  EXPECT_TRUE(
      std::ranges::equal(l->commitment, commit_private(kSalt, parts->salted.subspan(kSaltSize))));
  EXPECT_TRUE(std::ranges::equal(l->body_digest, commit_body(kSalt, counting<Digest>(0))));
  const auto p = decode_private(parts->salted.subspan(kSaltSize));
  ASSERT_TRUE(p);

  const Entry e = make_entry(*l, &*p);
  EXPECT_EQ(e.kind, Kind::admission);
  EXPECT_EQ(e.evidence.size(), 2U);
  EXPECT_EQ(e.evidence[1], std::make_pair(std::string("totp"), std::int64_t{59}));
  EXPECT_EQ(
      to_json(e),
      R"({"seq":5,"kind":"admission","at":"2027-01-15T08:00:00.123456Z","request":"req_)" +
          e.request.substr(4) +
          R"(","access_point":"llama","operation":"chat","model":"qwen3:0.6b","outcome":"allow",)"
          R"("reason":"ok","rule":"default","policy":")" +
          e.policy +
          R"(","level":2,"evidence":[{"factor":"password","age_s":3600},{"factor":"totp","age_s":59}],)"
          R"("body_bytes":1234,"reply_bytes":70000,"body_digest":")" +
          e.body_digest +
          R"(","status":200,"input_tokens":11,"output_tokens":256,"count":3,"waited_us":1500,)"
          R"("total_us":2500000,"user":")" +
          e.user + R"(","user_name":"anna","session":")" + e.session +
          R"(","source":"192.0.2.7","client":"curl/8.5","object":"bjørn","note":"two\nlines"})");

  const Entry erased = make_entry(*l, nullptr);
  EXPECT_TRUE(erased.erased);
  EXPECT_TRUE(to_json(erased).find("anna") == std::string::npos);
  EXPECT_TRUE(to_json(erased).find("\"erased\":true") != std::string::npos);
}

TEST(RecordV1, EveryReasonAndKindComesBack) {
  for (std::size_t i = 0; i < reason_count(); ++i) {
    Record r;
    r.kind = Kind::refusal;
    r.reason = static_cast<Reason>(i);
    const Bytes leaf = with_seq(split_entry(encoded(r))->leaf, 0);
    const auto l = decode_leaf(leaf);
    ASSERT_TRUE(l);
    EXPECT_EQ(reason_from(l->reason), r.reason);
  }
  for (int k = 1; k <= 7; ++k)
    EXPECT_EQ(kind_from(name(static_cast<Kind>(k))), static_cast<Kind>(k));
  EXPECT_FALSE(kind_from("unknown"));
}

TEST(RecordV1, LongTextsAreCutNotInsideACharacter) {
  Record r;
  r.kind = Kind::change;
  const std::string euros = [] {
    std::string s;
    for (int i = 0; i < 1000; ++i) s += "\xE2\x82\xAC";
    return s;
  }();
  const std::string broken(2000, '\x80');
  r.access_point = r.operation = r.model = r.rule = r.user_name = r.client = r.object = euros;
  r.note = broken;
  const Bytes entry = encoded(r);
  EXPECT_LT(entry.size(), kMaxEntry);
  const auto parts = split_entry(entry);
  const Bytes leaf = with_seq(parts->leaf, 0);
  const auto l = decode_leaf(leaf);
  const auto p = decode_private(parts->salted.subspan(kSaltSize));
  ASSERT_TRUE(l && p);
  for (const auto& [text, limit] : {std::pair{l->access_point, 96U},
                                    {l->operation, 192U},
                                    {l->model, 256U},
                                    {l->rule, 96U},
                                    {p->user_name, 96U},
                                    {p->client, 128U},
                                    {p->object, 256U}}) {
    EXPECT_TRUE(is_utf8(text));
    EXPECT_EQ(text.size(), limit / 3 * 3);
  }
  EXPECT_EQ(p->note.size(), 512U);  // no UTF-8: cut anywhere, shown with replacement characters
  EXPECT_TRUE(is_utf8(to_json(make_entry(*l, &*p))));
}

TEST(RecordV1, ExtremeNumbers) {
  Record r;
  r.kind = Kind::completion;
  r.at = WallTime(Duration(-5));
  r.level = -1;
  r.body_bytes = ~std::uint64_t{0};
  r.status = 65535;
  r.count = ~std::uint32_t{0};
  r.waited = std::chrono::microseconds(-1);
  r.total = std::chrono::microseconds::max();
  r.source = *domain::Source::parse("unix");
  const Bytes entry = encoded(r);
  const auto parts = split_entry(entry);
  const Bytes leaf = with_seq(parts->leaf, ~std::uint64_t{0});
  const auto l = decode_leaf(leaf);
  ASSERT_TRUE(l);
  EXPECT_EQ(l->seq, ~std::uint64_t{0});
  EXPECT_EQ(l->at, 0U);
  EXPECT_EQ(l->level, 0);
  EXPECT_EQ(l->body_bytes, ~std::uint64_t{0});
  EXPECT_EQ(l->waited_us, 0U);
  EXPECT_EQ(make_entry(*l, nullptr).total_us, std::numeric_limits<std::int64_t>::max());
  const auto p = decode_private(parts->salted.subspan(kSaltSize));
  EXPECT_EQ(make_entry(*l, &*p).source, "unix");
}

// Whatever the decoder takes, it takes in one spelling only.
template <class Decode, class Encode>
void strict(const Bytes& good, Decode decode, Encode again) {
  for (std::size_t n = 0; n < good.size(); ++n) {
    const Exact cut(ByteView(good).first(n));
    if (const auto v = decode(cut.view())) {
      Bytes out;
      again(*v, out);
      EXPECT_TRUE(std::ranges::equal(out, cut.view())) << "cut to " << n;
    }
  }
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (unsigned x = 1; x < 256; ++x) {
      Bytes flipped = good;
      flipped[at] ^= static_cast<std::uint8_t>(x);
      const Exact bytes(flipped);
      if (const auto v = decode(bytes.view())) {
        Bytes out;
        again(*v, out);
        ASSERT_TRUE(std::ranges::equal(out, flipped)) << "byte " << at << " xor " << x;
      }
    }
  }
  for (unsigned x = 0; x < 256; ++x) {
    Bytes longer = good;
    longer.push_back(static_cast<std::uint8_t>(x));
    EXPECT_FALSE(decode(Exact(longer).view())) << "appended " << x;
  }
}

TEST(RecordV1, StrictUnderEveryCutAndFlip) {
  strict(*unhex(kFullLeaf), decode_leaf, encode_leaf);
  const Bytes entry = *unhex(kFullEntry);
  const ByteView salted = split_entry(entry)->salted.subspan(kSaltSize);
  strict(Bytes(salted.begin(), salted.end()), decode_private, encode_private);
  for (std::size_t n = 0; n < entry.size(); ++n) {
    const Exact cut(ByteView(entry).first(n));
    (void)split_entry(cut.view());
  }
}

TEST(RecordV1, RefusesSecondSpellings) {
  struct Row {
    std::string_view name, fields;
  };
  // After version and seq. A valid minimum is kind 7, outcome "allow", reason "ok".
  for (const Row& r : {
           Row{"no kind", "0705616c6c6f7708026f6b"},
           Row{"no outcome", "01010708026f6b"},
           Row{"no reason", "0101070705616c6c6f77"},
           Row{"kind 0", "0101000705616c6c6f7708026f6b"},
           Row{"kind 8", "0101080705616c6c6f7708026f6b"},
           Row{"kind with a leading zero", "010200070705616c6c6f7708026f6b"},
           Row{"length as a long varint", "018100070705616c6c6f7708026f6b"},
           Row{"length over the end", "0101070705616c6c6f7708036f6b"},
           Row{"empty field", "01010702000705616c6c6f7708026f6b"},
           Row{"tags descend", "01010708026f6b0705616c6c6f77"},
           Row{"tag twice", "0101070101070705616c6c6f7708026f6b"},
           Row{"unknown tag 23", "0101070705616c6c6f7708026f6b170101"},
           Row{"tag 0", "0001010101070705616c6c6f7708026f6b"},
           Row{"outcome no code", "0101070705416c6c6f7708026f6b"},
           Row{"nil request",
               "01010703100000000000000000000000000000000007"
               "05616c6c6f7708026f6b"},
           Row{"level over 255", "0101070705616c6c6f7708026f6b0b020100"},
           Row{"time over 63 bits",
               "01010702088000000000000000"
               "0705616c6c6f7708026f6b"},
           Row{"status over 16 bits", "0101070705616c6c6f7708026f6b1003010000"},
           Row{"evidence without an age", "0101070705616c6c6f7708026f6b0c0504746f7470"},
           Row{"evidence age as a long varint", "0101070705616c6c6f7708026f6b0c0704746f74708000"},
           Row{"evidence with an empty code", "0101070705616c6c6f7708026f6b0c020001"},
       }) {
    const Bytes leaf = *unhex(std::string("010000000000000000") + std::string(r.fields));
    EXPECT_FALSE(decode_leaf(leaf)) << r.name;
  }
  EXPECT_TRUE(decode_leaf(*unhex("0100000000000000000101070705616c6c6f7708026f6b")));
  EXPECT_FALSE(decode_leaf(*unhex("0200000000000000000101070705616c6c6f7708026f6b")))
      << "version 2";
  EXPECT_TRUE(decode_private(*unhex("01")));
  EXPECT_FALSE(decode_private(*unhex("00")));
  EXPECT_FALSE(decode_private(*unhex("01040102"))) << "source of one byte that is not 1";
  EXPECT_FALSE(decode_private(*unhex("010800"))) << "unknown tag";
}

TEST(RecordV1, SaltsMakeCommitmentsDiffer) {
  Record r = full_record();
  std::array<std::uint8_t, kMaxEntry> a;
  std::array<std::uint8_t, kMaxEntry> b;
  Salt other = kSalt;
  other[15] ^= 1U;
  const std::size_t n = encode(r, kSalt, a);
  ASSERT_EQ(encode(r, other, b), n);
  const Bytes la = with_seq(split_entry(ByteView(a.data(), n))->leaf, 0);
  const Bytes lb = with_seq(split_entry(ByteView(b.data(), n))->leaf, 0);
  EXPECT_FALSE(std::ranges::equal(decode_leaf(la)->commitment, decode_leaf(lb)->commitment));
  EXPECT_FALSE(std::ranges::equal(decode_leaf(la)->body_digest, decode_leaf(lb)->body_digest));
}

TEST(RecordV1, NothingPrivateInTheLeaf) {
  const Record r = full_record();
  const Bytes leaf = *unhex(kFullLeaf);
  const std::string_view bytes = as_text(leaf);
  for (const std::string_view text :
       {r.user_name, r.client, r.object, r.note, as_text(r.user.bytes), as_text(r.session.bytes),
        as_text(r.source.address), as_text(r.body_digest)})
    EXPECT_EQ(bytes.find(text), std::string_view::npos);
}

}  // namespace
}  // namespace vestibule::audit
