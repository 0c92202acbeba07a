#include "risk/history.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "risk/place.hpp"

namespace vestibule::risk {
namespace {

constexpr std::string_view kTopic = "known";
constexpr std::string_view kAnsweredTopic = "risk_answered";
constexpr Duration kNoteUse = std::chrono::hours(24);  // how exact "last" is

}  // namespace

Result<std::unique_ptr<History>> History::open(store::Database& database, identity::Users& users,
                                               factors::Factors& factors, const Clock& clock, Options options) {
  std::unique_ptr<History> h(new History(database, clock, options));
  auto loaded = database.read_blocking([&](store::Tx& tx) { return h->load(tx); });
  if (!loaded) return std::move(loaded).error();
  database.listen([p = h.get()](store::Tx& tx, std::span<const store::Change> changes) {
    for (const store::Change& c : changes) {
      const auto user = UserId::from(c.key);
      if (c.topic == kAnsweredTopic) {
        // After the commit: an act that fails leaves its question unanswered.
        const auto at = user ? p->lately_.find(*user) : p->lately_.end();
        if (at != p->lately_.end()) at->second->prompts.remove_latest();
        continue;
      }
      if (c.topic != kTopic) continue;
      Result<void> read = user ? p->load_one(tx, *user) : p->load(tx);
      if (!read) log::error("what is usual for people could not be read again", {{"detail", read.error().detail}});
    }
  });
  users.on_remove([p = h.get()](store::Tx& tx, UserId user) -> Result<void> {
    for (const std::string_view sql : {"DELETE FROM known_network WHERE account = $1", "DELETE FROM known_client WHERE account = $1"}) {
      auto gone = tx.run(sql, {user});
      if (!gone) return std::move(gone).error();
    }
    tx.changed(kTopic, user.bytes);
    return {};
  });
  factors.on_event([p = h.get()](store::Tx& tx, const identity::Actor& by, factors::Event event, Instant now) {
    return p->observe(tx, by, event, now);
  });
  return h;
}

// --- memory: the feed's thread (or start-up)

Result<void> History::load(store::Tx& tx) {
  std::vector<UserId> users;
  auto listed = tx.query("SELECT DISTINCT account FROM known_network", {}, [&](const store::Row& row) {
    users.push_back(row.id<UserId>(0));
    return true;
  });
  if (!listed) return listed;
  for (const UserId user : users) {
    auto one = load_one(tx, user);
    if (!one) return one;
  }
  return {};
}

Result<void> History::load_one(store::Tx& tx, UserId user) {
  Entry entry;
  auto networks = tx.query("SELECT network, since, last FROM known_network WHERE account = $1", {user}, [&](const store::Row& row) {
    entry.networks.push_back({row.integer(0), row.time(1), row.time(2)});
    return true;
  });
  if (!networks) return networks;
  if (entry.networks.empty()) {
    people_.erase(user);
    lately_.erase(user);
    return {};
  }
  auto clients = tx.query("SELECT family, since, last FROM known_client WHERE account = $1", {user}, [&](const store::Row& row) {
    entry.clients.push_back({std::string(row.text(0)), row.time(1), row.time(2)});
    return true;
  });
  if (!clients) return clients;
  std::shared_ptr<Lately>& lately = lately_[user];
  if (!lately) lately = std::make_shared<Lately>();
  entry.lately = lately;
  people_.put(user, std::move(entry));
  return {};
}

// --- the path of a request

domain::Signals History::signals(UserId user, const domain::Source& source, std::string_view client,
                                 Instant now) const noexcept {
  domain::Signals out;
  const std::int64_t network = network_of(source);
  const std::string_view family = family_of(client);
  const auto settled = [&](const auto& known) {
    return now.wall - known.since >= options_.settles && now.wall - known.last < options_.forgotten;
  };
  people_.read(user, [&](const Entry& e) {
    if (std::none_of(e.networks.begin(), e.networks.end(), [&](const Network& n) { return n.network == network && settled(n); })) {
      out.raise(domain::Signal::new_source);
    }
    if (std::none_of(e.clients.begin(), e.clients.end(), [&](const Client& c) { return c.family == family && settled(c); })) {
      out.raise(domain::Signal::new_client);
    }
    if (e.lately->prompts.within(now.boot, options_.window) >= kManyPrompts) out.raise(domain::Signal::prompt_flood);
    if (e.lately->refusals.within(now.boot, options_.window) >= kManyRefusals) out.raise(domain::Signal::many_refusals);
  });
  return out;
}

void History::refused(UserId user, Instant now) const noexcept {
  people_.read(user, [&](const Entry& e) { e.lately->refusals.add(now.boot); });
}

bool History::unheard(UserId user, std::string_view client) const noexcept {
  const std::string_view family = family_of(client);
  bool out = false;
  people_.read(user, [&](const Entry& e) {
    out = std::none_of(e.clients.begin(), e.clients.end(), [&](const Client& c) { return c.family == family; });
  });
  return out;
}

// --- what is written down: the writer's thread

// A question is counted when it is put and taken back when it is answered rightly, itself alone: who is
// worn down by a flood and says yes in the end has not ended the flood.
Result<void> History::observe(store::Tx& tx, const identity::Actor& by, factors::Event event, Instant now) {
  const auto at = lately_.find(by.user);
  Lately* const lately = at == lately_.end() ? nullptr : at->second.get();
  switch (event) {
    case factors::Event::asked:
      if (lately != nullptr) lately->prompts.add(now.boot);
      return {};
    case factors::Event::wrong:
      if (lately != nullptr) lately->refusals.add(now.boot);
      return {};
    case factors::Event::answered:
      tx.changed(kAnsweredTopic, by.user.bytes);
      return proved_in(tx, by, now);
    case factors::Event::picked:  // no question any more, and no reason to know the place
      tx.changed(kAnsweredTopic, by.user.bytes);
      return {};
    case factors::Event::proved:
      return proved_in(tx, by, now);
  }
  return {};
}

/// What one of the two tables is asked; $2 is the network or the family.
struct History::Book {
  std::string_view forget, note, surplus;
  static const Book networks, clients;
};
const History::Book History::Book::networks{
    "DELETE FROM known_network WHERE account = $1 AND last < $2",
    "INSERT INTO known_network (account, network, since, last) VALUES ($1, $2, $3, $4) ON CONFLICT (account, network) "
    "DO UPDATE SET last = $4 WHERE known_network.last < $5",
    "DELETE FROM known_network WHERE account = $1 AND network NOT IN (SELECT network FROM known_network WHERE account = $1 "
    "ORDER BY last DESC, network LIMIT $2)"};
const History::Book History::Book::clients{
    "DELETE FROM known_client WHERE account = $1 AND last < $2",
    "INSERT INTO known_client (account, family, since, last) VALUES ($1, $2, $3, $4) ON CONFLICT (account, family) "
    "DO UPDATE SET last = $4 WHERE known_client.last < $5",
    "DELETE FROM known_client WHERE account = $1 AND family NOT IN (SELECT family FROM known_client WHERE account = $1 "
    "ORDER BY last DESC, family LIMIT $2)"};

Result<void> History::note_in(store::Tx& tx, const Book& book, UserId user, const store::Param& what, std::size_t most,
                              WallTime since, Instant now) {
  auto forgotten = tx.run(book.forget, {user, now.wall - options_.forgotten});
  if (!forgotten) return std::move(forgotten).error();
  auto noted = tx.run(book.note, {user, what, since, now.wall, now.wall - kNoteUse});
  if (!noted) return std::move(noted).error();
  // The longest unused gives way; what was noted just now is the youngest.
  auto surplus = tx.run(book.surplus, {user, static_cast<std::int64_t>(most)});
  if (!surplus) return std::move(surplus).error();
  if (*forgotten + *noted + *surplus > 0) tx.changed(kTopic, user.bytes);
  return {};
}

Result<bool> History::known_in(store::Tx& tx, UserId user) {
  return tx.one("SELECT 1 FROM known_network WHERE account = $1", {user}, [](const store::Row&) {});
}

// What the very first proof comes from is taken for known: there is nothing that it could be held against,
// and an administrator's code or the set-up token stands behind it.
Result<void> History::proved_in(store::Tx& tx, const identity::Actor& by, Instant now) {
  auto known = known_in(tx, by.user);
  if (!known) return std::move(known).error();
  const WallTime since = *known ? now.wall : WallTime{};
  auto network = note_in(tx, Book::networks, by.user, network_of(by.source), options_.max_networks, since, now);
  if (!network) return network;
  return note_in(tx, Book::clients, by.user, family_of(by.client), options_.max_clients, since, now);
}

net::Task<Result<void>> History::heard(UserId user, std::string family) {
  auto job = [this, user, f = std::move(family)](store::Tx& tx) -> Result<void> {
    auto known = known_in(tx, user);
    if (!known) return std::move(known).error();
    if (!*known) return {};  // removed meanwhile
    const Instant now = clock_.now();
    return note_in(tx, Book::clients, user, std::string_view(f), options_.max_clients, now.wall, now);
  };
  Result<void> done = co_await database_.write(std::move(job));
  co_return done;
}

}  // namespace vestibule::risk
