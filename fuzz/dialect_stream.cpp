// Replies that come as events or lines. The first byte picks the protocol.
#include "inspect_input.hpp"

using namespace vestibule::dialect;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const auto shape = static_cast<ReplyShape>(data[0] % 4);
  judge_reply(shape, shape == ReplyShape::ollama_chat ? ReplyForm::ndjson : ReplyForm::events, {reinterpret_cast<const char*>(data) + 1, size - 1});
  return 0;
}
