#include "audit/proof.hpp"

#include <algorithm>

#include "audit/merkle.hpp"
#include "audit/record_codec.hpp"
#include "json/value.hpp"
#include "json/writer.hpp"

namespace vestibule::audit {
namespace {

constexpr std::string_view kFormat = "vestibule-audit-proof/v1";
constexpr std::size_t kMembers = 6;
constexpr json::Limits kLimits{.bytes = 256 * 1024, .depth = 2, .tokens = 256};

std::optional<Digest> digest_from(std::string_view text) {
  const auto raw = unhex(text);
  Digest d;
  if (!raw || raw->size() != d.size()) return std::nullopt;
  std::copy(raw->begin(), raw->end(), d.begin());
  return d;
}

Error no_proof(std::string_view why) {
  return fail(Reason::invalid_argument, "not an inclusion proof: " + std::string(why));
}

}  // namespace

std::string proof_json(std::uint64_t seq, ByteView leaf, const std::vector<Digest>& path,
                       std::string_view checkpoint) {
  json::Writer w;
  w.begin_object().member("format", kFormat).member("seq", seq);
  w.key("record").value(std::string_view(base64(leaf)));
  w.key("leaf_hash").value(std::string_view(hex(leaf_hash(leaf))));
  w.key("path").begin_array();
  for (const Digest& d : path) w.value(std::string_view(hex(d)));
  w.end_array().member("checkpoint", checkpoint).end_object();
  return w.take();
}

Result<void> check_proof(std::string_view text, ByteView public_key) {
  const auto parsed = json::parse(text, kLimits);
  if (!parsed) return no_proof(parsed.error().detail);
  const LogKey any{{}, Bytes(public_key.begin(), public_key.end())};
  const auto opened = open_proof(*parsed, std::span(&any, 1));
  if (!opened) return opened.error();
  return {};
}

Result<Proven> open_proof(const json::Value& proof, std::span<const LogKey> keys) {
  if (!proof.is_object() || proof.members().size() != kMembers) return no_proof("wrong members");
  const auto format = proof.get_string("format");
  const auto seq = proof.get_int("seq");
  const auto record = proof.get_string("record");
  const auto hash = proof.get_string("leaf_hash");
  const auto note = proof.get_string("checkpoint");
  const json::Value* const path = proof.find("path");
  if (!format || *format != kFormat) return no_proof("unknown format");
  if (!seq || *seq < 0 || !record || !hash || !note || path == nullptr || !path->is_array())
    return no_proof("a member is missing or has the wrong type");

  const auto leaf = unbase64(*record);
  if (!leaf) return no_proof("record is not base64");
  const auto view = decode_leaf(*leaf);
  if (!view) return fail(Reason::log_corrupt, "the record is not valid");
  if (view->seq != static_cast<std::uint64_t>(*seq))
    return fail(Reason::log_corrupt, "the record has another number than the proof");
  const Digest leaf_digest = leaf_hash(*leaf);
  const auto stated = digest_from(*hash);
  if (!stated || *stated != leaf_digest)
    return fail(Reason::log_corrupt, "leaf_hash is not the record's");

  std::vector<Digest> hashes;
  for (const json::Value& item : path->items()) {
    const auto h = item.as_string();
    const auto d = h ? digest_from(*h) : std::nullopt;
    if (!d) return no_proof("path holds something that is no hash");
    hashes.push_back(*d);
  }
  Result<Checkpoint> checkpoint = fail(Reason::log_corrupt, "no key is known that could have signed the checkpoint");
  for (const LogKey& k : keys) {
    Result<Checkpoint> signed_so = open_checkpoint(*note, k.key);
    if (signed_so && !k.name.empty() && signed_so->origin != k.name)
      signed_so = fail(Reason::log_corrupt, "the checkpoint is of another log");
    checkpoint = std::move(signed_so);
    if (checkpoint) break;
  }
  if (!checkpoint) return std::move(checkpoint).error();
  const auto root = root_from_path(leaf_digest, view->seq, checkpoint->size, hashes);
  if (!root || *root != checkpoint->root)
    return fail(Reason::log_corrupt, "the path does not lead to the checkpoint's root");
  return Proven{*leaf, std::string(checkpoint->origin)};
}

}  // namespace vestibule::audit
