#include "app/cli/token_cache.hpp"

#include <unistd.h>

#include "app/cli/state.hpp"
#include "json/value.hpp"
#include "json/writer.hpp"

namespace vestibule::app::cli {

std::optional<CachedToken> TokenCache::load() const {
  Result<std::optional<Secret>> text = read_private_file(file());
  if (!text || !*text) return std::nullopt;
  const Result<json::Value> value = json::parse((*text)->reveal_text());
  if (!value) return std::nullopt;
  Result<std::string> session = value->get_string("session");
  Result<std::string> agent = value->get_string("agent");
  Result<std::string> point = value->get_string("access_point");
  Result<std::string> token = value->get_string("token");
  const Result<std::int64_t> ends = value->get_int("ends");
  if (!session || !agent || !point || !token || !ends) return std::nullopt;
  CachedToken out{std::move(*session), std::move(*agent), std::move(*point), Secret(std::string_view(*token)), *ends};
  wipe(*token);
  return out;
}

Result<void> TokenCache::save(const CachedToken& t) const {
  json::Writer w;
  w.begin_object().member("session", t.session).member("agent", t.agent).member("access_point", t.access_point);
  w.member("token", t.token.reveal_text()).member("ends", t.ends).end_object();
  std::string text = w.take();
  text += '\n';
  Result<void> written = write_private_file(file(), text);
  wipe(text);
  return written;
}

void TokenCache::clear() const noexcept { ::unlink(file().c_str()); }

}  // namespace vestibule::app::cli
