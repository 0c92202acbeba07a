#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace tiny {

// Stand-ins for the two control tokens, so that a dialogue is one plain string
// to the generator and to the tokenizer.
inline constexpr char kStart = '\x01';  // <|im_start|>
inline constexpr char kEnd = '\x02';    // <|im_end|>

// What a piece of a dialogue is, as the evaluation reports it.
enum class Intent {
  context,  // not the assistant's words: shown to the model, never learned
  call_list_files,
  call_read_file,
  call_delete_file,
  call_send_email,
  call_transfer_money,
  call_restart_service,
  call_get_weather,
  call_get_time,
  knowledge,   // small talk, and questions about sign-in and Vestibule
  repeat,      // "say ...": keeps the copying of unknown words sharp
  clarify,     // a request that lacks what the tool needs
  refuse,      // outside the model's world
  no_tool,     // inside it, but the tool was not offered
  after_tool,  // the sentence that follows a tool's result
};
inline constexpr int kIntents = static_cast<int>(Intent::after_tool) + 1;
const char* name_of(Intent intent);

struct Piece {
  std::string text;
  Intent intent;
};
using Dialogue = std::vector<Piece>;

// Makes dialogues in the model's chat format, without end and without any
// input file: everything the model ever sees comes from the lists and the
// grammar in corpus*.cpp. The same seed gives the same dialogues.
//
// `held_out` draws the words of out-of-world prompts from the eighth of the
// lists that training never uses; names, files and amounts are random anyhow.
class Corpus {
 public:
  enum class Split { training, held_out };
  // How hard the dialogues are: training starts with single exchanges that are
  // mostly copying, which small networks must learn first.
  struct Stage {
    int exchanges_at_most = 3;
    double repeat_share = 0.06;
  };

  Corpus(std::uint64_t seed, Split split) : random_(seed), split_(split) {}
  Dialogue dialogue(const Stage& stage);

 private:
  // A request that one tool answers. `done` is said after a result that tells
  // nothing ("ok"), `report` introduces a result worth repeating (may be empty).
  struct Request {
    std::string user, arguments, done, report;
    Intent intent;
  };

  int below(int n) { return static_cast<int>(random_() % static_cast<std::uint64_t>(n)); }
  bool one_in(int n) { return below(n) == 0; }
  const std::string& pick(const std::vector<std::string>& list) {
    return list[static_cast<std::size_t>(below(static_cast<int>(list.size())))];
  }
  const std::string& pick_split(const std::vector<std::string>& list);

  // corpus_words.cpp: names and values
  std::string syllable();
  std::string pseudo_word();
  std::string word();
  std::string file_name();
  std::string folder();
  std::string person();
  std::string mail_address();
  std::string amount();
  std::string service();
  std::string city();
  std::string subject();
  std::string any_case(std::string text);

  // corpus_world.cpp: what the model can do and knows
  Request request();
  std::string polite(const std::string& order);
  std::pair<std::string, std::string> knowledge();
  std::pair<std::string, std::string> clarification();
  std::string repeat_text();
  std::vector<std::string> offered_tools();
  void tool_result(const Request& request, Dialogue& dialogue);

  // corpus_outside.cpp: what it must refuse
  std::string outside();
  std::string fill(const std::string& pattern);

  std::mt19937_64 random_;
  Split split_;
};

// The one sentence for everything outside the model's world.
extern const std::string kRefusal;

}  // namespace tiny
