#include "gguf.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>

namespace tiny {
namespace {

static_assert(std::endian::native == std::endian::little, "GGUF is little endian");

// How llama-server renders a request into the text the model was trained on.
// Of a tool only its name is shown: the model knows its eight tools by heart.
// System messages are not shown: nothing was learned from them. llama-server
// finds the tool call format by itself from the way assistant messages with
// tool calls are rendered.
const char* const kChatTemplate =
    "{%- if tools %}{{- '<|im_start|>system\\ntools:' }}{%- for t in tools %}{{- ' ' + "
    "t.function.name }}{%- endfor %}{{- '<|im_end|>\\n' }}{%- endif %}"
    "{%- for m in messages %}"
    "{%- if m.role == 'user' %}{{- '<|im_start|>user\\n' + m.content + '<|im_end|>\\n' }}"
    "{%- elif m.role == 'assistant' %}{{- '<|im_start|>assistant\\n' }}{%- if m.content %}{{- "
    "m.content }}{%- endif %}{%- if m.tool_calls %}{%- for c in m.tool_calls %}{{- "
    "'<tool_call>\\n{\"name\": \"' + c.function.name + '\", \"arguments\": ' }}{{- "
    "c.function.arguments | tojson }}{{- '}\\n</tool_call>' }}{%- endfor %}{%- endif %}{{- "
    "'<|im_end|>\\n' }}"
    "{%- elif m.role == 'tool' %}{{- '<|im_start|>tool\\n' + m.content + '<|im_end|>\\n' }}{%- "
    "endif %}"
    "{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}";

constexpr std::size_t kAlignment = 32;

class Writer {
 public:
  template <class T>
  void number(T value) {
    raw(&value, sizeof value);
  }
  void text(const std::string& value) {
    number<std::uint64_t>(value.size());
    bytes_ += value;
  }
  void raw(const void* data, std::size_t size) {
    bytes_.append(static_cast<const char*>(data), size);
  }
  void align() { bytes_.resize((bytes_.size() + kAlignment - 1) / kAlignment * kAlignment); }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

// The metadata section: typed key-value pairs.
class Metadata {
 public:
  enum Type : std::uint32_t {
    kUint32 = 4,
    kInt32 = 5,
    kFloat32 = 6,
    kBool = 7,
    kString = 8,
    kArray = 9
  };

  void set(const char* key, const char* value) { start(key, kString).text(value); }
  void set(const char* key, int value) {
    start(key, kUint32).number(static_cast<std::uint32_t>(value));
  }
  void set(const char* key, float value) { start(key, kFloat32).number(value); }
  void set(const char* key, bool value) { start(key, kBool).number<std::uint8_t>(value); }
  Writer& array(const char* key, Type of, std::size_t count) {
    Writer& out = start(key, kArray);
    out.number<std::uint32_t>(of);
    out.number<std::uint64_t>(count);
    return out;
  }
  std::uint64_t count() const { return count_; }
  const std::string& bytes() const { return out_.bytes(); }

 private:
  Writer& start(const char* key, Type type) {
    ++count_;
    out_.text(key);
    out_.number<std::uint32_t>(type);
    return out_;
  }
  Writer out_;
  std::uint64_t count_ = 0;
};

// GPT-2's way to write any byte as a printable character: itself where it is
// one, else the next code point from 256 on.
std::string printable(const std::string& raw) {
  std::string result;
  for (const char c : raw) {
    const int byte = static_cast<unsigned char>(c);
    const auto is_itself = [](int b) {
      return (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
    };
    int point = byte;
    if (!is_itself(byte)) {
      point = 256;
      for (int b = 0; b < byte; ++b) point += is_itself(b) ? 0 : 1;
    }
    if (point < 128) {
      result += static_cast<char>(point);
    } else {
      result += static_cast<char>(0xC0 | (point >> 6));
      result += static_cast<char>(0x80 | (point & 0x3F));
    }
  }
  return result;
}

// IEEE half precision, round to nearest even. The weights of this model lie far
// within its range; what does not is clamped or becomes zero.
std::uint16_t to_half(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = (bits >> 16) & 0x8000u;
  const std::int32_t exponent = static_cast<std::int32_t>((bits >> 23) & 0xFF) - 127 + 15;
  std::uint32_t mantissa = bits & 0x7FFFFFu;
  if (exponent >= 31) return static_cast<std::uint16_t>(sign | 0x7BFFu);
  int shift = 13;
  std::uint32_t half;
  if (exponent <= 0) {
    if (exponent < -10) return static_cast<std::uint16_t>(sign);
    mantissa |= 0x800000u;
    shift += 1 - exponent;
    half = mantissa >> shift;
  } else {
    half = (static_cast<std::uint32_t>(exponent) << 10) | (mantissa >> shift);
  }
  const std::uint32_t rest = mantissa & ((1u << shift) - 1), middle = 1u << (shift - 1);
  if (rest > middle || (rest == middle && (half & 1))) ++half;
  return static_cast<std::uint16_t>(sign | half);
}

float from_half(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000u) << 16;
  const std::uint32_t exponent = (half >> 10) & 0x1F, mantissa = half & 0x3FFu;
  if (exponent == 0) {
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    return sign ? -magnitude : magnitude;
  }
  return std::bit_cast<float>(sign | ((exponent + 127 - 15) << 23) | (mantissa << 13));
}

std::size_t count_of(const Network::View& view) {
  return static_cast<std::size_t>(view.columns) * static_cast<std::size_t>(std::max(1, view.rows));
}
bool is_matrix(const Network::View& view) { return view.rows != 0; }
std::size_t bytes_of(const Network::View& view) {
  return count_of(view) * (is_matrix(view) ? 2 : 4);
}
std::size_t padded(std::size_t n) { return (n + kAlignment - 1) / kAlignment * kAlignment; }

// Everything before the weights.
std::string header(Network& network, const Tokenizer& tokenizer) {
  const Shape& shape = network.shape();
  Metadata meta;
  meta.set("general.architecture", "llama");
  meta.set("general.name", "vestibule-tiny-demo");
  meta.set("general.description",
           "Vestibule's demonstration model, trained from generated dialogues (models/tiny)");
  meta.set("general.file_type", 1);  // mostly f16
  meta.set("llama.block_count", shape.layers);
  meta.set("llama.context_length", shape.context);
  meta.set("llama.embedding_length", shape.width);
  meta.set("llama.feed_forward_length", shape.hidden);
  meta.set("llama.attention.head_count", shape.heads);
  meta.set("llama.attention.head_count_kv", shape.heads);
  meta.set("llama.attention.layer_norm_rms_epsilon", Shape::kNormEpsilon);
  meta.set("llama.rope.dimension_count", shape.width / shape.heads);
  meta.set("llama.rope.freq_base", Shape::kRopeBase);
  meta.set("llama.vocab_size", shape.vocabulary);
  meta.set("tokenizer.ggml.model", "gpt2");
  meta.set("tokenizer.ggml.pre", "gpt-2");
  const auto vocabulary = static_cast<std::size_t>(shape.vocabulary);
  Writer& tokens = meta.array("tokenizer.ggml.tokens", Metadata::kString, vocabulary);
  for (int i = 0; i < shape.vocabulary; ++i) {
    tokens.text(i >= tokenizer.size()       ? "<unused" + std::to_string(i) + ">"
                : i < Tokenizer::kFirstByte ? tokenizer.piece(i)
                                            : printable(tokenizer.piece(i)));
  }
  Writer& types = meta.array("tokenizer.ggml.token_type", Metadata::kInt32, vocabulary);
  constexpr std::int32_t kNormal = 1, kControl = 3, kUnused = 5;
  for (int i = 0; i < shape.vocabulary; ++i)
    types.number(i >= tokenizer.size() ? kUnused : i < Tokenizer::kFirstByte ? kControl : kNormal);
  Writer& merges =
      meta.array("tokenizer.ggml.merges", Metadata::kString, tokenizer.merges().size());
  for (const auto& [a, b] : tokenizer.merges())
    merges.text(printable(tokenizer.piece(a)) + " " + printable(tokenizer.piece(b)));
  meta.set("tokenizer.ggml.bos_token_id", Tokenizer::kEndOfText);
  meta.set("tokenizer.ggml.eos_token_id", Tokenizer::kImEnd);
  meta.set("tokenizer.ggml.add_bos_token", false);
  meta.set("tokenizer.chat_template", kChatTemplate);

  const auto views = network.views();
  Writer out;
  out.raw("GGUF", 4);
  out.number<std::uint32_t>(3);
  out.number<std::uint64_t>(views.size());
  out.number<std::uint64_t>(meta.count());
  out.raw(meta.bytes().data(), meta.bytes().size());
  std::uint64_t offset = 0;
  for (const auto& view : views) {
    out.text(view.name);
    out.number<std::uint32_t>(is_matrix(view) ? 2 : 1);
    out.number<std::uint64_t>(static_cast<std::uint64_t>(view.columns));
    if (is_matrix(view)) out.number<std::uint64_t>(static_cast<std::uint64_t>(view.rows));
    out.number<std::uint32_t>(is_matrix(view) ? 1 : 0);  // GGML_TYPE_F16, GGML_TYPE_F32
    out.number<std::uint64_t>(offset);
    offset += padded(bytes_of(view));
  }
  out.align();
  return out.bytes();
}

}  // namespace

std::string to_gguf(Network& network, const Tokenizer& tokenizer) {
  Writer out;
  const std::string head = header(network, tokenizer);
  out.raw(head.data(), head.size());
  for (const auto& view : network.views()) {
    if (is_matrix(view)) {
      for (std::size_t i = 0; i < count_of(view); ++i) out.number(to_half(view.data[i]));
    } else {
      out.raw(view.data, bytes_of(view));
    }
    out.align();
  }
  return out.bytes();
}

bool from_gguf(const std::string& file, Network& network, const Tokenizer& tokenizer) {
  const std::string head = header(network, tokenizer);
  const auto views = network.views();
  std::size_t total = head.size();
  for (const auto& view : views) total += padded(bytes_of(view));
  if (file.size() != total || file.compare(0, head.size(), head) != 0) return false;
  const char* from = file.data() + head.size();
  for (const auto& view : views) {
    if (is_matrix(view)) {
      for (std::size_t i = 0; i < count_of(view); ++i) {
        std::uint16_t half;
        std::memcpy(&half, from + 2 * i, sizeof half);
        view.data[i] = from_half(half);
      }
    } else {
      std::memcpy(view.data, from, bytes_of(view));
    }
    from += padded(bytes_of(view));
  }
  return true;
}

}  // namespace tiny
