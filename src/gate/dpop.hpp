#pragma once
// Demonstrating proof of possession (RFC 9449): a signed statement with each request that whoever sends the
// token has the key that it was issued to.

#include <string_view>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "gate/single_use.hpp"
#include "http/head.hpp"

namespace vestibule::gate {

/// What a proof is to speak of. Views.
struct DpopWanted {
  std::string_view method;     ///< of the request
  std::string_view authority;  ///< its Host field
  std::string_view path;       ///< as received, without the query
  bool tls = false;            ///< the connection itself: a proxy in front may speak TLS all the same
  std::string_view token{};    ///< the access token beside it; empty where there is none yet
};

/// One for the process. Thread-safe; its memory is locked by requests with a proof alone.
class Dpop {
 public:
  explicit Dpop(const Clock& clock);
  /// The thumbprint of the key that signed it. credential_malformed for whatever section 4.3 asks for and is
  /// not so, and for a proof that was seen before; overloaded when no more can be remembered.
  [[nodiscard]] Result<Digest> check(std::string_view proof, const DpopWanted& wanted);
  /// The one DPoP field of a request; credential_malformed if there is none, or more.
  [[nodiscard]] static Result<std::string_view> field(const http::Headers& headers);

 private:
  const Clock& clock_;
  WallTime since_;  // what was seen before the process began is not known
  SingleUse seen_;
};

}  // namespace vestibule::gate
