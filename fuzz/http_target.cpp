// Targets, queries and Host values: what is accepted has one reading. Decoding a path adds no
// segment, no dot segment and no control character; a canonical Host is its own canonical form.
#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "http/hop.hpp"
#include "http/host.hpp"
#include "http/target.hpp"
#include "require.hpp"

using namespace vestibule;
using namespace vestibule::http;

namespace {

void check_host(std::string_view text) {
  const auto host = parse_host(text);
  require(host.has_value() == is_valid_host(text));
  if (!host) return;
  const auto again = parse_host(host->name);
  require(again.has_value() && again->name == host->name && again->port == 0);
}

void check_query(std::string_view query) {
  QueryReader reader(query);
  QueryParam param;
  std::string decoded;
  std::size_t size = 0;
  while (reader.next(param) == QueryReader::Step::param) {
    size += param.name.size() + param.value.size() + 2;
    require(!param.name.empty() && decode_query(param.name, decoded) &&
            decode_query(param.value, decoded));
  }
  require(size <= query.size() + 1);
  static_cast<void>(query_value(query, "a"));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_host(text);
  static_cast<void>(identity_header(text));
  const auto target = parse_target(text);
  if (!target) return 0;

  std::vector<char> buffer(target->path.size());
  const std::string path(decode_path(*target, buffer));
  require(!path.empty() && path[0] == '/' && is_utf8(path));
  require(target->escaped || path == target->path);
  std::size_t raw_slashes = 0;
  std::size_t slashes = 0;
  for (const char c : target->path) raw_slashes += c == '/' ? 1 : 0;
  for (const char c : path) {
    slashes += c == '/' ? 1 : 0;
    require(static_cast<unsigned char>(c) >= 0x20 && c != 0x7F);
  }
  require(slashes == raw_slashes);
  require(path.find_first_of("\\?#;%") == std::string::npos &&
          path.find("//") == std::string::npos);
  const std::string framed = path + "/";
  require(framed.find("/./") == std::string::npos && framed.find("/../") == std::string::npos);
  require(target->path.size() + target->query.size() + (target->has_query ? 1U : 0U) ==
          text.size());
  check_query(target->query);
  return 0;
}
