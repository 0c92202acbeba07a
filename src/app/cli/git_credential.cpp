#include "app/cli/git_credential.hpp"

#include <algorithm>

namespace vestibule::app::cli {
namespace {

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool same_text(std::string_view a, std::string_view b) noexcept {
  return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

// A scheme's own port may be said or not. Behind another port it is none: `host:8420:80` is no place at all.
std::string_view without_port(std::string_view authority, std::string_view port) noexcept {
  if (!authority.ends_with(port)) return authority;
  const std::string_view host = authority.substr(0, authority.size() - port.size());
  const bool whole = !host.empty() && (host.back() == ']' || host.find(':') == std::string_view::npos);
  return whole ? host : authority;
}

}  // namespace

Result<GitRequest> parse_git_request(std::string_view text) {
  if (text.size() > kMaxGitRequest) return fail(Reason::request_malformed, "git asks for too much at once");
  GitRequest out;
  bool protocol = false, host = false, path = false;
  const auto once = [](bool& seen, std::string& to, std::string_view value) {
    if (seen) return false;
    seen = true;
    to = value;
    return true;
  };
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty()) break;
    const bool clean = std::ranges::all_of(line, [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f; });
    const std::size_t equals = line.find('=');
    if (!clean || equals == std::string_view::npos || equals == 0) {
      return fail(Reason::request_malformed, "that is not git's credential protocol");
    }
    const std::string_view key = line.substr(0, equals);
    const std::string_view value = line.substr(equals + 1);
    bool good = true;
    if (key == "protocol") good = once(protocol, out.protocol, value);
    if (key == "host") good = once(host, out.host, value);
    if (key == "path") good = once(path, out.path, value);
    if (key == "url") good = false;  // would set all of them at once: git itself never sends it
    if (key == "capability[]" && value == "authtype") out.knows_bearer = true;
    if (!good) return fail(Reason::request_malformed, "git says the same thing twice");
  }
  return out;
}

bool meant_for(const GitRequest& request, std::string_view url) noexcept {
  const std::size_t colon = url.find("://");
  if (colon == std::string_view::npos || request.host.empty()) return false;
  const std::string_view scheme = url.substr(0, colon);
  std::string_view authority = url.substr(colon + 3);
  authority = authority.substr(0, authority.find('/'));
  const std::string_view port = scheme == "https" ? ":443" : ":80";
  return same_text(request.protocol, scheme) && same_text(without_port(request.host, port), without_port(authority, port));
}

std::string git_answer(const GitRequest& request, std::string_view token, std::int64_t ends_unix) {
  std::string out;
  if (request.knows_bearer) {
    out.append("capability[]=authtype\nauthtype=Bearer\ncredential=").append(token).append("\n");
  } else {
    out.append("username=vestibule\npassword=").append(token).append("\n");
  }
  if (ends_unix > 0) out.append("password_expiry_utc=").append(std::to_string(ends_unix)).append("\n");
  return out;
}

}  // namespace vestibule::app::cli
