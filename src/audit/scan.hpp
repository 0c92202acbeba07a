#pragma once
// The verifier, without the store: fed with what the tables hold, it recomputes everything and says
// what does not fit. Pure; one thread.

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "audit/merkle.hpp"
#include "audit/record_codec.hpp"
#include "base/bytes.hpp"

namespace vestibule::audit {

struct VerifyReport {
  std::uint64_t records = 0;
  std::uint64_t checkpoints =
      0;  ///< compared with the tree; the same one stored and shipped counts once
  std::uint64_t erased = 0;
  std::string root;  ///< hex; empty where missing records leave no tree to compute
  std::vector<std::string>
      problems;  ///< empty: the log is whole. Bounded: the last one says "more"
};

/// Feed all checkpoints and stored subtrees, then all segments in order, then finish().
class Scan {
 public:
  /// `shipped`: text of the shipped checkpoint file. Commitments and fields of records before
  /// `since` are not looked at, nor signatures of checkpoints of a smaller size; their leaves are
  /// hashed all the same, as the roots need them.
  Scan(ByteView public_key, std::string_view shipped, std::uint64_t since);

  void stored_checkpoint(std::uint64_t size, std::string_view note);
  /// A row of audit_subtree. One that is missing is no flaw: logs older than that table have none.
  void stored_subtree(unsigned level, std::uint64_t index, ByteView root);
  void segment(std::uint64_t first_seq, std::uint64_t records, ByteView leaves, ByteView fields);
  /// The row of audit_tree, if there is one. Once.
  [[nodiscard]] VerifyReport finish(const std::uint64_t* size, ByteView frontier);

 private:
  struct Known {
    Digest root{};
    Digest note{};  // hash of the text whose signature was checked
    bool stored = false;
    bool shipped = false;
  };
  void checkpoint(std::string_view note, const std::uint64_t* row_size);
  void record(std::uint64_t seq, ByteView leaf, ByteView piece);
  void compare_roots();
  void compare_subtree(unsigned level, std::uint64_t index, const Digest& root);
  void problem(std::string text);

  Bytes public_key_;
  std::uint64_t since_;
  VerifyReport report_;
  // Two roots for one size: each is kept and compared.
  std::multimap<std::uint64_t, Known> checkpoints_;
  std::multimap<std::uint64_t, Known>::const_iterator due_;
  bool scanning_ = false;
  bool broken_ = false;     // records are missing: roots cannot be computed any more
  std::uint64_t next_ = 0;  // seq of the next record
  std::uint64_t good_ = 0;  // size of the last checkpoint that fitted
  Frontier tree_;
  std::map<std::pair<unsigned, std::uint64_t>, Digest> subtrees_;  // not yet compared: few, one for 256 records
};

}  // namespace vestibule::audit
