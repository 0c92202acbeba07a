#include "audit/opened.hpp"

#include <algorithm>

#include "json/writer.hpp"

namespace vestibule::audit {

std::string opened_json(ByteView salt, ByteView fields, std::string_view proof_json) {
  json::Writer w;
  w.begin_object().member("fields", base64(fields)).key("proof").raw(proof_json).member("salt", base64(salt)).end_object();
  return w.take();
}

Result<Opened> open_record(const json::Value& opened, std::span<const LogKey> keys) {
  const auto fields = opened.get_string("fields");
  const auto salt = opened.get_string("salt");
  const json::Value* const proof = opened.find("proof");
  if (opened.members().size() != 3 || !fields || !salt || proof == nullptr) {
    return fail(Reason::invalid_argument, "not an opened record");
  }
  auto proven = open_proof(*proof, keys);
  if (!proven) return std::move(proven).error();
  Opened out;
  out.record = std::move(proven->record);
  out.origin = std::move(proven->origin);
  out.salt = unbase64(*salt).value_or(Bytes{});
  out.fields = unbase64(*fields).value_or(Bytes{});
  const auto leaf = decode_leaf(out.record);
  const auto about = decode_private(out.fields);
  if (!leaf || !about || out.salt.size() != kSaltSize || !std::ranges::equal(commit_private(out.salt, out.fields), leaf->commitment)) {
    return fail(Reason::log_corrupt, "what is said of the record is not what it commits to");
  }
  out.leaf = *leaf;
  out.about = *about;
  return out;
}

}  // namespace vestibule::audit
