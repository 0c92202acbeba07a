#include "store/sqlite_tx.hpp"

#include "base/log.hpp"

namespace vestibule::store {

Result<std::int64_t> SqliteTx::run(std::string_view sql, Params params) {
  return connection_.run(sql, params, allow());
}

Result<void> SqliteTx::query(std::string_view sql, Params params,
                             const std::function<bool(const Row&)>& row) {
  return connection_.query(sql, params, allow(), row);
}

void SqliteTx::changed(std::string_view topic, ByteView key) {
  if (effects_ != nullptr) return effects_->changed(topic, key);
  log::error("changed() in a transaction that only reads", {{"topic", topic}});
}

void SqliteTx::journal(ByteView entry) {
  if (effects_ != nullptr) return effects_->journal(entry);
  log::error("journal() in a transaction that only reads", {});
}

void SqliteTx::erased() {
  if (effects_ != nullptr) return effects_->erased();
  log::error("erased() in a transaction that only reads", {});
}

}  // namespace vestibule::store
