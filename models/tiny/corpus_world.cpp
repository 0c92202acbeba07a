// What the model can do (eight tools) and what it knows (one-sentence answers).
#include <algorithm>

#include "corpus.hpp"
#include "phrases.hpp"

namespace tiny {
namespace {

std::string quoted(const std::string& text) { return "\"" + text + "\""; }

bool asks(const std::string& text) {
  static const Strings openings = {"what",  "how",    "is ",   "which", "where", "who",
                                   "does ", "do you", "will ", "are ",  "has "};
  return std::any_of(openings.begin(), openings.end(),
                     [&](const std::string& o) { return text.rfind(o, 0) == 0; });
}

// An intent may carry another name where a well-known MCP server calls the same
// tool so; the arguments are the same.
struct Tool {
  Intent intent;
  const char* name;
  const char* other_name;
};
constexpr Tool kTools[] = {
    {Intent::call_list_files, "list_files", "list_directory"},
    {Intent::call_read_file, "read_file", "read_text_file"},
    {Intent::call_delete_file, "delete_file", nullptr},
    {Intent::call_send_email, "send_email", nullptr},
    {Intent::call_transfer_money, "transfer_money", nullptr},
    {Intent::call_restart_service, "restart_service", nullptr},
    {Intent::call_get_weather, "get_weather", nullptr},
    {Intent::call_get_time, "get_time", nullptr},
};

// Which of the two names of a tool is among those offered; nullptr if neither.
const char* offered_name(Intent intent, const Strings& offered) {
  for (const Tool& tool : kTools) {
    if (tool.intent != intent) continue;
    for (const char* name : {tool.name, tool.other_name}) {
      if (name && std::find(offered.begin(), offered.end(), name) != offered.end()) return name;
    }
  }
  return nullptr;
}

const char* const kApprovalSentence =
    "This needs your approval. Please confirm it with your second factor.";
const char* const kDeniedSentence = "It was denied, so I did not do it.";
const char* const kFailedSentence = "That did not work. The tool reported an error.";
const char* const kNoToolSentence = "I have no tool for that.";

}  // namespace

const char* name_of(Intent intent) {
  switch (intent) {
    case Intent::context:
      return "context";
    case Intent::call_list_files:
      return "call list_files";
    case Intent::call_read_file:
      return "call read_file";
    case Intent::call_delete_file:
      return "call delete_file";
    case Intent::call_send_email:
      return "call send_email";
    case Intent::call_transfer_money:
      return "call transfer_money";
    case Intent::call_restart_service:
      return "call restart_service";
    case Intent::call_get_weather:
      return "call get_weather";
    case Intent::call_get_time:
      return "call get_time";
    case Intent::knowledge:
      return "knowledge and small talk";
    case Intent::repeat:
      return "repeat after me";
    case Intent::clarify:
      return "ask what is missing";
    case Intent::refuse:
      return "refuse what is outside";
    case Intent::no_tool:
      return "tool not offered";
    case Intent::after_tool:
      return "after a tool's result";
  }
  return "";
}

// Adds the words people put around an order. Questions stay as they are.
std::string Corpus::polite(const std::string& order) {
  if (asks(order)) return order + (one_in(4) ? "" : "?");
  const std::string prefix = pick(kBefore);
  if (prefix.rfind("can", 0) == 0 || prefix.rfind("could", 0) == 0 || prefix.rfind("would", 0) == 0)
    return prefix + order + (one_in(3) ? "" : "?");
  return prefix + order + pick(kAfter);
}

Corpus::Request Corpus::request() {
  Request r;
  const int kind = below(16);
  if (kind < 2) {
    r.intent = Intent::call_list_files;
    if (one_in(8)) {
      r.user = pick(kListHere);
      r.arguments = "{\"path\": \".\"}";
      r.done = "Here are the files.";
      r.report = "The files: ";
    } else {
      const std::string d = folder();
      r.user = pick(kListOrders) + d;
      if (one_in(8)) r.user += one_in(2) ? " folder" : " directory";
      r.arguments = "{\"path\": " + quoted(d) + "}";
      r.done = "Here are the files in " + d + ".";
      r.report = "The files in " + d + ": ";
    }
  } else if (kind < 4) {
    // A path without an extension could be a folder: only the verb tells.
    const bool plain = one_in(8);
    const std::string f = plain ? folder() : file_name();
    r.intent = Intent::call_read_file;
    r.user = plain ? pick({"read ", "read the file ", "cat ", "open the file ", "print the file "})
                   : pick(kReadOrders);
    r.user += f;
    if (r.user.rfind("what does", 0) == 0) r.user += " say";
    r.arguments = "{\"path\": " + quoted(f) + "}";
    r.done = "This is what " + f + " says.";
    r.report = f + " says: ";
  } else if (kind < 6) {
    const std::string f = one_in(8) ? folder() : file_name();
    r.intent = Intent::call_delete_file;
    r.user = pick(kDeleteOrders) + f;
    r.arguments = "{\"path\": " + quoted(f) + "}";
    r.done = "Done, I deleted " + f + ".";
  } else if (kind < 8) {
    const std::string to = one_in(4) ? person() : mail_address();
    const std::string about = subject();
    r.intent = Intent::call_send_email;
    const std::string link = pick(kSubjectLinks);
    r.user = one_in(6) ? "tell " + mail_address() + " about " + about
                       : pick(kMailOrders) + to + link + about;
    std::string receiver = to;
    if (r.user.rfind("tell ", 0) == 0) receiver = r.user.substr(5, r.user.find(" about ") - 5);
    r.arguments = "{\"to\": " + quoted(receiver) + ", \"subject\": " + quoted(about) + "}";
    r.done = "I sent the email to " + receiver + ".";
  } else if (kind < 11) {
    // The example everybody tries: given more weight and more phrasings.
    const std::string to = person();
    const std::string sum = amount();
    std::string money = sum + pick(kUnits);
    if (one_in(8))
      money = pick({"$", "\xe2\x82\xac", "\xc2\xa3"}) + sum;
    else if (one_in(12))
      money = sum + "\xe2\x82\xac";
    r.intent = Intent::call_transfer_money;
    switch (below(6)) {
      case 0:
        r.user = pick({"pay ", "send ", "transfer ", "give ", "wire "}) + to + " " + money;
        break;
      case 1:
        r.user = pick(kTransferOrders) + money + " to " + to;
        break;
      case 2:
        if (one_in(2)) {
          r.user = "move " + money + " to " + pick({"the account of ", ""}) + to;
          break;
        }
        [[fallthrough]];
      default:
        r.user = pick(kTransferVerbs) + money + " to " + to;
    }
    r.arguments = "{\"to\": " + quoted(to) + ", \"amount\": " + sum + "}";
    r.done = "Done, " + sum + " went to " + to + ".";
  } else if (kind < 13) {
    const std::string s = service();
    r.intent = Intent::call_restart_service;
    r.user = pick(kRestartOrders) + s;
    if (one_in(2))
      r.user = pick({"restart the ", "reboot the ", "bounce the ", "restart "}) + s +
               pick({" service", " service", " server", " daemon"});
    r.arguments = "{\"name\": " + quoted(s) + "}";
    r.done = "Done, " + s + " was restarted.";
  } else if (kind < 15) {
    const std::string c = city();
    r.intent = Intent::call_get_weather;
    r.user = pick(kWeatherOrders) + c;
    if (asks(r.user) && one_in(5)) r.user += one_in(2) ? " today" : " now";
    r.arguments = "{\"city\": " + quoted(c) + "}";
    r.done = "That is the weather in " + c + ".";
    r.report = "The weather in " + c + ": ";
  } else {
    r.intent = Intent::call_get_time;
    r.user = pick(kTimeOrders);
    r.arguments = "{}";
    r.done = "That is the time.";
    r.report = "It is ";
  }
  r.user = any_case(polite(r.user));
  return r;
}

std::pair<std::string, std::string> Corpus::knowledge() {
  if (one_in(2)) {
    const auto& talk =
        kSmallTalk[static_cast<std::size_t>(below(static_cast<int>(kSmallTalk.size())))];
    std::string user = pick(talk.first);
    if (user.back() == '?' && one_in(3))
      user.pop_back();
    else if (user.back() != '?' && one_in(4))
      user += pick({".", "!"});
    return {any_case(user), talk.second};
  }
  // MFA is what visitors ask first.
  const Topic& topic =
      one_in(6) ? kTopics[0]
                : kTopics[static_cast<std::size_t>(below(static_cast<int>(kTopics.size())))];
  std::string name = pick(topic.names);
  if (one_in(6)) {
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  std::string user = pick(kTopicFrames);
  user.replace(user.find('#'), 1, name);
  if (one_in(3))
    user += "?";
  else if (asks(user) && !one_in(3))
    user += "?";
  return {any_case(user), topic.answer};
}

std::pair<std::string, std::string> Corpus::clarification() {
  const auto& c = kClarify[static_cast<std::size_t>(below(static_cast<int>(kClarify.size())))];
  std::string user = pick(c.first);
  if (user.find('#') != std::string::npos) user.replace(user.find('#'), 1, person());
  if (user.back() == '?' && one_in(3))
    user.pop_back();
  else if (!asks(user) && user.rfind("can", 0) != 0 && user.rfind("I ", 0) != 0 && one_in(3))
    user = pick({"please ", "could you ", "can you "}) + user;
  return {any_case(user), c.second};
}

std::string Corpus::repeat_text() {
  std::string text;
  for (int i = 1 + below(5); i > 0; --i) {
    if (!text.empty()) text += " ";
    switch (below(7)) {
      case 0:
        text += word();
        break;
      case 1:
        text += std::to_string(below(3000));
        break;
      case 2:
        text += file_name();
        break;
      case 3:
        text += person();
        break;
      case 4:
        text += fill(pick({"the {n}", "{a}", "{n}", "is {a}", "a {a} {n}", "{p}"}));
        break;
      default:
        text += pseudo_word();
    }
  }
  return text;
}

Strings Corpus::offered_tools() {
  Strings offered;
  const int mode = below(20);
  const bool other_names = one_in(4);
  for (const Tool& tool : kTools) {
    // All in half of the dialogues, some in others, none in one of seven.
    if (mode < 10 || (mode < 17 && !one_in(2)))
      offered.push_back(other_names && tool.other_name ? tool.other_name : tool.name);
  }
  if (!offered.empty() && one_in(2)) std::shuffle(offered.begin(), offered.end(), random_);
  // Foreign tools: their presence must not change what it does.
  if (!offered.empty() && one_in(3)) {
    for (int i = 1 + below(5); i > 0; --i) {
      offered.insert(offered.begin() + below(static_cast<int>(offered.size()) + 1),
                     one_in(2) ? pick(kForeignTools) : pseudo_word() + "_" + pseudo_word());
    }
  } else if (mode >= 17 && one_in(3)) {
    offered.push_back(pseudo_word() + "_" + pseudo_word());
  }
  return offered;
}

// A tool's answer and the sentence the assistant makes of it. Short one-line
// results are repeated; for long ones a fixed sentence stands.
void Corpus::tool_result(const Request& request, Dialogue& dialogue) {
  std::string result, answer;
  const int kind = below(20);
  if (kind < 11) {
    answer = request.done;
    const int form = request.report.empty() ? below(4) : below(8);
    if (form < 2) {
      result = pick(kFineResults);
    } else if (form == 2) {
      result = one_in(2) ? word() + " " + word() : "{\"" + word() + "\": \"" + word() + "\"}";
      if (!request.report.empty())
        result = "{\"" + word() + "\": \"" + word() + "\", \"" + word() +
                 "\": " + std::to_string(below(1000)) + "}";
    } else if (form == 3) {
      // Several lines: too much to repeat.
      for (int i = 2 + below(4); i > 0; --i)
        result +=
            (one_in(3) ? "[FILE] " : "") + (one_in(2) ? file_name() : word() + " " + word()) + "\n";
      if (one_in(2)) result.pop_back();
    } else {
      if (request.intent == Intent::call_get_time) {
        const auto two = [](int n) { return (n < 10 ? "0" : "") + std::to_string(n); };
        const std::string clock = two(below(24)) + ":" + two(below(60));
        const std::string date =
            std::to_string(2020 + below(15)) + "-" + two(1 + below(12)) + "-" + two(1 + below(28));
        result = pick({clock, clock, clock + ":" + two(below(60)), date, date + " " + clock,
                       date + "T" + clock + ":00Z"});
      } else if (request.intent == Intent::call_get_weather) {
        result = pick({"sunny", "rain", "cloudy", "snow", "clear sky", "light rain", "windy", "fog",
                       "storm"}) +
                 (one_in(3) ? ""
                            : pick({", ", " and ", " "}) + std::to_string(below(35)) +
                                  pick({" degrees", " C", "C",
                                        " \xc2\xb0"
                                        "C"}));
      } else {
        for (int i = 1 + below(4); i > 0; --i)
          result += (result.empty() ? ""
                     : one_in(2)    ? ", "
                                    : " ") +
                    (request.intent == Intent::call_list_files ? file_name() : word());
      }
      answer = request.report + result + (result.back() == '.' ? "" : ".");
    }
  } else if (kind < 15) {
    result = pick(kApprovalResults);
    if (one_in(4)) result += pick({": code ", " (", " - "}) + word() + std::to_string(below(1000));
    answer = kApprovalSentence;
  } else if (kind < 18) {
    result = pick(kDeniedResults);
    if (one_in(4)) result += ": " + word();
    answer = kDeniedSentence;
  } else {
    result = pick(kFailedResults);
    if (one_in(4)) result += ": " + file_name();
    answer = kFailedSentence;
  }
  dialogue.push_back(
      {std::string{kStart} + "tool\n" + result + kEnd + "\n" + kStart + "assistant\n",
       Intent::context});
  dialogue.push_back({answer + kEnd, Intent::after_tool});
  dialogue.push_back({"\n", Intent::context});
}

Dialogue Corpus::dialogue(const Stage& stage) {
  Dialogue result;
  const Strings offered = offered_tools();
  if (!offered.empty()) {
    std::string system = std::string{kStart} + "system\ntools:";
    for (const std::string& name : offered) system += " " + name;
    result.push_back({system + kEnd + "\n", Intent::context});
  }
  const auto exchange = [&](const std::string& user, const std::string& answer, Intent intent) {
    result.push_back({std::string{kStart} + "user\n" + user + kEnd + "\n" + kStart + "assistant\n",
                      Intent::context});
    result.push_back({answer + kEnd, intent});
    result.push_back({"\n", Intent::context});
  };
  for (int i = 1 + below(stage.exchanges_at_most); i > 0; --i) {
    if (below(1000) < stage.repeat_share * 1000) {
      const std::string text = repeat_text();
      exchange(any_case(pick({"say ", "repeat ", "echo ", "please say ", "can you say ",
                              "repeat after me: ", "say: "})) +
                   text,
               text, Intent::repeat);
      continue;
    }
    const int kind = below(20);
    if (kind < 4) {
      const auto [user, answer] = knowledge();
      exchange(user, answer, Intent::knowledge);
    } else if (kind < 9) {
      exchange(outside(), kRefusal, Intent::refuse);
    } else if (kind < 10) {
      const auto [user, answer] = clarification();
      exchange(user, answer, Intent::clarify);
    } else {
      const Request r = request();
      const char* name = offered_name(r.intent, offered);
      if (!name) {
        exchange(r.user, kNoToolSentence, Intent::no_tool);
        continue;
      }
      exchange(r.user,
               std::string("<tool_call>\n{\"name\": \"") + name +
                   "\", \"arguments\": " + r.arguments + "}\n</tool_call>",
               r.intent);
      if (one_in(2)) tool_result(r, result);
    }
  }
  return result;
}

}  // namespace tiny
