#pragma once
// The token that the token helper gave last, so that a program which asks often gets the same one. In the
// state directory, like the session, and worth as little to others.

#include <filesystem>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "base/secret.hpp"

namespace vestibule::app::cli {

struct CachedToken {
  std::string session;  ///< digest of the session's handle: of another one it is worth nothing
  std::string agent;    ///< empty: the person's own
  std::string access_point;
  Secret token;
  std::int64_t ends = 0;  ///< seconds since 1970
};

class TokenCache {
 public:
  explicit TokenCache(std::filesystem::path directory) : directory_(std::move(directory)) {}
  /// Nothing if there is none, or one that cannot be trusted: a new one is made then.
  [[nodiscard]] std::optional<CachedToken> load() const;
  [[nodiscard]] Result<void> save(const CachedToken& token) const;
  void clear() const noexcept;

 private:
  [[nodiscard]] std::filesystem::path file() const { return directory_ / "token.json"; }
  std::filesystem::path directory_;
};

}  // namespace vestibule::app::cli
