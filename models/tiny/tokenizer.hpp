#pragma once

#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace tiny {

// Byte-level BPE whose merges stay within runs of ASCII letters.
//
// llama.cpp's "gpt-2" pre-tokenizer cuts text so that a merge can never cross
// from letters to anything else either, hence both give the same tokens without
// sharing a line of code. (One exception: it cuts after the contractions 's 't
// 're 've 'm 'll 'd, wherever they stand. The corpus has no other apostrophes.)
// Digits, punctuation and spaces stay single bytes: amounts and paths are then
// copied one character at a time, which a small network does reliably.
class Tokenizer {
 public:
  static constexpr int kEndOfText = 0;
  static constexpr int kImStart = 1;
  static constexpr int kImEnd = 2;
  static constexpr int kFirstByte = 3;
  static constexpr int kFirstMerge = kFirstByte + 256;

  // Learns merges from the texts until the vocabulary has `size` entries.
  // Ties go to the pair with the smaller ids, so the result depends on nothing
  // but the texts.
  Tokenizer(const std::vector<std::string>& texts, int size);

  // Appends the tokens of a text; kStart and kEnd become the control tokens.
  void encode(const std::string& text, std::vector<int>& tokens);

  int size() const { return static_cast<int>(pieces_.size()); }
  // Raw bytes of a token (the control tokens by name).
  const std::string& piece(int token) const { return pieces_[static_cast<std::size_t>(token)]; }
  const std::vector<std::pair<int, int>>& merges() const { return merges_; }

 private:
  void encode_word(const std::string& word, std::vector<int>& tokens);

  std::vector<std::string> pieces_;
  std::vector<std::pair<int, int>> merges_;
  std::map<std::pair<int, int>, int> rank_;
  std::unordered_map<std::string, std::vector<int>> cache_;  // pure speed
};

}  // namespace tiny
