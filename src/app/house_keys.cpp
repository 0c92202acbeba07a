// Master keys: read or made at the first start, rotated, retired.
#include <algorithm>
#include <filesystem>

#include "access/credentials.hpp"
#include "app/house.hpp"
#include "app/meta.hpp"

namespace vestibule::app {

Result<void> House::open_keys() {
  Result<crypto::MasterKeys> keys = crypto::load_master_keys(config_.master_key.string());
  if (!keys && keys.error().code == Reason::not_found) {
    // Only a new installation gets a new key: without the old one an old database is lost for good.
    if (std::filesystem::exists(config_.data_dir / "vestibule.db")) {
      return fail(Reason::config_invalid, "the master key " + config_.master_key.string() +
                                              " is missing, but there is a database: see docs/runbooks/lost-master-key.md");
    }
    keys = crypto::create_master_key_file(config_.master_key.string(), rng_);
    if (keys) log::warn("made a new master key: keep a copy of it elsewhere", {{"file", config_.master_key.string()}});
  }
  if (!keys) return std::move(keys).error();
  keys_.emplace(*keys, rng_);
  return {};
}

// The root of derivation exists from the first start on; nothing that depends on it is stored before
// it is.
Result<void> House::seal_root() {
  return database_->write_blocking([&](store::Tx& tx) -> Result<void> {
    if (fresh_root_) {
      auto r = tx.run("INSERT INTO meta (name, value) VALUES ($1, $2)", {"derivation_root", *fresh_root_});
      if (!r) return std::move(r).error();
    }
    return put_key_check_in(tx, *keys_);
  });
}

// A new key in the file first, then everything sealed with it, room by room. What is sealed meanwhile
// with either key opens, since the ring has both; a rotation that broke off is finished by the next.
net::Task<Result<portal::Services::Rotated>> House::rotate_keys() {
  auto add = [this]() -> Result<crypto::MasterKeys> {
    if (!std::filesystem::exists(config_.master_key)) {
      return fail(Reason::invalid_argument, "the master key does not come from a file: add a line to its source and restart");
    }
    return crypto::add_master_key_version(config_.master_key.string(), rng_);
  };
  Result<Result<crypto::MasterKeys>> added = co_await pool_->run(std::move(add));
  if (!added) co_return std::move(added).error();
  if (!*added) co_return std::move(*added).error();
  const crypto::MasterKeys* keys = &**added;
  auto job = [this, keys](store::Tx& tx) -> Result<portal::Services::Rotated> {
    if (Result<void> r = keys_->adopt(keys->back()); !r) return std::move(r).error();
    portal::Services::Rotated out;
    out.active = keys_->active_id();
    Result<std::int64_t> credentials = access::reseal_credentials(tx, *keys_);
    if (!credentials) return std::move(credentials).error();
    out.resealed += *credentials;
    Result<std::int64_t> signing = oauth::reseal_keys(tx, *keys_);
    if (!signing) return std::move(signing).error();
    out.resealed += *signing;
    Result<std::int64_t> confirmations = confirmations_->reseal_in(tx);
    if (!confirmations) return std::move(confirmations).error();
    out.resealed += *confirmations;
    const Result<std::optional<Bytes>> root = derivation_root(tx);
    if (!root || !*root) return fail(Reason::sealed_unreadable, "no derivation root");
    Result<Bytes> fresh = keys_->reseal_root(**root);
    if (!fresh) return std::move(fresh).error();
    auto stored = tx.run("UPDATE meta SET value = $1 WHERE name = $2", {*fresh, "derivation_root"});
    if (!stored) return std::move(stored).error();
    if (Result<void> checked = put_key_check_in(tx, *keys_); !checked) return std::move(checked).error();
    ++out.resealed;
    return out;
  };
  Result<portal::Services::Rotated> rotated = co_await database_->write(job);
  if (!rotated) co_return rotated;
  Result<std::int64_t> factors = co_await factors_->reseal();
  if (!factors) co_return std::move(factors).error();
  rotated->resealed += *factors;
  co_return rotated;
}

// On the writer thread. Nothing is sealed by an old key any more once this has been seen there: only
// the active one seals.
Result<void> House::key_out_of_use_in(store::Tx& tx, std::uint32_t id) const {
  const std::vector<std::uint32_t> ids = keys_->ids();
  if (std::find(ids.begin(), ids.end(), id) == ids.end()) return fail(Reason::not_found, "there is no master key of this id");
  if (id == keys_->active_id()) return fail(Reason::conflict, "this key seals at present: `vestibule keys rotate` first");
  Result<std::int64_t> credentials = access::credentials_sealed_by(tx, id);
  if (!credentials) return std::move(credentials).error();
  Result<std::int64_t> secrets = factors_->sealed_by(tx, id);
  if (!secrets) return std::move(secrets).error();
  Result<std::int64_t> signing = oauth::keys_sealed_by(tx, id);
  if (!signing) return std::move(signing).error();
  Result<std::int64_t> confirmations = confirmations_->sealed_by(tx, id);
  if (!confirmations) return std::move(confirmations).error();
  std::int64_t n = *credentials + *secrets + *signing + *confirmations;
  const Result<std::optional<Bytes>> root = derivation_root(tx);
  if (!root) return root.error();
  if (*root && crypto::KeyRing::sealed_by(**root).value_or(id) == id) ++n;
  if (n > 0) {
    return fail(Reason::conflict, std::to_string(n) + " secrets are still sealed by this key: `vestibule keys rotate` seals them again");
  }
  return {};
}

// The file first: if that fails, the key is still there and all is as before.
net::Task<Result<void>> House::retire_key(std::uint32_t id) {
  auto remove = [this, id]() -> Result<void> {
    if (!std::filesystem::exists(config_.master_key)) {
      return fail(Reason::invalid_argument, "the master key does not come from a file: take the line out of its source and restart");
    }
    const Result<crypto::MasterKeys> left = crypto::remove_master_key_version(config_.master_key.string(), id, rng_);
    // One that is not in the file any more was on its way out when something failed.
    if (!left && left.error().code != Reason::not_found) return left.error();
    return {};
  };
  Result<Result<void>> removed = co_await pool_->run(std::move(remove));
  if (!removed) co_return std::move(removed).error();
  if (!*removed) co_return std::move(*removed).error();
  auto forget = [this, id](store::Tx& tx) -> Result<void> {
    auto check = tx.run("DELETE FROM meta WHERE name = $1", {"key_check_" + std::to_string(id)});
    if (!check) return std::move(check).error();
    return keys_->retire(id);
  };
  Result<void> forgotten = co_await database_->write(forget);
  co_return forgotten;
}

}  // namespace vestibule::app
