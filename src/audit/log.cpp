#include "audit/log.hpp"

#include <atomic>
#include <mutex>
#include <tuple>

#include "audit/checkpoint_file.hpp"
#include "audit/merkle.hpp"
#include "audit/note.hpp"
#include "audit/record_codec.hpp"
#include "audit/refusals.hpp"
#include "audit/segment.hpp"
#include "base/counters.hpp"
#include "base/log.hpp"

namespace vestibule::audit {
namespace {

// A segment is cut at this many bytes of leaves, so that readers hold little at a time.
constexpr std::size_t kSegmentBytes = std::size_t{1} << 20U;
constexpr std::int64_t kTreeRow = 1;

// Random salts, drawn 4 KiB at a time: one system call for 256 records. Given-out bytes are wiped.
class Salts {
 public:
  explicit Salts(Rng& rng) noexcept : rng_(rng) {}
  ~Salts() { wipe(pool_.data(), pool_.size()); }
  Salts(const Salts&) = delete;
  Salts& operator=(const Salts&) = delete;
  Salt take() {
    if (left_ == 0) {
      rng_.fill(pool_);
      left_ = pool_.size();
    }
    left_ -= kSaltSize;
    Salt salt;
    std::memcpy(salt.data(), pool_.data() + left_, kSaltSize);
    wipe(pool_.data() + left_, kSaltSize);
    return salt;
  }

 private:
  Rng& rng_;
  std::size_t left_ = 0;
  std::array<std::uint8_t, 4096> pool_;
};

// What one core has to itself.
struct alignas(64) PerCore {
  explicit PerCore(Rng& rng) : salts(rng), refusals(seed(rng)) {}
  static std::uint64_t seed(Rng& rng) {
    const auto bytes = rng.take<8>();
    std::uint64_t n = 0;
    std::memcpy(&n, bytes.data(), sizeof n);
    return n;
  }
  Salts salts;
  RefusalTable refusals;
};

std::int64_t minute_of(WallTime t) noexcept {
  return std::chrono::floor<std::chrono::minutes>(t.time_since_epoch()).count();
}

constexpr store::Migration kMigrations[] = {
    {"audit", 1,
     // Times are microseconds of UTC. `at` of a checkpoint is for people; it is not signed.
     "CREATE TABLE audit_segment(first_seq BIGINT PRIMARY KEY, records BIGINT NOT NULL,"
     " leaves BYTES NOT NULL, private BYTES NOT NULL);"
     "CREATE TABLE audit_tree(id BIGINT PRIMARY KEY, size BIGINT NOT NULL, frontier BYTES NOT "
     "NULL);"
     "CREATE TABLE audit_checkpoint(size BIGINT PRIMARY KEY, at BIGINT NOT NULL, note TEXT NOT "
     "NULL)"},
    // Roots of the perfect subtrees of 2^level leaves: level is 8, 16, ...; number `idx` begins at leaf idx * 2^level.
    // They spare proofs the leaves; a log that is older lacks its first ones.
    {"audit", 2, "CREATE TABLE audit_subtree(level BIGINT NOT NULL, idx BIGINT NOT NULL, root BYTES NOT NULL, PRIMARY KEY(level, idx))"},
};

Error corrupt(std::string what) { return fail(Reason::log_corrupt, std::move(what)); }

struct Stored {
  Frontier tree;
  std::string note;                    // the newest checkpoint, or empty
  std::vector<std::string> unshipped;  // newer than the file's last, oldest first
};

// Reads what the log goes on from, with a glance at whether it fits together.
Result<Stored> read_stored(store::Tx& tx, std::uint64_t shipped_size) {
  Stored s;
  std::optional<Frontier> tree;
  auto found = tx.one(
      "SELECT size, frontier FROM audit_tree WHERE id = $1", {kTreeRow}, [&](const store::Row& r) {
        if (r.integer(0) >= 0)
          tree = Frontier::from(static_cast<std::uint64_t>(r.integer(0)), r.blob(1));
      });
  if (!found) return std::move(found).error();
  if (*found && !tree) return corrupt("the row of audit_tree is damaged");
  if (tree) s.tree = *tree;

  std::int64_t end = 0;
  auto last = tx.one("SELECT first_seq, records FROM audit_segment ORDER BY first_seq DESC LIMIT 1",
                     {}, [&](const store::Row& r) { end = r.integer(0) + r.integer(1); });
  if (!last) return std::move(last).error();
  if (static_cast<std::uint64_t>(end) != s.tree.size())
    return corrupt("the tree has " + std::to_string(s.tree.size()) +
                   " records, the segments end at " + std::to_string(end));

  auto notes = tx.query("SELECT note, size FROM audit_checkpoint ORDER BY size DESC LIMIT 64", {},
                        [&](const store::Row& r) {
                          if (s.note.empty()) s.note = r.text(0);
                          if (static_cast<std::uint64_t>(r.integer(1)) <= shipped_size)
                            return false;
                          s.unshipped.emplace(s.unshipped.begin(), r.text(0));
                          return true;
                        });
  if (!notes) return std::move(notes).error();
  if (!s.note.empty()) {
    const auto c = parse_checkpoint(s.note);
    if (!c || c->size > s.tree.size())
      return corrupt("the newest checkpoint does not fit the tree");
    if (c->size == s.tree.size() && c->root != s.tree.root())
      return corrupt("the newest checkpoint has another root than the tree");
  }
  return s;
}

}  // namespace

struct Log::State {
  State(store::Database& db, Options o, crypto::SigningKey k, const Clock& c, Rng& r)
      : database(db), options(std::move(o)), key(std::move(k)), clock(c), rng(r), writer_salts(r) {}

  // The calling core's part; null on a thread that is no core.
  PerCore* mine() {
    const net::Core* core = net::Core::current();
    if (core == nullptr || core->index() >= cores.size()) return nullptr;
    auto& p = cores[core->index()];
    if (!p) p = std::make_unique<PerCore>(rng);
    return p.get();
  }

  Result<void> insert(store::Tx& tx, std::uint64_t first, std::uint64_t records) {
    auto r = tx.run(
        "INSERT INTO audit_segment(first_seq, records, leaves, private) VALUES($1, $2, $3, $4)",
        {first, records, leaves, fields});
    if (!r) return std::move(r).error();
    leaves.clear();
    fields.clear();
    return {};
  }

  Result<void> add_checkpoint(store::Tx& tx) {
    next_note = sign_checkpoint(options.origin, next.size(), next.root(), key);
    auto r = tx.run("INSERT INTO audit_checkpoint(size, at, note) VALUES($1, $2, $3)",
                    {next.size(), clock.wall(), next_note});
    if (!r) return std::move(r).error();
    return {};
  }

  store::Database& database;
  const Options options;
  const crypto::SigningKey key;
  const Clock& clock;
  Rng& rng;
  std::unique_ptr<CheckpointFile> file;

  // Each element belongs to its core.
  std::array<std::unique_ptr<PerCore>, kMaxCores> cores;

  // --- the writer thread's
  Salts writer_salts;
  Frontier tree;  // committed
  Frontier next;  // with the batch under way
  std::uint64_t checkpoint_size = 0;
  BootTime checkpoint_at{};
  std::string next_note;  // made in the batch under way, or empty
  bool wanted = false;    // a record of the batch wants to be covered at once
  std::vector<std::tuple<unsigned, std::uint64_t, Digest>> whole;  // subtrees that the batch under way completes
  Bytes leaves, fields;

  std::function<void()> grown;  // who wants to know of each commit; may be empty

  // --- anybody's
  std::atomic<std::uint64_t> size{0};
  std::atomic<std::uint64_t> covered{0};  // by the newest checkpoint
  mutable std::mutex mutex;  // of note
  std::string note;
};

std::span<const store::Migration> migrations() { return kMigrations; }

Log::Log(std::unique_ptr<State> state) : state_(std::move(state)) {}
Log::~Log() = default;

Result<std::unique_ptr<Log>> Log::open(store::Database& database, Options options,
                                       Secret signing_key, const Clock& clock, Rng& rng) {
  if (!valid_origin(options.origin))
    return fail(Reason::config_invalid, "the origin of the audit log is no valid name");
  auto key = crypto::SigningKey::from_seed(signing_key);
  if (!key) return std::move(key).error();
  auto s = std::make_unique<State>(database, std::move(options), std::move(*key), clock, rng);
  if (!s->options.checkpoint_file.empty()) {
    auto file = CheckpointFile::open(s->options.checkpoint_file);
    if (!file) return std::move(file).error();
    s->file = std::move(*file);
  }
  const std::uint64_t shipped = s->file ? s->file->last_size() : 0;
  auto stored =
      database.read_blocking([shipped](store::Tx& tx) { return read_stored(tx, shipped); });
  if (!stored) return std::move(stored).error();
  s->tree = stored->tree;
  s->next = stored->tree;
  s->size = stored->tree.size();
  s->checkpoint_at = clock.boot();
  if (!stored->note.empty()) {
    // read_stored() has parsed it.
    const auto newest = parse_checkpoint(stored->note);
    s->checkpoint_size = newest->size;
    s->covered = newest->size;
    if (!signed_by(*newest, s->key.public_key()))
      log::error("the newest checkpoint of the audit log is signed by another key", {});
    s->note = stored->note;
  }
  if (shipped > stored->tree.size())
    log::error(
        "the checkpoint file knows more records than the audit log holds: restored, or rolled back",
        {{"file_size", shipped}, {"log_size", stored->tree.size()}});
  if (s->file) {
    for (std::string& note : stored->unshipped) s->file->push(std::move(note));
  }
  std::unique_ptr<Log> out(new Log(std::move(s)));
  database.set_hook(*out);
  return out;
}

Result<Ticket> Log::submit(const Record& record, Urgency urgency) noexcept {
  std::array<std::uint8_t, kMaxEntry> entry;
  return submit(ByteView(entry.data(), encode(record, entry)), urgency);
}

std::size_t Log::encode(const Record& record, std::span<std::uint8_t, kMaxEntry> out) noexcept {
  PerCore* const mine = state_->mine();
  return mine != nullptr ? audit::encode(record, mine->salts.take(), out) : 0;
}

Result<Ticket> Log::submit(ByteView encoded, Urgency urgency) noexcept {
  if (encoded.empty()) return fail(Reason::internal, "an audit record was submitted off the cores");
  return state_->database.journal(encoded, urgency);
}

void Log::append(store::Tx& tx, const Record& record, Cover cover) {
  // A job that fails leaves it standing: then there is a checkpoint more.
  state_->wanted |= cover == Cover::at_once;
  std::array<std::uint8_t, kMaxEntry> entry;
  const std::size_t size = audit::encode(record, state_->writer_salts.take(), entry);
  tx.journal(ByteView(entry.data(), size));
}

std::optional<Result<void>> Log::settled(Ticket ticket) noexcept {
  return state_->database.settled(ticket);
}

net::Task<Result<void>> Log::durable(Ticket ticket, std::chrono::milliseconds limit) {
  return state_->database.durable(ticket, limit);
}

void Log::refuse_unauthenticated(const domain::Source& source, Reason reason,
                                 std::string_view access_point) noexcept {
  PerCore* const mine = state_->mine();
  if (mine == nullptr) return;
  mine->refusals.add(source, minute_of(state_->clock.wall()), reason, access_point);
}

void Log::flush_refusals(Flush what) noexcept {
  PerCore* const mine = state_->mine();
  if (mine == nullptr || mine->refusals.size() == 0) return;
  const std::int64_t before = what == Flush::everything ? std::numeric_limits<std::int64_t>::max()
                                                        : minute_of(state_->clock.wall());
  mine->refusals.flush(before, [this](const RefusalTable::Row& row) {
    Record r;
    r.kind = Kind::refusals;
    r.at = WallTime(std::chrono::minutes(row.minute));
    r.outcome = domain::Outcome::deny;
    r.reason = row.reason;
    r.access_point = row.access_point.view();
    r.count = row.count;
    r.source = row.source;
    if (row.shared) r.note = "sources beyond the table, with any reason";
    return submit(r, Urgency::soon).has_value();
  });
}

bool Log::due() noexcept {
  const State& s = *state_;
  return s.tree.size() > s.checkpoint_size && s.clock.boot() - s.checkpoint_at >= s.options.checkpoint_every;
}

net::Task<Result<void>> Log::cover() {
  if (state_->size.load(std::memory_order_acquire) == state_->covered.load(std::memory_order_acquire)) {
    co_return Result<void>{};
  }
  // The batch asks due(), where the writer's own state is.
  auto nothing = [](store::Tx&) -> Result<void> { return {}; };
  Result<void> done = co_await state_->database.write(nothing);
  co_return done;
}

std::uint64_t Log::size() const noexcept { return state_->size.load(std::memory_order_acquire); }

std::string Log::checkpoint() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->note;
}

store::Health Log::health() const noexcept { return state_->database.health(); }

std::string Log::verifier_key() const {
  return vkey(state_->options.origin, state_->key.public_key());
}

const crypto::PublicKey& Log::public_key() const noexcept { return state_->key.public_key(); }

Result<void> Log::before_commit(store::Tx& tx, std::span<const ByteView> entries) {
  State& s = *state_;
  s.next = s.tree;
  s.next_note.clear();
  s.leaves.clear();
  s.fields.clear();
  s.whole.clear();
  bool system = false;
  std::uint64_t first = s.next.size();
  for (const ByteView bytes : entries) {
    const auto entry = split_entry(bytes);
    if (!entry) return fail(Reason::internal, "a journal entry is not an audit record");
    const std::uint64_t seq = s.next.size();
    // The leaf: version, the seq that was not known before, fields.
    const std::size_t at = s.leaves.size();
    const std::size_t leaf_size = entry->leaf.size() + 8;
    s.leaves.resize(at + 4 + leaf_size);
    std::uint8_t* p = s.leaves.data() + at;
    for (unsigned shift = 32; shift > 0; shift -= 8)
      *p++ = static_cast<std::uint8_t>(leaf_size >> (shift - 8));
    const std::uint8_t* const leaf = p;
    *p++ = entry->leaf[0];
    for (unsigned shift = 64; shift > 0; shift -= 8)
      *p++ = static_cast<std::uint8_t>(seq >> (shift - 8));
    std::memcpy(p, entry->leaf.data() + 1, entry->leaf.size() - 1);
    append_piece(s.fields, entry->salted);
    s.next.append(leaf_hash(ByteView(leaf, leaf_size)),
                  [&s](unsigned level, std::uint64_t index, const Digest& root) { s.whole.emplace_back(level, index, root); });
    system |= peek_kind(ByteView(leaf, leaf_size)) == static_cast<std::uint8_t>(Kind::system);
    if (s.leaves.size() >= kSegmentBytes) {
      if (auto r = s.insert(tx, first, s.next.size() - first); !r) return r;
      first = s.next.size();
    }
  }
  if (s.next.size() > first) {
    if (auto r = s.insert(tx, first, s.next.size() - first); !r) return r;
  }
  if (s.next.size() != s.tree.size()) {
    // The condition finds out whoever else writes to this log.
    auto changed = tx.run(
        "INSERT INTO audit_tree(id, size, frontier) VALUES($1, $2, $3)"
        " ON CONFLICT(id) DO UPDATE SET size = excluded.size, frontier = excluded.frontier WHERE "
        "audit_tree.size = $4",
        {kTreeRow, s.next.size(), s.next.bytes(), s.tree.size()});
    if (!changed) return std::move(changed).error();
    if (*changed != 1) return fail(Reason::log_corrupt, "somebody else wrote to the audit log");
  }
  for (const auto& [level, index, root] : s.whole) {
    auto kept = tx.run("INSERT INTO audit_subtree(level, idx, root) VALUES($1, $2, $3)", {level, index, root});
    if (!kept) return std::move(kept).error();
  }
  const bool due = system || s.wanted || s.next.size() - s.checkpoint_size >= s.options.checkpoint_records ||
                   s.clock.boot() - s.checkpoint_at >= s.options.checkpoint_every;
  if (due && s.next.size() > s.checkpoint_size) return s.add_checkpoint(tx);
  return {};
}

void Log::on_committed(std::function<void()> listener) { state_->grown = std::move(listener); }

void Log::committed() noexcept {
  State& s = *state_;
  const bool grown = s.next.size() != s.tree.size();
  s.tree = s.next;
  s.wanted = false;
  s.size.store(s.tree.size(), std::memory_order_release);
  if (grown && s.grown) s.grown();
  if (s.next_note.empty()) return;
  s.checkpoint_size = s.tree.size();
  s.checkpoint_at = s.clock.boot();
  s.covered.store(s.checkpoint_size, std::memory_order_release);
  if (s.file) s.file->push(s.next_note);
  const std::scoped_lock lock(s.mutex);
  s.note.swap(s.next_note);
  s.next_note.clear();
}

void Log::rolled_back() noexcept {
  State& s = *state_;
  s.next = s.tree;
  s.next_note.clear();
}

}  // namespace vestibule::audit
