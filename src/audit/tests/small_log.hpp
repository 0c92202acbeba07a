#pragma once
// A small log as its tables hold it, and its tables changed.

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "audit/merkle.hpp"
#include "audit/note.hpp"
#include "audit/record_codec.hpp"
#include "audit/scan.hpp"
#include "audit/segment.hpp"

namespace vestibule::audit::testing {

inline crypto::SigningKey signing_key(std::uint8_t fill = 7) {
  return std::move(*crypto::SigningKey::from_seed(Secret(Bytes(32, fill))));
}

struct Tables {
  struct Segment {
    std::uint64_t first = 0, records = 0;
    Bytes leaves, fields;
  };
  struct Row {
    std::uint64_t size = 0;
    std::string note;
  };
  std::vector<Segment> segments;
  std::vector<Row> checkpoints;
  bool has_tree = true;
  std::uint64_t size = 0;
  Bytes frontier;
  std::string shipped;
  struct Subtree {
    unsigned level = 0;
    std::uint64_t index = 0;
    Bytes root;
  };
  std::vector<Subtree> subtrees;

  [[nodiscard]] VerifyReport verify(ByteView public_key, std::uint64_t since = 0) const {
    Scan scan(public_key, shipped, since);
    for (const Row& r : checkpoints) scan.stored_checkpoint(r.size, r.note);
    for (const Subtree& t : subtrees) scan.stored_subtree(t.level, t.index, t.root);
    for (const Segment& s : segments) scan.segment(s.first, s.records, s.leaves, s.fields);
    return scan.finish(has_tree ? &size : nullptr, frontier);
  }
};

inline std::vector<Bytes> pieces(ByteView blob) {
  std::vector<Bytes> out;
  Pieces p(blob);
  ByteView piece;
  while (p.next(piece)) out.emplace_back(piece.begin(), piece.end());
  return out;
}
inline Bytes joined(const std::vector<Bytes>& all) {
  Bytes out;
  for (const Bytes& b : all) append_piece(out, b);
  return out;
}

/// Gives tree row and checkpoints that fit the segments, as the gateway itself would have written
/// them: for attackers with the store in hand, and the key too if `key` is the gateway's.
inline void rebuild(Tables& t, const crypto::SigningKey* key) {
  Frontier f;
  std::vector<Tables::Row> made;
  for (auto& s : t.segments) {
    for (const Bytes& leaf : pieces(s.leaves)) {
      f.append(leaf_hash(leaf));
      for (const auto& c : t.checkpoints) {
        if (key != nullptr && c.size == f.size())
          made.push_back(
              {f.size(), sign_checkpoint("vestibule.local/audit", f.size(), f.root(), *key)});
      }
    }
  }
  if (key != nullptr) t.checkpoints = made;
  t.size = f.size();
  t.frontier = f.bytes();
}

/// Record i of the small log.
inline Record sample(std::uint64_t i, std::string& name) {
  Record r;
  r.kind = i % 2 == 0 ? Kind::admission : Kind::completion;
  r.at = WallTime(std::chrono::seconds(1'800'000'000 + i));
  r.access_point = "llama";
  r.operation = "chat";
  r.model = "qwen3:0.6b";
  r.request.bytes[0] = static_cast<std::uint8_t>(1 + i);
  r.body_digest[3] = static_cast<std::uint8_t>(1 + i);
  name = i % 3 == 0 ? "anna" : "bert";
  r.user_name = name;
  r.source = *domain::Source::parse("192.0.2.9");
  r.client = "curl/8.5";
  return r;
}

/// 24 records in 6 segments of 4, checkpoints at 8, 16 and 24; shipped: all three.
inline Tables small_log() {
  Tables t;
  const auto key = signing_key();
  Frontier f;
  for (std::uint64_t i = 0; i < 24; ++i) {
    if (i % 4 == 0) t.segments.push_back({i, 4, {}, {}});
    std::string name;
    const Record r = sample(i, name);
    Salt salt{};
    salt[0] = static_cast<std::uint8_t>(i + 1);
    std::array<std::uint8_t, kMaxEntry> buffer;
    const std::size_t n = encode(r, salt, buffer);
    const auto entry = split_entry(ByteView(buffer.data(), n));
    Bytes leaf{1, 0, 0, 0, 0, 0, 0, 0, static_cast<std::uint8_t>(i)};
    leaf.insert(leaf.end(), entry->leaf.begin() + 1, entry->leaf.end());
    append_piece(t.segments.back().leaves, leaf);
    append_piece(t.segments.back().fields, entry->salted);
    f.append(leaf_hash(leaf));
    if (f.size() % 8 == 0) {
      t.checkpoints.push_back(
          {f.size(), sign_checkpoint("vestibule.local/audit", f.size(), f.root(), key)});
      t.shipped += t.checkpoints.back().note + "\n";
    }
  }
  t.size = f.size();
  t.frontier = f.bytes();
  return t;
}

inline void edit_leaf(Tables& t, std::size_t segment, std::size_t index,
                      const std::function<void(Bytes&)>& f) {
  auto all = pieces(t.segments[segment].leaves);
  f(all[index]);
  t.segments[segment].leaves = joined(all);
}
inline void edit_piece(Tables& t, std::size_t segment, std::size_t index,
                       const std::function<void(Bytes&)>& f) {
  auto all = pieces(t.segments[segment].fields);
  f(all[index]);
  t.segments[segment].fields = joined(all);
}
/// Leaves the bytes a valid leaf: the model's name becomes another one.
inline void rename_model(Bytes& leaf) {
  const std::string_view old = "qwen3";
  const auto at = std::search(leaf.begin(), leaf.end(), old.begin(), old.end());
  *at = 'Q';
}
/// Numbers everything anew from `from` on, as if nothing had ever been there.
inline void renumber(Tables& t) {
  std::uint64_t next = 0;
  for (auto& s : t.segments) {
    s.first = next;
    auto all = pieces(s.leaves);
    for (Bytes& leaf : all) {
      for (std::size_t i = 0; i < 8; ++i)
        leaf[1 + i] = static_cast<std::uint8_t>(next >> (56 - 8 * i));
      ++next;
    }
    s.records = all.size();
    s.leaves = joined(all);
  }
}

}  // namespace vestibule::audit::testing
