#include "store/sqlite_database.hpp"

#include <fmt/format.h>
#include <stdlib.h>

#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <future>
#include <system_error>
#include <utility>

#include "base/log.hpp"
#include "store/denials.hpp"
#include "store/migrations.hpp"

namespace vestibule::store {
namespace {

namespace asio = boost::asio;
constexpr EngineNames kNames{"BLOB"};
constexpr std::size_t kReadQueue = 1024;

// SQLite in its own memory cannot be shared by connections with WAL: a file in the machine's memory
// behaves as a real one does.
Result<std::filesystem::path> make_scratch() {
  for (const char* root : {"/dev/shm", "/tmp"}) {
    std::string name = fmt::format("{}/vestibule-XXXXXX", root);
    if (::mkdtemp(name.data()) != nullptr) return std::filesystem::path(name);
  }
  return fail(Reason::store_unavailable, "no room for a temporary database");
}

// A job whose coroutine waits. Lives in that coroutine's frame: not to be touched after the post.
struct TaskNode final : JobNode {
  using Handler = asio::detail::awaitable_handler<net::Executor>;
  using JobNode::JobNode;
  std::optional<Handler> handler;
  void done() noexcept override {
    Handler h = std::move(*handler);
    handler.reset();
    const auto executor = h.get_executor();
    asio::post(executor, [h = std::move(h)]() mutable { h(); });
  }
};

struct BlockingNode final : JobNode {
  using JobNode::JobNode;
  // Shared, because the waiter may be gone while set_value() still runs.
  std::shared_ptr<std::promise<void>> ready = std::make_shared<std::promise<void>>();
  void done() noexcept override {
    const auto keep = ready;
    keep->set_value();
  }
};

}  // namespace

Result<std::unique_ptr<Database>> Database::open(Options options, std::span<const Migration> migrations) {
  auto opened = SqliteDatabase::open(std::move(options), migrations);
  if (!opened) return std::move(opened).error();
  return std::unique_ptr<Database>(std::move(*opened));
}

Result<std::unique_ptr<SqliteDatabase>> SqliteDatabase::open(Options options,
                                                             std::span<const Migration> migrations) {
  std::unique_ptr<SqliteDatabase> db(new SqliteDatabase(std::move(options)));
  Options& o = db->options_;
  o.readers = std::max(o.readers, 1U);
  if (o.file.empty()) {
    auto scratch = make_scratch();
    if (!scratch) return std::move(scratch).error();
    db->scratch_ = *scratch;
    o.file = db->scratch_ / "vestibule.db";
  }
  auto lock = FileLock::take(o.file);
  if (!lock) return std::move(lock).error();
  db->lock_.emplace(std::move(*lock));
  auto file = make_private_file(o.file, Create::if_missing);
  if (!file) return std::move(file).error();

  auto connection = SqliteConnection::open(o.file, SqliteConnection::Role::writer, o.busy);
  if (!connection) return std::move(connection).error();
  db->connection_ = std::move(*connection);
  std::vector<Migration> all(Feed::migrations().begin(), Feed::migrations().end());
  all.insert(all.end(), Denials::migrations().begin(), Denials::migrations().end());
  all.insert(all.end(), migrations.begin(), migrations.end());
  Effects none;
  SqliteTx tx(*db->connection_, &none);
  auto migrated = migrate(tx, all, kNames);
  if (!migrated) return std::move(migrated).error();

  db->writer_ = std::make_unique<Writer>(*db->connection_, o);
  auto loaded = db->writer_->load();
  if (!loaded) return std::move(loaded).error();
  for (unsigned i = 0; i < o.readers; ++i) {
    auto reader = SqliteConnection::open(o.file, SqliteConnection::Role::reader, o.busy);
    if (!reader) return std::move(reader).error();
    db->idle_.push_back(std::move(*reader));
  }
  db->pool_ = std::make_unique<net::BlockingPool>(net::BlockingPool::Options{o.readers, kReadQueue});
  return db;
}

SqliteDatabase::~SqliteDatabase() {
  pool_.reset();
  writer_.reset();
  idle_.clear();
  connection_.reset();  // the last to close: it removes the log
  lock_.reset();
  if (!scratch_.empty()) {
    std::error_code ignored;
    std::filesystem::remove_all(scratch_, ignored);
  }
}

std::optional<Result<void>> SqliteDatabase::settled(Ticket ticket) noexcept {
  CoreJournal* journal = writer_->mine();
  if (journal == nullptr) return fail(Reason::internal, "not on a core");
  return journal->settled(ticket);
}

namespace {
net::Task<Result<void>> failed(Error error) { co_return error; }
}  // namespace

net::Task<Result<void>> SqliteDatabase::durable(Ticket ticket, std::chrono::milliseconds limit) {
  CoreJournal* journal = writer_->mine();
  if (journal == nullptr) return failed(fail(Reason::internal, "not on a core"));
  return journal->durable(*net::Core::current(), ticket, limit);  // no coroutine of its own: it is a request's path
}

net::Task<Result<void>> SqliteDatabase::submit_and_wait(Job job) {
  TaskNode node(std::move(job));
  Result<void> accepted;
  auto start = [](auto handler, Writer* writer, TaskNode* n, Result<void>* verdict) {
    const auto executor = handler.get_executor();
    n->handler.emplace(std::move(handler));
    auto pushed = writer->submit(*n);
    if (pushed) return;
    *verdict = std::move(pushed);
    asio::post(executor, [h = std::move(*n->handler)]() mutable { h(); });
  };
  co_await asio::async_initiate<const asio::use_awaitable_t<net::Executor>, void()>(
      start, asio::use_awaitable_t<net::Executor>{}, writer_.get(), &node, &accepted);
  if (!accepted) co_return accepted;
  co_return std::move(node.result);
}

Result<void> SqliteDatabase::submit_blocking(Job job) {
  if (writer_->is_this_thread()) return fail(Reason::internal, "write_blocking on the writer thread");
  BlockingNode node(std::move(job));
  auto ready = node.ready->get_future();
  auto accepted = writer_->submit(node);
  if (!accepted) return accepted;
  ready.wait();
  return std::move(node.result);
}

Result<std::unique_ptr<SqliteConnection>> SqliteDatabase::borrow() {
  std::unique_lock lock(mutex_);
  if (!returned_.wait_for(lock, options_.busy, [this] { return !idle_.empty(); })) {
    return fail(Reason::overloaded, "all reader connections are busy");
  }
  auto connection = std::move(idle_.back());
  idle_.pop_back();
  return connection;
}

void SqliteDatabase::give_back(std::unique_ptr<SqliteConnection> connection) {
  {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(connection));
  }
  returned_.notify_one();
}

Result<void> SqliteDatabase::with_reader(const std::function<void(Tx&)>& f) {
  auto connection = borrow();
  if (!connection) return std::move(connection).error();
  Result<void> done;
  auto begun = (*connection)->run("BEGIN", {});
  if (begun) {
    try {
      SqliteTx tx(**connection);
      f(tx);
    } catch (const std::exception& e) {
      done = fail(Reason::internal, std::string("exception in a read: ") + e.what());
    }
    if ((*connection)->in_transaction()) (void)(*connection)->run("ROLLBACK", {});
  } else {
    done = std::move(begun).error();
  }
  give_back(std::move(*connection));
  return done;
}

Result<void> SqliteDatabase::backup(const std::filesystem::path& to) {
  if (std::filesystem::exists(to)) return fail(Reason::invalid_argument, to.string() + " exists already");
  std::filesystem::path part = to;
  part += ".partial";
  auto made = make_private_file(part, Create::exclusively);
  if (!made) return made;
  Result<void> done;
  auto source = SqliteConnection::open(options_.file, SqliteConnection::Role::reader, options_.busy);
  if (!source) {
    done = std::move(source).error();
  } else {
    done = (*source)->copy_to(part);
  }
  if (done) done = sync_to_disk(part);
  if (done && std::filesystem::exists(to)) done = fail(Reason::invalid_argument, to.string() + " exists already");
  std::error_code ec;
  if (done) {
    std::filesystem::rename(part, to, ec);
    if (ec) done = fail(Reason::store_unavailable, "cannot name the backup: " + ec.message());
  }
  if (done) return sync_to_disk(std::filesystem::absolute(to).parent_path());
  std::filesystem::remove(part, ec);
  return done;
}

}  // namespace vestibule::store
