#include "oauth/signing_keys.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "oauth/rows.hpp"

namespace vestibule::oauth {
namespace {

constexpr std::string_view kTable = "oauth_key";
constexpr std::string_view kColumn = "sealed";

crypto::Place place(std::string_view kid) { return {kTable, kColumn, kid}; }

}  // namespace

Result<SigningKeys::Keys> SigningKeys::read(store::Tx& tx) const {
  Keys out;
  std::optional<Error> failed;
  auto rows = tx.query("SELECT kid, alg, state, open, sealed FROM oauth_key ORDER BY state, since, kid", {}, [&](const store::Row& row) {
    Result<Secret> opened = ring_.open(row.blob(4), place(row.text(0)));
    if (!opened) {
      failed = std::move(opened).error();
      return false;
    }
    Key k;
    k.alg = static_cast<crypto::JwsAlg>(row.integer(1));
    k.state = static_cast<State>(row.integer(2));
    k.open = std::string(row.text(3));
    Result<crypto::JwsKey> key = crypto::JwsKey::from(k.alg, std::move(*opened));
    if (!key) {
      failed = std::move(key).error();
      return false;
    }
    k.key = std::make_shared<const crypto::JwsKey>(std::move(*key));
    out.push_back(std::move(k));
    return true;
  });
  if (!rows) return std::move(rows).error();
  if (failed) return std::move(*failed);
  return out;
}

Result<void> SigningKeys::load() {
  Result<Keys> first = database_.read_blocking([this](store::Tx& tx) { return read(tx); });
  if (!first) return std::move(first).error();
  keys_ = std::make_shared<const Keys>(std::move(*first));
  database_.listen([this](store::Tx& tx, std::span<const store::Change> changes) {
    if (std::ranges::none_of(changes, [](const store::Change& c) { return c.topic == kKeyTopic; })) return;
    Result<Keys> now = read(tx);
    if (!now) {
      log::error("signing keys could not be read", {{"detail", now.error().detail}});
      return;
    }
    auto fresh = std::make_shared<const Keys>(std::move(*now));
    const std::lock_guard lock(mutex_);
    keys_ = std::move(fresh);
  });
  return {};
}

Result<void> SigningKeys::make_first(WallTime now) {
  if (has(crypto::JwsAlg::es256)) return {};
  std::vector<crypto::JwsKey> made;
  for (int i = 0; i < 2; ++i) {
    Result<crypto::JwsKey> key = crypto::JwsKey::generate(crypto::JwsAlg::es256);
    if (!key) return std::move(key).error();
    made.push_back(std::move(*key));
  }
  return database_.write_blocking([&](store::Tx& tx) { return add_in(tx, made, now); });
}

Result<void> SigningKeys::put_in(store::Tx& tx, const crypto::JwsKey& key, State state, WallTime now) const {
  const Bytes sealed = ring_.seal(key.secret().reveal(), place(key.kid()));
  const std::string open = key.public_json();
  auto put = tx.run("INSERT INTO oauth_key (kid, alg, state, since, open, sealed) VALUES ($1, $2, $3, $4, $5, $6)",
                    {key.kid(), key.alg(), state, now, open, sealed});
  if (!put) return std::move(put).error();
  return {};
}

Result<void> SigningKeys::add_in(store::Tx& tx, const std::vector<crypto::JwsKey>& made, WallTime now) const {
  State state = State::signs;
  for (const crypto::JwsKey& key : made) {
    bool there = false;
    auto found = tx.one("SELECT COUNT(*) FROM oauth_key WHERE alg = $1 AND state = $2", {key.alg(), state},
                        [&](const store::Row& row) { there = row.integer(0) > 0; });
    if (!found) return std::move(found).error();
    if (!there) {
      auto put = put_in(tx, key, state, now);
      if (!put) return put;
    }
    state = State::next;
  }
  tx.changed(kKeyTopic, {});
  return {};
}

Result<void> SigningKeys::rotate_in(store::Tx& tx, const std::vector<crypto::JwsKey>& made, WallTime now) const {
  for (const crypto::JwsKey& key : made) {
    auto gone = tx.run("DELETE FROM oauth_key WHERE alg = $1 AND state = $2", {key.alg(), State::before});
    if (!gone) return std::move(gone).error();
    constexpr std::string_view kMove = "UPDATE oauth_key SET state = $3 WHERE alg = $1 AND state = $2";
    auto rests = tx.run(kMove, {key.alg(), State::signs, State::before});
    if (!rests) return std::move(rests).error();
    auto signs = tx.run(kMove, {key.alg(), State::next, State::signs});
    if (!signs) return std::move(signs).error();
    auto put = put_in(tx, key, State::next, now);
    if (!put) return put;
  }
  tx.changed(kKeyTopic, {});
  return {};
}

std::shared_ptr<const SigningKeys::Keys> SigningKeys::keys() const {
  const std::lock_guard lock(mutex_);
  return keys_;
}

bool SigningKeys::has(crypto::JwsAlg alg) const {
  const auto all = keys();
  return std::ranges::any_of(*all, [&](const Key& k) { return k.alg == alg && k.state == State::signs; });
}

std::vector<crypto::JwsAlg> SigningKeys::algs() const {
  std::vector<crypto::JwsAlg> out;
  for (const crypto::JwsAlg a : {crypto::JwsAlg::es256, crypto::JwsAlg::rs256}) {
    if (has(a)) out.push_back(a);
  }
  return out;
}

std::string SigningKeys::jwks() const {
  json::Writer w;
  w.begin_object().key("keys").begin_array();
  for (const Key& k : *keys()) w.raw(k.open);
  w.end_array().end_object();
  return w.take();
}

Result<std::string> SigningKeys::sign(crypto::JwsAlg alg, std::string_view payload) const {
  const auto all = keys();
  for (const Key& k : *all) {
    if (k.alg == alg && k.state == State::signs) return k.key->sign("JWT", payload);
  }
  return fail(Reason::not_found, "no key signs by this algorithm");
}

Result<std::int64_t> reseal_keys(store::Tx& tx, const crypto::KeyRing& ring) {
  std::vector<std::pair<std::string, Bytes>> old;
  auto rows = tx.query("SELECT kid, sealed FROM oauth_key", {}, [&](const store::Row& row) {
    if (!ring.is_current(row.blob(1))) old.emplace_back(row.text(0), Bytes(row.blob(1).begin(), row.blob(1).end()));
    return true;
  });
  if (!rows) return std::move(rows).error();
  for (const auto& [kid, blob] : old) {
    Result<Bytes> fresh = ring.reseal(blob, place(kid));
    if (!fresh) return std::move(fresh).error();
    auto put = tx.run("UPDATE oauth_key SET sealed = $2 WHERE kid = $1", {kid, *fresh});
    if (!put) return std::move(put).error();
  }
  return static_cast<std::int64_t>(old.size());
}

Result<std::int64_t> keys_sealed_by(store::Tx& tx, std::uint32_t id) {
  std::int64_t n = 0;
  auto rows = tx.query("SELECT sealed FROM oauth_key", {}, [&](const store::Row& row) {
    if (crypto::KeyRing::sealed_by(row.blob(0)).value_or(id) == id) ++n;
    return true;
  });
  if (!rows) return std::move(rows).error();
  return n;
}

}  // namespace vestibule::oauth
