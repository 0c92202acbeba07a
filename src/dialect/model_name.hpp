#pragma once
// Names of models in one spelling a dialect, so that a rule cannot be passed by under another.

#include <string>
#include <string_view>

#include "dialect/dialect.hpp"

namespace vestibule::dialect {

/// The canonical name: a view into `name` or `scratch`. model_denied for what no server would take
/// (empty, longer than 256 bytes, control characters).
///
/// Ollama (types/model/name.go) compares names without regard to case, puts the tag `latest` where
/// none is given and reads `registry.ollama.ai/library/x` as `x`: the canonical name is lower case,
/// has a tag and lacks that prefix. Schemes, digests and characters outside its own grammar are
/// refused, as are more than three parts and a colon that is neither the tag's nor a host's port: a
/// canonical name is its own.
[[nodiscard]] Result<std::string_view> canonical_model(Kind kind, std::string_view name, std::string& scratch);

/// Ollama only: the tag says where the model runs rather than which one it is. `x:cloud` and
/// `x:20b-cloud` leave the host; `x:local` is another spelling of a model without the suffix.
[[nodiscard]] bool is_elsewhere(Kind kind, std::string_view canonical) noexcept;

}  // namespace vestibule::dialect
