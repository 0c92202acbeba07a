// The reading side: list, verify, erase. All of it over one transaction.

#include "audit/log.hpp"
#include "audit/record_codec.hpp"
#include "audit/segment.hpp"

namespace vestibule::audit {
namespace {

constexpr std::int64_t kMaxSeq = std::numeric_limits<std::int64_t>::max();

std::int64_t as_seq(std::uint64_t n) noexcept {
  return n > static_cast<std::uint64_t>(kMaxSeq) ? kMaxSeq : static_cast<std::int64_t>(n);
}

// Whether a record passes, from the cheap tests to the dear ones.
class Match {
 public:
  explicit Match(const Filter& f) : filter_(f) {
    if (!f.request.empty()) request_ = RequestId::parse(f.request);
  }
  [[nodiscard]] bool leaf(const LeafView& l) const {
    const Filter& f = filter_;
    const WallTime at{Duration(static_cast<std::int64_t>(l.at))};
    if (f.kind && l.kind != *f.kind) return false;
    if ((f.since && at < *f.since) || (f.until && at > *f.until)) return false;
    if (!f.access_point.empty() && l.access_point != f.access_point) return false;
    if (!f.operation.empty() && l.operation != f.operation) return false;
    if (!f.reason.empty() && l.reason != f.reason) return false;
    if (!f.request.empty() && (!request_ || RequestId::from(l.request) != request_)) return false;
    return (!f.from_seq || l.seq >= *f.from_seq) && (!f.to_seq || l.seq <= *f.to_seq);
  }
  [[nodiscard]] bool fields(const PrivateView* p) const {
    return filter_.user_name.empty() || (p != nullptr && (p->user_name == filter_.user_name || of_service(p->object)));
  }

 private:
  // What a service account did stands under its sponsor's name: "service NAME, key NAME" is the object.
  [[nodiscard]] bool of_service(std::string_view object) const noexcept {
    constexpr std::string_view kService = "service ";
    if (!object.starts_with(kService)) return false;
    object.remove_prefix(kService.size());
    return object.starts_with(filter_.user_name) && object.substr(filter_.user_name.size()).starts_with(", ");
  }

  const Filter& filter_;
  std::optional<RequestId> request_;
};

// The records of one segment, side by side.
struct Both {
  ByteView leaf, piece;
};
bool take_apart(ByteView leaves, ByteView fields, std::vector<Both>& out) {
  out.clear();
  Pieces a(leaves);
  Pieces b(fields);
  Both both;
  while (a.next(both.leaf) && b.next(both.piece)) out.push_back(both);
  return a.at_end() && b.at_end();
}

class Lister {
 public:
  Lister(const Filter& filter, const std::function<bool(const Entry&)>& f)
      : filter_(filter), match_(filter), f_(f) {}

  // False: enough.
  bool segment(const store::Row& row) {
    if (filter_.from_seq && filter_.newest_first &&
        row.integer(0) + row.integer(1) <= as_seq(*filter_.from_seq))
      return false;
    if (!take_apart(row.blob(2), row.blob(3), records_)) ++damaged_;
    const std::size_t n = records_.size();
    for (std::size_t i = 0; i < n; ++i) {
      if (!record(records_[filter_.newest_first ? n - 1 - i : i])) return false;
    }
    return true;
  }
  [[nodiscard]] Result<void> result() const {
    if (damaged_ == 0) return {};
    return fail(Reason::log_corrupt,
                std::to_string(damaged_) + " damaged records were passed over: verify the log");
  }

 private:
  bool record(const Both& r) {
    const auto leaf = decode_leaf(r.leaf);
    if (!leaf) {
      ++damaged_;
      return true;
    }
    if (!match_.leaf(*leaf)) return true;
    std::optional<PrivateView> fields;
    if (r.piece.size() > kSaltSize) {
      fields = decode_private(r.piece.subspan(kSaltSize));
      if (!fields) {
        ++damaged_;
        return true;
      }
    }
    const PrivateView* const p = fields ? &*fields : nullptr;
    if (!match_.fields(p)) return true;
    return f_(make_entry(*leaf, p)) && ++given_ < filter_.limit;
  }

  const Filter& filter_;
  Match match_;
  const std::function<bool(const Entry&)>& f_;
  std::vector<Both> records_;
  std::size_t given_ = 0;
  std::size_t damaged_ = 0;
};

constexpr std::string_view kSegments =
    "SELECT first_seq, records, leaves, private FROM audit_segment";

}  // namespace

Result<void> list(store::Tx& tx, const Filter& filter, const std::function<bool(const Entry&)>& f) {
  if (filter.limit == 0) return {};
  Lister lister(filter, f);
  const std::int64_t to = filter.to_seq ? as_seq(*filter.to_seq) : kMaxSeq;
  std::int64_t from = 0;
  if (filter.from_seq && !filter.newest_first) {
    // the segment that holds it
    auto r = tx.one(
        "SELECT first_seq FROM audit_segment WHERE first_seq <= $1 ORDER BY first_seq DESC LIMIT 1",
        {as_seq(*filter.from_seq)}, [&](const store::Row& row) { from = row.integer(0); });
    if (!r) return std::move(r).error();
  }
  const std::string sql = std::string(kSegments) +
                          " WHERE first_seq BETWEEN $1 AND $2 ORDER BY first_seq" +
                          (filter.newest_first ? " DESC" : "");
  auto r = tx.query(sql, {from, to}, [&](const store::Row& row) { return lister.segment(row); });
  if (!r) return r;
  return lister.result();
}

Result<VerifyReport> verify(store::Tx& tx, ByteView public_key, std::string_view checkpoints,
                            std::uint64_t since_size) {
  Scan scan(public_key, checkpoints, since_size);
  auto r = tx.query(
      "SELECT size, note FROM audit_checkpoint ORDER BY size", {}, [&](const store::Row& row) {
        scan.stored_checkpoint(static_cast<std::uint64_t>(row.integer(0)), row.text(1));
        return true;
      });
  if (!r) return std::move(r).error();
  r = tx.query("SELECT level, idx, root FROM audit_subtree", {}, [&](const store::Row& row) {
    scan.stored_subtree(static_cast<unsigned>(row.integer(0)), static_cast<std::uint64_t>(row.integer(1)), row.blob(2));
    return true;
  });
  if (!r) return std::move(r).error();
  r = tx.query(std::string(kSegments) + " ORDER BY first_seq", {}, [&](const store::Row& row) {
    scan.segment(static_cast<std::uint64_t>(row.integer(0)),
                 static_cast<std::uint64_t>(row.integer(1)), row.blob(2), row.blob(3));
    return true;
  });
  if (!r) return std::move(r).error();
  std::uint64_t size = 0;
  Bytes frontier;
  auto found =
      tx.one("SELECT size, frontier FROM audit_tree WHERE id = 1", {}, [&](const store::Row& row) {
        size = static_cast<std::uint64_t>(row.integer(0));
        frontier.assign(row.blob(1).begin(), row.blob(1).end());
      });
  if (!found) return std::move(found).error();
  return scan.finish(*found ? &size : nullptr, frontier);
}

Result<std::uint64_t> erase_private(store::Tx& tx, std::string_view user_name) {
  if (user_name.empty()) return fail(Reason::invalid_argument, "a user name is needed");
  // A few segments at a time: what is read is rewritten after its query has ended.
  struct Rewrite {
    std::int64_t first = 0;
    Bytes fields;
  };
  std::uint64_t erased = 0;
  std::int64_t after = -1;
  for (bool more = true; more;) {
    more = false;
    std::vector<Rewrite> rewrites;
    auto r = tx.query(
        "SELECT first_seq, private FROM audit_segment WHERE first_seq > $1 ORDER BY first_seq "
        "LIMIT 64",
        {after}, [&](const store::Row& row) {
          more = true;
          after = row.integer(0);
          const ByteView old = row.blob(1);
          Pieces pieces(old);
          ByteView piece;
          Rewrite rewrite{after, {}};
          std::uint64_t found = 0;
          while (pieces.next(piece)) {
            const auto p =
                piece.size() > kSaltSize ? decode_private(piece.subspan(kSaltSize)) : std::nullopt;
            if (p && (p->user_name == user_name || p->object == user_name)) {
              append_piece(rewrite.fields, ByteView(&kErased, 1));
              ++found;
            } else {
              append_piece(rewrite.fields, piece);
            }
          }
          // A damaged segment is evidence: it is not written over.
          if (found > 0 && pieces.at_end()) {
            erased += found;
            rewrites.push_back(std::move(rewrite));
          }
          return true;
        });
    if (!r) return std::move(r).error();
    for (const Rewrite& rewrite : rewrites) {
      auto changed = tx.run("UPDATE audit_segment SET private = $1 WHERE first_seq = $2",
                            {rewrite.fields, rewrite.first});
      if (!changed) return std::move(changed).error();
    }
  }
  if (erased > 0) tx.erased();
  return erased;
}

}  // namespace vestibule::audit
