// What a tool server says of a tool: read, and read again from its own canonical text.
#include <cstdint>
#include <string_view>

#include "approval/definition.hpp"
#include "require.hpp"

using namespace vestibule;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Result<approval::Definition> read = approval::read_definition(text);
  if (!read) return 0;
  require(!read->tool.empty() && read->tool.size() <= approval::kMaxToolName && read->text.size() <= approval::kMaxDefinition);
  if (read->text.empty()) return 0;  // longer than anybody is asked to read
  const Result<approval::Definition> again = approval::read_definition(read->text);
  require(again && again->tool == read->tool && again->digest == read->digest);
  return 0;
}
