#include "audit/scan.hpp"

#include <algorithm>

#include "audit/note.hpp"
#include "audit/segment.hpp"
#include "crypto/hash.hpp"

namespace vestibule::audit {
namespace {

constexpr std::size_t kMaxProblems = 100;

std::string text(std::uint64_t n) { return std::to_string(n); }

std::string range(std::uint64_t first, std::uint64_t last) {
  return first == last ? "record " + text(first) : "records " + text(first) + " to " + text(last);
}

}  // namespace

Scan::Scan(ByteView public_key, std::string_view shipped, std::uint64_t since)
    : public_key_(public_key.begin(), public_key.end()), since_(since) {
  for (const std::string_view note : split_notes(shipped)) checkpoint(note, nullptr);
}

void Scan::problem(std::string what) {
  if (report_.problems.size() < kMaxProblems) {
    report_.problems.push_back(std::move(what));
  } else if (report_.problems.size() == kMaxProblems) {
    report_.problems.emplace_back("more");
  }
}

void Scan::stored_checkpoint(std::uint64_t size, std::string_view note) { checkpoint(note, &size); }

void Scan::checkpoint(std::string_view note, const std::uint64_t* row_size) {
  const std::string where =
      row_size != nullptr ? "stored checkpoint of size " + text(*row_size) : "shipped checkpoint";
  const auto c = parse_checkpoint(note);
  if (!c) return problem(where + " is damaged");
  if (row_size != nullptr && c->size != *row_size)
    return problem(where + " says size " + text(c->size));
  const auto [first, last] = checkpoints_.equal_range(c->size);
  const auto same =
      std::find_if(first, last, [&](const auto& k) { return k.second.root == c->root; });
  const Digest text_hash = crypto::sha256(as_bytes(note));
  const bool proved =
      same != last && same->second.note == text_hash;  // the shipped copy was, to the byte
  if (!proved && c->size >= since_ && !signed_by(*c, public_key_))
    return problem(where + (row_size == nullptr ? " of size " + text(c->size) : "") +
                   " is not signed by this log's key");
  Known& k = same != last ? same->second
                          : checkpoints_.emplace(c->size, Known{c->root, text_hash})->second;
  (row_size != nullptr ? k.stored : k.shipped) = true;
}

void Scan::stored_subtree(unsigned level, std::uint64_t index, ByteView root) {
  if (root.size() != sizeof(Digest)) return problem("the stored root of " + text(index) + " of subtrees of level " + text(level) + " is damaged");
  std::copy(root.begin(), root.end(), subtrees_[{level, index}].begin());
}

void Scan::compare_subtree(unsigned level, std::uint64_t index, const Digest& root) {
  const auto kept = subtrees_.find({level, index});
  if (kept == subtrees_.end()) return;
  if (kept->second != root) {
    problem("the stored root of " + range(index << level, ((index + 1) << level) - 1) + " is not what they give: their proofs fail");
  }
  subtrees_.erase(kept);
}

void Scan::compare_roots() {
  for (; due_ != checkpoints_.end() && due_->first == tree_.size(); ++due_) {
    ++report_.checkpoints;
    if (due_->second.root == tree_.root()) {
      good_ = due_->first;
      continue;
    }
    std::string where =
        due_->second.stored ? (due_->second.shipped ? "stored and shipped" : "stored") : "shipped";
    problem("the root of size " + text(due_->first) + " is not that of the " + where +
            " checkpoint: something in " +
            (due_->first > good_ ? range(good_, due_->first - 1) : "the records before") +
            " was changed, or the checkpoint is of another log");
  }
}

void Scan::record(std::uint64_t seq, ByteView leaf, ByteView piece) {
  if (!broken_) {
    tree_.append(leaf_hash(leaf), [this](unsigned level, std::uint64_t index, const Digest& root) { compare_subtree(level, index, root); });
    if (due_ != checkpoints_.end() && due_->first == tree_.size()) compare_roots();
  }
  if (is_erased(piece)) ++report_.erased;
  if (seq < since_) return;
  const auto l = decode_leaf(leaf);
  if (!l) return problem("record " + text(seq) + " is damaged");
  if (l->seq != seq) return problem("record " + text(seq) + " bears the number " + text(l->seq));
  if (l->commitment.empty()) {
    if (!piece.empty()) problem("record " + text(seq) + " has a private part that it never had");
    return;
  }
  if (is_erased(piece)) return;
  if (piece.empty()) return problem("the private part of record " + text(seq) + " is missing");
  if (piece.size() <= kSaltSize)
    return problem("the private part of record " + text(seq) + " is damaged");
  const ByteView fields = piece.subspan(kSaltSize);
  const Digest commitment = commit_private(piece.first(kSaltSize), fields);
  if (!equal_constant_time(commitment, l->commitment)) {
    problem("the private part of record " + text(seq) + " was changed");
  } else if (!decode_private(fields)) {
    problem("the private part of record " + text(seq) + " is damaged");
  }
}

void Scan::segment(std::uint64_t first_seq, std::uint64_t records, ByteView leaves,
                   ByteView fields) {
  if (!scanning_) {
    scanning_ = true;
    due_ = checkpoints_.begin();
    compare_roots();  // a checkpoint of the empty log
  }
  if (first_seq != next_) {
    problem(first_seq > next_
                ? range(next_, first_seq - 1) +
                      (first_seq - next_ == 1 ? " is missing" : " are missing")
                : "records from " + text(first_seq) + " are there twice, or out of order");
    broken_ = true;
  }
  Pieces leaf_pieces(leaves);
  Pieces private_pieces(fields);
  ByteView leaf;
  ByteView piece;
  std::uint64_t n = 0;
  while (leaf_pieces.next(leaf)) {
    if (!private_pieces.next(piece)) {
      problem("the private parts of the segment of record " + text(first_seq) + " are damaged");
      piece = {};
    }
    record(first_seq + n, leaf, piece);
    ++n;
  }
  report_.records += n;
  if (!leaf_pieces.at_end() || n != records) {
    problem("the segment of record " + text(first_seq) + " holds " + text(n) + " records, not " +
            text(records));
    broken_ = true;
  }
  if (!private_pieces.at_end())
    problem("the private parts of the segment of record " + text(first_seq) +
            " do not fit its records");
  next_ = first_seq + n;
}

VerifyReport Scan::finish(const std::uint64_t* size, ByteView frontier) {
  if (!scanning_) {
    due_ = checkpoints_.begin();
    compare_roots();
  }
  if (size == nullptr) {
    if (next_ != 0) problem("the tree's row is missing");
  } else if (*size != next_) {
    problem("the tree's row says " + text(*size) + " records, the segments end at " + text(next_) +
            (*size > next_ ? ": the newest are missing" : ""));
  } else if (!broken_ && !std::ranges::equal(frontier, tree_.bytes())) {
    problem("the tree's row holds other hashes than the records give");
  }
  for (; due_ != checkpoints_.end(); ++due_) {
    if (due_->first > next_)
      problem("a checkpoint of size " + text(due_->first) + " was signed, but the log ends at " +
              text(next_) + ": the newest records are missing");
  }
  for (const auto& [n, known] : checkpoints_) {
    if (known.shipped && !known.stored)
      problem("the checkpoint of size " + text(n) + " was shipped, but is not stored");
  }
  if (!broken_ && !subtrees_.empty()) problem("roots are stored of subtrees that the records do not have");
  if (!broken_) report_.root = hex(tree_.root());
  return std::move(report_);
}

}  // namespace vestibule::audit
