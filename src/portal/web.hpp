#pragma once
// The portal's own listener, an origin of its own: the user interface, the control API with a session in
// a cookie, and the way from the chat page to the models. A browser's request passes here or nowhere.

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "portal/browser.hpp"
#include "portal/portal.hpp"

namespace vestibule::portal {

/// One file of the user interface as it was built, in each coding that is smaller than the file.
struct Asset {
  enum class Keep : std::uint8_t {
    never,    ///< the page itself: a new version is seen at once
    checked,  ///< kept, but asked about each time
    forever,  ///< its name changes with its content
  };
  std::string_view path;      ///< "/assets/index-3f2a9c.js"; the page is "/"
  std::string_view type;      ///< Content-Type
  std::string_view tag;       ///< ETag, with its quotes
  Keep keep = Keep::checked;
  std::string_view plain, gzip, brotli;
};

struct WebOptions {
  std::span<const Asset> assets;
  std::vector<std::string> origins;  ///< as the browser spells them: "https://portal.example.org"
  Transport transport = Transport::plain;
  /// Is this canonical host name one of ours? Any core; must not throw.
  std::function<bool(std::string_view host)> known_host;
  /// Serves `/chat/NAME/...`; of the same core. It asks who_asks() for the caller.
  wire::Handler* models = nullptr;
  /// Serves `/oauth/...` and its metadata; no cookie counts there. Null: there is none.
  wire::Handler* oauth = nullptr;
};

/// One a core, used on it only; what it is given outlives it.
class Web final : public wire::Handler {
 public:
  Web(Services services, WebOptions options);
  ~Web() override;

  net::Task<> serve(wire::Exchange& exchange) override;
  void refused(const net::Peer& peer, Reason reason) noexcept override;

 private:
  net::Task<> refuse(wire::Exchange& exchange, Reason reason);
  net::Task<> serve_file(wire::Exchange& exchange, std::string_view path);

  gate::Gate& gate_;
  WebOptions options_;
  Portal api_;
};

/// The caller of a request to the models that came in through Web: the session of its cookie, whose
/// sign-in must be finished. Any other credential beside it is refused.
[[nodiscard]] Result<session::Identified> who_asks(const http::RequestHead& head, const session::Sessions& sessions,
                                                   const Clock& clock);
/// Before that, while Sessions::whole() is false: fetches the cookie's session.
net::Task<Result<void>> recall_cookie(const http::RequestHead& head, session::Sessions& sessions);

}  // namespace vestibule::portal
