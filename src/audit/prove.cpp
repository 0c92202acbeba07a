// Inclusion proofs out of the store, and finding what is to be proved. Over one transaction.
#include <bit>
#include <limits>

#include "audit/log.hpp"
#include "audit/merkle.hpp"
#include "audit/note.hpp"
#include "audit/opened.hpp"
#include "audit/segment.hpp"

namespace vestibule::audit {
namespace {

constexpr Duration kSlack = std::chrono::minutes(2);  // between the making of a record and its place in the log

// The segments that hold leaves of [begin, end).
constexpr std::string_view kLeavesOf =
    "SELECT first_seq, leaves FROM audit_segment WHERE first_seq >= (SELECT MAX(first_seq) FROM audit_segment WHERE first_seq <= $1) AND "
    "first_seq < $2 ORDER BY first_seq";

/// Roots of parts of the tree, from what the store has of them.
class Roots {
 public:
  explicit Roots(store::Tx& tx) : tx_(tx) {}

  Result<Digest> of(Subtree part) {
    const std::uint64_t leaves = part.end - part.begin;
    if (std::has_single_bit(leaves) && part.begin % leaves == 0) {
      const auto level = static_cast<unsigned>(std::countr_zero(leaves));
      if (level > 0 && level % kSubtreeBits == 0) {
        Result<std::optional<Digest>> kept = stored(level, part.begin >> level);
        if (!kept) return std::move(kept).error();
        if (*kept) return **kept;
      }
    }
    if (leaves <= (std::uint64_t{1} << kSubtreeBits)) return hashed(part);
    const std::uint64_t middle = part.begin + std::bit_floor(leaves - 1);
    Result<Digest> left = of({part.begin, middle});
    if (!left) return left;
    Result<Digest> right = of({middle, part.end});
    if (!right) return right;
    return node_hash(*left, *right);
  }

 private:
  Result<std::optional<Digest>> stored(unsigned level, std::uint64_t index) {
    std::optional<Digest> root;
    auto found = tx_.one("SELECT root FROM audit_subtree WHERE level = $1 AND idx = $2", {level, index}, [&](const store::Row& row) {
      const ByteView raw = row.blob(0);
      if (raw.size() == sizeof(Digest)) std::copy(raw.begin(), raw.end(), root.emplace().begin());
    });
    if (!found) return std::move(found).error();
    return root;
  }
  Result<Digest> hashed(Subtree part) {
    Frontier tree;
    auto read = tx_.query(kLeavesOf, {part.begin, part.end}, [&](const store::Row& row) {
      Pieces pieces(row.blob(1));
      ByteView leaf;
      for (auto n = static_cast<std::uint64_t>(row.integer(0)); n < part.end && pieces.next(leaf); ++n) {
        if (n == part.begin + tree.size()) tree.append(leaf_hash(leaf));
      }
      return true;
    });
    if (!read) return std::move(read).error();
    if (tree.size() != part.end - part.begin) return fail(Reason::log_corrupt, "records are missing: verify the log");
    return tree.root();
  }

  store::Tx& tx_;
};

/// Leaf, and private part with its salt; empty where there is none.
struct Pair {
  Bytes leaf, piece;
};
Result<Pair> read_record(store::Tx& tx, std::uint64_t seq) {
  Pair out;
  auto found = tx.one("SELECT first_seq, leaves, private FROM audit_segment WHERE first_seq <= $1 ORDER BY first_seq DESC LIMIT 1", {seq},
                      [&](const store::Row& row) {
                        Pieces leaves(row.blob(1));
                        Pieces fields(row.blob(2));
                        ByteView leaf;
                        ByteView piece;
                        for (auto n = static_cast<std::uint64_t>(row.integer(0)); leaves.next(leaf) && fields.next(piece); ++n) {
                          if (n != seq) continue;
                          out.leaf.assign(leaf.begin(), leaf.end());
                          out.piece.assign(piece.begin(), piece.end());
                          break;
                        }
                      });
  if (!found) return std::move(found).error();
  if (out.leaf.empty()) return fail(Reason::not_found, "no record " + std::to_string(seq));
  return out;
}

Result<std::string> prove(store::Tx& tx, std::uint64_t seq, ByteView leaf) {
  std::string note;
  auto found = tx.one("SELECT note FROM audit_checkpoint ORDER BY size DESC LIMIT 1", {}, [&](const store::Row& row) { note = row.text(0); });
  if (!found) return std::move(found).error();
  const auto checkpoint = parse_checkpoint(note);
  if (!note.empty() && !checkpoint) return fail(Reason::log_corrupt, "the newest checkpoint is damaged");
  if (note.empty() || checkpoint->size <= seq) {
    return fail(Reason::conflict, "no checkpoint covers record " + std::to_string(seq) + " yet");
  }
  Roots roots(tx);
  std::vector<Digest> path;
  for (const Subtree& part : path_subtrees(seq, checkpoint->size)) {
    Result<Digest> root = roots.of(part);
    if (!root) return std::move(root).error();
    path.push_back(*root);
  }
  const auto root = root_from_path(leaf_hash(leaf), seq, checkpoint->size, path);
  if (!root || *root != checkpoint->root) {
    return fail(Reason::log_corrupt, "the records do not give the newest checkpoint's root: verify the log");
  }
  return proof_json(seq, leaf, path, note);
}

/// When the segment that holds this record begins; nothing if that cannot be read.
Result<std::optional<WallTime>> time_at(store::Tx& tx, std::uint64_t seq) {
  std::optional<WallTime> at;
  auto found = tx.one("SELECT leaves FROM audit_segment WHERE first_seq <= $1 ORDER BY first_seq DESC LIMIT 1", {seq}, [&](const store::Row& row) {
    Pieces pieces(row.blob(0));
    ByteView first;
    if (!pieces.next(first)) return;
    if (const auto leaf = decode_leaf(first)) at = WallTime(Duration(static_cast<std::int64_t>(leaf->at)));
  });
  if (!found) return std::move(found).error();
  return at;
}

/// Where the log was at this time, as far as its clock went forwards only.
Result<std::uint64_t> around(store::Tx& tx, WallTime at) {
  std::uint64_t size = 0;
  auto found = tx.one("SELECT size FROM audit_tree WHERE id = 1", {}, [&](const store::Row& row) { size = static_cast<std::uint64_t>(row.integer(0)); });
  if (!found) return std::move(found).error();
  std::uint64_t low = 0;
  while (low < size) {
    const std::uint64_t middle = low + (size - low) / 2;
    Result<std::optional<WallTime>> then = time_at(tx, middle);
    if (!then) return std::move(then).error();
    if (*then && **then < at) {
      low = middle + 1;
    } else {
      size = middle;
    }
  }
  return low;
}

}  // namespace

Result<std::string> prove(store::Tx& tx, std::uint64_t seq) {
  auto record = read_record(tx, seq);
  if (!record) return std::move(record).error();
  return prove(tx, seq, record->leaf);
}

Result<std::string> prove_opened(store::Tx& tx, std::uint64_t seq) {
  auto record = read_record(tx, seq);
  if (!record) return std::move(record).error();
  const ByteView piece = record->piece;
  if (piece.size() <= kSaltSize) return fail(Reason::not_found, "nothing is kept of record " + std::to_string(seq) + " but its leaf");
  auto proof = prove(tx, seq, record->leaf);
  if (!proof) return std::move(proof).error();
  return opened_json(piece.first(kSaltSize), piece.subspan(kSaltSize), *proof);
}

Result<std::uint64_t> find_noted(store::Tx& tx, Kind kind, std::string_view operation, std::string_view note, WallTime at) {
  Filter f;
  f.kind = kind;
  f.operation = operation;
  f.since = at - std::chrono::seconds(1);
  f.until = at + std::chrono::seconds(1);
  f.limit = std::numeric_limits<std::size_t>::max();  // however busy that moment was
  f.newest_first = false;
  std::optional<std::uint64_t> seq;
  const auto look = [&](const Entry& e) {
    if (e.note == note) seq = e.seq;
    return !seq;
  };
  Result<std::uint64_t> from = around(tx, at - kSlack);
  if (!from) return std::move(from).error();
  Result<std::uint64_t> to = around(tx, at + kSlack);
  if (!to) return std::move(to).error();
  f.from_seq = *from > 0 ? *from - 1 : 0;
  f.to_seq = *to;
  auto listed = list(tx, f, look);
  if (listed && !seq) {
    f.from_seq = f.to_seq = std::nullopt;
    f.newest_first = true;
    listed = list(tx, f, look);
  }
  if (!listed) return std::move(listed).error();
  if (!seq) return fail(Reason::not_found, "its record is not in the log any more");
  return *seq;
}

}  // namespace vestibule::audit
