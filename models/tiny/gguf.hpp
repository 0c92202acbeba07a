#pragma once

#include <string>

#include "network.hpp"
#include "tokenizer.hpp"

namespace tiny {

// A GGUF file (version 3) that llama.cpp loads: architecture, tokenizer, chat
// template, matrices as f16, vectors as f32. The same input gives the same
// bytes.
std::string to_gguf(Network& network, const Tokenizer& tokenizer);

// Takes the weights of a file made by to_gguf. Only its own kind: everything
// before the weights must be, byte for byte, what to_gguf writes for this
// network and tokenizer. False if it is not.
bool from_gguf(const std::string& file, Network& network, const Tokenizer& tokenizer);

}  // namespace tiny
