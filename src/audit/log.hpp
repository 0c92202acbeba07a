#pragma once
// The audit log: an RFC 6962 Merkle tree over frozen record bytes, kept in the store, with signed
// checkpoints in the C2SP format (tlog-checkpoint, signed-note).

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "audit/entry.hpp"
#include "audit/proof.hpp"
#include "audit/record.hpp"
#include "audit/scan.hpp"
#include "base/secret.hpp"
#include "store/database.hpp"

namespace vestibule::audit {

using store::Ticket;
using store::Urgency;

struct Filter {
  std::optional<std::uint64_t> from_seq{}, to_seq{};
  std::optional<WallTime> since{}, until{};
  std::string user_name{}, access_point{}, operation{}, reason{}, request{};  ///< empty: any
  std::optional<Kind> kind{};
  std::size_t limit = 100;
  bool newest_first = true;
};

struct Options {
  /// Appended to and fsynced; ship it off the box. Empty: none.
  std::filesystem::path checkpoint_file{};
  std::string origin = "vestibule.local/audit";  ///< also the name of the key; see valid_origin()
  std::chrono::seconds checkpoint_every{60};
  std::uint64_t checkpoint_records = 10'000;
};

enum class Flush {
  ended_minutes,  ///< what can grow no more
  everything,     ///< shutdown
};

/// The writing side. Owned by app; submit() and friends are called on cores, append() in write
/// jobs. Outlives the Database's writer thread: destroy it after Database::stop(). Checkpoints are
/// made within a batch: after checkpoint_records records, after checkpoint_every (by the boot
/// clock), and with every system record (start, stop, ...). One covers the last records before a
/// quiet spell too, see cover(); an idle log makes none after it.
class Log final : public store::CommitHook {
 public:
  /// The signing key is an Ed25519 seed (32 bytes). Reads the tree's frontier: blocking, at
  /// start-up, before Database::start(); sets itself as the database's hook. log_corrupt if tree,
  /// segments and newest checkpoint do not fit together (a glance, not verify()); config_invalid
  /// for a bad origin or a checkpoint file that cannot be opened.
  static Result<std::unique_ptr<Log>> open(store::Database& database, Options options,
                                           Secret signing_key, const Clock& clock, Rng& rng);
  ~Log() override;

  /// Encodes and journals a record on the calling core. No allocation on the usual path.
  Result<Ticket> submit(const Record& record, Urgency urgency) noexcept;
  /// The two halves of it, for whoever may have to journal the same bytes again: gives how many bytes of
  /// `out` the record takes; 0 off the cores.
  std::size_t encode(const Record& record, std::span<std::uint8_t, kMaxEntry> out) noexcept;
  Result<Ticket> submit(ByteView encoded, Urgency urgency) noexcept;
  enum class Cover : std::uint8_t {
    in_time,  ///< by the next checkpoint
    at_once,  ///< by one of the same commit, so that it can be proved when the job has returned; for what people do
  };
  /// Within a write job: the record stands if and only if the job commits.
  void append(store::Tx& tx, const Record& record, Cover cover = Cover::in_time);
  /// Waits until a submitted record is durable.
  net::Task<Result<void>> durable(Ticket ticket, std::chrono::milliseconds limit);
  /// What durable() would tell without a wait; nothing while the batch is under way.
  [[nodiscard]] std::optional<Result<void>> settled(Ticket ticket) noexcept;
  /// Counts an unauthenticated refusal in the calling core's table. One record for each source (of
  /// IPv6 the /64), minute, reason and access point is written by flush_refusals(), which app calls
  /// every 10 s ON EACH core, and once more with `everything` at shutdown. Bounded: beyond 4096
  /// rows a core they share one.
  void refuse_unauthenticated(const domain::Source& source, Reason reason,
                              std::string_view access_point) noexcept;
  void flush_refusals(Flush what = Flush::ended_minutes) noexcept;

  /// Makes a checkpoint if some records are in none and the last one is checkpoint_every old. Called
  /// now and then on one core, so that a log on which nothing happens any more is covered to its end.
  net::Task<Result<void>> cover();

  [[nodiscard]] std::uint64_t size() const noexcept;  ///< records committed
  /// Called on the writer thread after each commit of records: quick, and must not throw. Registered before
  /// Database::start().
  void on_committed(std::function<void()> listener);
  /// The newest signed checkpoint (C2SP text), or empty.
  [[nodiscard]] std::string checkpoint() const;
  [[nodiscard]] store::Health health() const noexcept;
  /// The verifier key in the form of C2SP tools: "<origin>+<hash>+<key>".
  [[nodiscard]] std::string verifier_key() const;
  [[nodiscard]] const crypto::PublicKey& public_key() const noexcept;

  // CommitHook
  [[nodiscard]] bool due() noexcept override;
  Result<void> before_commit(store::Tx& tx, std::span<const ByteView> entries) override;
  void committed() noexcept override;
  void rolled_back() noexcept override;

 private:
  struct State;
  explicit Log(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Migrations of this room.
[[nodiscard]] std::span<const store::Migration> migrations();

// --- the reading side: pure functions over a transaction, so that they work on a running server's
//     reader, and offline on a copy of the file

/// Calls f for each entry that passes; f returns false to stop. Damaged records are passed over,
/// and the rest is given, but then the result is log_corrupt.
Result<void> list(store::Tx& tx, const Filter& filter, const std::function<bool(const Entry&)>& f);
/// Recomputes every leaf, commitment and node; compares with each stored checkpoint, their
/// signatures under `public_key` and those of `checkpoints` (text of the shipped file; may be
/// empty). With since_size every leaf is hashed all the same (the roots need it), but fields,
/// commitments and checkpoint signatures before it are not looked at. An error means that it could
/// not be read.
Result<VerifyReport> verify(store::Tx& tx, ByteView public_key, std::string_view checkpoints,
                            std::uint64_t since_size = 0);
/// Inclusion proof of record `seq` in the newest checkpoint, as JSON: record bytes, leaf hash,
/// path, checkpoint (RFC 6962 section 2.1.1). not_found if no such record, conflict if no
/// checkpoint covers it yet. Hashes some hundred leaves, and all of those that were written before the store kept
/// roots of subtrees.
Result<std::string> prove(store::Tx& tx, std::uint64_t seq);
/// The same with what opens the record's private part (opened.hpp). not_found too if it was erased or never had one.
Result<std::string> prove_opened(store::Tx& tx, std::uint64_t seq);
/// The number of the record of this kind and operation that bears this note, and was made within a second of `at`.
/// Looks where the log was at that time, and only then everywhere: clocks are set. not_found.
Result<std::uint64_t> find_noted(store::Tx& tx, Kind kind, std::string_view operation, std::string_view note, WallTime at);
/// Destroys the private part and salt of every record that names a user, as the one who acted or as
/// the object of a change. Gives how many. Reads the whole log within the caller's transaction; the
/// caller appends a record of the erasure. Once the caller's job has returned, the bytes are gone from
/// the database's files (see Tx::erased()). Blocks of the disk that the file system has given back,
/// snapshots and backups are the operator's matter.
Result<std::uint64_t> erase_private(store::Tx& tx, std::string_view user_name);

}  // namespace vestibule::audit
