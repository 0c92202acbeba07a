#include "approval/definitions.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <span>
#include <utility>

#include "approval/confirmation_rows.hpp"
#include "approval/rows.hpp"
#include "base/counters.hpp"
#include "base/log.hpp"

namespace vestibule::approval {
namespace {

Counter g_changed("vestibule_tools_changed_total", "Tools that fell asleep because their definition has changed.");

Counter g_hidden("vestibule_tools_hidden_total", "Tools of a list that were not shown, since their definition cannot be kept.");

std::string place_of(std::string_view access_point, std::string_view tool) {
  return std::string(access_point).append("/").append(tool);
}

// Not once a tool and list: a server could push everything else out of the log.
void hidden(std::string_view access_point, std::string_view why) {
  static std::atomic<std::int64_t> last{-1};
  g_hidden.add();
  const std::int64_t minute = std::chrono::duration_cast<std::chrono::minutes>(std::chrono::steady_clock::now().time_since_epoch()).count();
  if (last.exchange(minute) == minute) return;
  log::warn("a tool is not shown", {{"access_point", access_point}, {"detail", why}});
}

constexpr std::string_view kToolColumns = "access_point, tool, accepted, since, by_name, shown, changed";

KnownTool tool_from(const store::Row& row) {
  KnownTool t;
  t.access_point = row.text(0);
  t.tool = row.text(1);
  t.accepted = digest_from(row.blob(2));
  t.since = row.time(3);
  t.by = row.text(4);
  t.shown = digest_from(row.blob(5));
  t.asleep = t.shown != Digest{};
  t.changed = row.time(6);
  return t;
}

}  // namespace

Definitions::Definitions(store::Database& database, identity::Users& users, audit::Log& log, const Clock& clock)
    : database_(database), users_(users), log_(log), clock_(clock) {}

Result<std::unique_ptr<Definitions>> Definitions::open(store::Database& database, identity::Users& users, audit::Log& log, const Clock& clock) {
  std::unique_ptr<Definitions> d(new Definitions(database, users, log, clock));
  auto loaded = database.read_blocking([&](store::Tx& tx) { return d->load(tx); });
  if (!loaded) return moved(loaded);
  return d;
}

Result<void> Definitions::load(store::Tx& tx) {
  const std::lock_guard lock(mutex_);
  // One whose text is not known (there was no time to store it) is taken for what asks for more.
  const auto destructive = [](std::string_view text) {
    const auto read = read_definition(text);
    return !read || read->destructive;
  };
  return tx.query("SELECT access_point, tool, accepted, shown, bytes, revision, accepted_text, shown_text FROM tool_definition", {}, [&](const store::Row& row) {
    Entry e;
    e.accepted = digest_from(row.blob(2));
    e.shown = digest_from(row.blob(3));
    e.asleep = e.shown != Digest{};
    e.stored = true;
    e.destructive = destructive(row.text(6));
    e.shown_destructive = destructive(row.text(7));
    e.bytes = static_cast<std::size_t>(row.integer(4));
    e.revision = static_cast<std::uint64_t>(row.integer(5));
    revision_ = std::max(revision_, e.revision);
    Shelf& shelf = shelves_[std::string(row.text(0))];
    shelf.bytes += e.bytes;
    shelf.tools.emplace(row.text(1), e);
    return true;
  });
}

// --- what servers say

bool Definitions::look(std::string_view access_point, std::string_view definition, std::vector<Sighting>& news) {
  Result<Definition> read = read_definition(definition);
  if (!read) {
    hidden(access_point, read.error().detail);
    return false;
  }
  const auto learnt = [&](Entry& e, bool first) {
    e.revision = ++revision_;
    news.push_back({std::string(access_point), std::move(*read), first, e.accepted, e.revision});
  };
  {
    // Most of the time there is nothing new.
    const std::shared_lock lock(mutex_);
    if (const auto shelf = shelves_.find(access_point); shelf != shelves_.end()) {
      const auto at = shelf->second.tools.find(read->tool);
      if (at != shelf->second.tools.end() && at->second.asleep && at->second.shown == read->digest) return false;
      if (at != shelf->second.tools.end() && !at->second.asleep && at->second.stored && at->second.accepted == read->digest) return true;
    }
  }
  bool fell = false;
  {
    const std::lock_guard lock(mutex_);
    auto shelf = shelves_.find(access_point);
    if (shelf == shelves_.end()) shelf = shelves_.emplace(access_point, Shelf{}).first;
    const auto at = shelf->second.tools.find(read->tool);
    if (at != shelf->second.tools.end()) {
      Entry& e = at->second;
      if (!e.asleep && e.accepted == read->digest) {
        // Whose first sight it is has not stored it yet: nothing goes out on his word.
        if (!e.stored) news.push_back({std::string(access_point), std::move(*read), true, e.accepted, e.revision});
        return true;
      }
      if (e.asleep && e.shown == read->digest) return false;
      fell = !e.asleep;
      e.asleep = true;
      e.shown = read->digest;
      e.shown_destructive = read->destructive;
      learnt(e, false);
    } else if (read->text.empty() || shelf->second.tools.size() >= kMostTools || shelf->second.bytes + read->text.size() > kMostBytes) {
      hidden(access_point, read->text.empty() ? "its definition has more than 64 KiB" : "its server has named more tools than are kept");
      return false;
    } else {
      Entry e;
      e.accepted = read->digest;
      e.destructive = read->destructive;
      e.bytes = read->text.size();
      shelf->second.bytes += e.bytes;
      learnt(shelf->second.tools.emplace(read->tool, e).first->second, true);
      return true;
    }
  }
  if (fell) {
    g_changed.add();
    log::warn("a tool has changed: it sleeps until an administrator has looked",
              {{"access_point", access_point}, {"tool", news.back().definition.tool}});
  }
  return false;
}

net::Task<Result<void>> Definitions::keep(std::vector<Sighting> news, Actor by) {
  // A server may have a thousand tools: nobody else's record waits for all of them.
  constexpr std::size_t kAtOnce = 50;
  Result<void> done;
  for (std::size_t from = 0; from < news.size(); from += kAtOnce) {
    const std::span<const Sighting> some = std::span(news).subspan(from, std::min(kAtOnce, news.size() - from));
    auto job = [this, some, &by](store::Tx& tx) -> Result<std::vector<bool>> {
      const Instant now = clock_.now();
      std::vector<bool> agreed;
      for (const Sighting& s : some) {
        auto put = put_in(tx, s, by, now);
        if (!put) return moved(put);
        agreed.push_back(*put);
      }
      return agreed;
    };
    const Result<std::vector<bool>> stored = co_await database_.write(std::move(job));
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < some.size(); ++i) learn(some[i], stored.has_value(), stored && (*stored)[i]);
    if (!stored) done = stored.error();
    if (stored && std::ranges::find(*stored, false) != stored->end()) done = fail(Reason::conflict, "the store knew another one");
  }
  if (!done) log::error("definitions of tools could not be stored", {{"detail", done.error().detail}});
  co_return done;
}

void Definitions::learn(const Sighting& s, bool stored, bool agreed) {
  Shelf& shelf = shelves_[s.access_point];
  const auto at = shelf.tools.find(s.definition.tool);
  if (at == shelf.tools.end()) return;
  Entry& e = at->second;
  if (stored && !s.first) return;
  if (stored && agreed) {
    if (e.accepted == s.accepted) e.stored = true;
  } else if (stored) {
    // A write of long ago that had seemed to fail.
    e.asleep = true;
    e.stored = true;
    e.shown = s.definition.digest;
    e.shown_destructive = s.definition.destructive;
  } else if (e.asleep) {
    if (e.shown == s.definition.digest) e.shown = {};
  } else if (s.first && !e.stored && e.accepted == s.accepted) {
    shelf.bytes -= e.bytes;
    shelf.tools.erase(at);
  }
}

Result<bool> Definitions::put_in(store::Tx& tx, const Sighting& s, const Actor& by, Instant now) {
  const auto change = [&]() -> Result<bool> {
    auto put = put_change_in(tx, s, by, now);
    if (!put) return moved(put);
    return !s.first;
  };
  if (!s.first) return change();
  const Definition& d = s.definition;
  Digest accepted{};
  bool has_text = false;
  auto found = tx.one("SELECT accepted, accepted_text <> '' FROM tool_definition WHERE access_point = $1 AND tool = $2", {s.access_point, d.tool},
                      [&](const store::Row& row) {
                        accepted = digest_from(row.blob(0));
                        has_text = row.integer(1) != 0;
                      });
  if (!found) return moved(found);
  if (*found && accepted != d.digest) return change();
  if (*found && has_text) return true;  // two at once
  // A change of it may have come by another core's way first, and knew its fingerprint only.
  auto put = tx.run(
      "INSERT INTO tool_definition (access_point, tool, accepted, accepted_text, since, by_name, shown, shown_text, changed, bytes, revision) "
      "VALUES ($1, $2, $3, $4, $5, '', $6, '', 0, $7, $8) ON CONFLICT (access_point, tool) DO UPDATE SET accepted_text = $4",
      {s.access_point, d.tool, d.digest, d.text, now.wall, ByteView{}, static_cast<std::int64_t>(d.text.size()), static_cast<std::int64_t>(s.revision)});
  if (!put) return moved(put);
  record(tx, "tools.first_seen", by, s, now);
  return true;
}

Result<void> Definitions::put_change_in(store::Tx& tx, const Sighting& s, const Actor& by, Instant now) {
  const Definition& d = s.definition;
  bool awake = true;
  auto was = tx.one("SELECT shown FROM tool_definition WHERE access_point = $1 AND tool = $2", {s.access_point, d.tool},
                    [&](const store::Row& row) { awake = row.blob(0).empty(); });
  if (!was) return moved(was);
  auto put = tx.run(
      "INSERT INTO tool_definition (access_point, tool, accepted, accepted_text, since, by_name, shown, shown_text, changed, bytes, revision) "
      "VALUES ($1, $2, $3, '', $4, '', $5, $6, $4, $7, $8) "
      "ON CONFLICT (access_point, tool) DO UPDATE SET shown = $5, shown_text = $6, revision = $8, "
      "changed = CASE WHEN tool_definition.changed = 0 THEN $4 ELSE tool_definition.changed END WHERE tool_definition.revision < $8",
      {s.access_point, d.tool, s.accepted, now.wall, d.digest, d.text, static_cast<std::int64_t>(d.text.size()), static_cast<std::int64_t>(s.revision)});
  if (!put) return moved(put);
  // However often it changes while it sleeps, nobody's log and inbox are filled with it.
  if (!awake || *put == 0) return {};
  record(tx, "tools.changed", by, s, now);
  // No word of the server's: administrators read this, and some type what they read.
  return users_.notify_administrators_in(tx, {}, identity::NoticeKind::tool_changed,
                                         "A tool of the access point " + s.access_point +
                                             " is not what it was: its server describes it otherwise now. It, and any other that has changed, is "
                                             "asleep until an administrator has looked at it: page \"Tools\", or `vestibule tool list --asleep`.",
                                         now.wall);
}

void Definitions::record(store::Tx& tx, std::string_view operation, const Actor& by, const Sighting& s, Instant now) const {
  const std::string object = place_of(s.access_point, s.definition.tool);
  const std::string note = "definition " + hex(s.definition.digest);
  log_.append(tx, identity::change_record(operation, by, object, note, now));
}

bool Definitions::asleep(std::string_view access_point, std::string_view tool) const noexcept {
  const std::shared_lock lock(mutex_);
  const auto shelf = shelves_.find(access_point);
  if (shelf == shelves_.end()) return false;
  const auto at = shelf->second.tools.find(tool);
  return at != shelf->second.tools.end() && at->second.asleep;
}

bool Definitions::destructive(std::string_view access_point, std::string_view tool) const noexcept {
  const std::shared_lock lock(mutex_);
  const auto shelf = shelves_.find(access_point);
  if (shelf == shelves_.end()) return false;
  const auto at = shelf->second.tools.find(tool);
  return at != shelf->second.tools.end() && at->second.destructive;
}

std::size_t Definitions::sleeping() const noexcept {
  const std::shared_lock lock(mutex_);
  std::size_t n = 0;
  for (const auto& [point, shelf] : shelves_) n += static_cast<std::size_t>(std::ranges::count_if(shelf.tools, [](const auto& t) { return t.second.asleep; }));
  return n;
}

// --- administrators

net::Task<Result<std::vector<KnownTool>>> Definitions::list(std::string access_point) const {
  auto job = [&access_point](store::Tx& tx) -> Result<std::vector<KnownTool>> {
    std::vector<KnownTool> out;
    const std::string sql = "SELECT " + std::string(kToolColumns) + " FROM tool_definition WHERE access_point = $1 OR $2 = 1 ORDER BY access_point, tool";
    auto read = tx.query(sql, {access_point, access_point.empty() ? 1 : 0}, [&](const store::Row& row) {
      out.push_back(tool_from(row));
      return true;
    });
    if (!read) return moved(read);
    return out;
  };
  auto listed = co_await database_.read(std::move(job));
  co_return listed;
}

net::Task<Result<KnownTool>> Definitions::find(std::string access_point, std::string tool) const {
  auto job = [&access_point, &tool](store::Tx& tx) -> Result<KnownTool> {
    KnownTool out;
    const std::string sql = "SELECT " + std::string(kToolColumns) + ", accepted_text, shown_text FROM tool_definition WHERE access_point = $1 AND tool = $2";
    auto found = tx.one(sql, {access_point, tool}, [&](const store::Row& row) {
      out = tool_from(row);
      out.accepted_text = row.text(7);
      out.shown_text = row.text(8);
    });
    if (!found) return moved(found);
    if (!*found) return fail(Reason::not_found, "no such tool was seen at this access point");
    return out;
  };
  auto found = co_await database_.read(std::move(job));
  co_return found;
}

Result<std::uint64_t> Definitions::accept_in(store::Tx& tx, std::string_view access_point, std::string_view tool, const Digest& digest, const Actor& by) {
  const Instant now = clock_.now();
  std::uint64_t revision = 0;
  auto taken = tx.one(
      "UPDATE tool_definition SET accepted = shown, accepted_text = shown_text, since = $4, by_name = $5, shown = $6, shown_text = '', changed = 0 "
      "WHERE access_point = $1 AND tool = $2 AND shown = $3 AND shown_text <> '' RETURNING revision",
      {access_point, tool, digest, now.wall, by.name.view(), ByteView{}}, [&](const store::Row& row) { revision = static_cast<std::uint64_t>(row.integer(0)); });
  if (!taken) return moved(taken);
  const std::string object = place_of(access_point, tool);
  if (!*taken) {
    bool known = false;
    auto found = tx.one("SELECT 1 FROM tool_definition WHERE access_point = $1 AND tool = $2", {access_point, tool}, [&](const store::Row&) { known = true; });
    if (!found) return moved(found);
    if (!known) return fail(Reason::not_found, "no such tool was seen at this access point");
    return fail(Reason::conflict, "it is not asleep, longer than 64 KiB, or has changed again: look at it anew");
  }
  // Whoever confirmed a call of it was told something else by then.
  auto voided = tx.run("UPDATE confirmation SET expires = $3 WHERE access_point = $1 AND tool = $2 AND stage <> 2 AND expires > $3", {access_point, tool, now.wall});
  if (!voided) return moved(voided);
  if (*voided > 0) tx.changed(kConfirmationTopic, {});
  auto carried = tx.run("UPDATE confirmation SET carried = $2 WHERE also = $1 AND carried IN (0, 2)", {place_of(access_point, tool), kNeverCarried});
  if (!carried) return moved(carried);
  const std::string note = "definition " + hex(digest);
  log_.append(tx, identity::change_record("tools.accept", by, object, note, now));
  return revision;
}

void Definitions::accepted(std::string_view access_point, std::string_view tool, const Digest& digest, std::uint64_t revision) {
  const std::lock_guard lock(mutex_);
  const auto shelf = shelves_.find(access_point);
  if (shelf == shelves_.end()) return;
  const auto at = shelf->second.tools.find(tool);
  if (at == shelf->second.tools.end()) return;
  Entry& e = at->second;
  e.accepted = digest;
  e.stored = true;
  if (e.revision != revision) return;  // it has said something since, be it this again: it sleeps on
  e.destructive = e.shown_destructive;
  e.asleep = false;
  e.shown = {};
}

}  // namespace vestibule::approval
