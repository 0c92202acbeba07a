// Names and values that requests are about. Half of them are pseudo-words: a
// model that has only ever seen "alice" and "notes.txt" repeats those instead
// of copying what the user wrote.
#include "corpus.hpp"

#include <cctype>

namespace tiny {

std::string Corpus::syllable() {
  // clang-format off
  static const std::vector<std::string> onsets = {"b", "c", "d", "f", "g", "h", "j", "k", "l",
      "m", "n", "p", "r", "s", "t", "v", "w", "y", "z", "br", "st", "tr", "pl", "ch", "sh", "th",
      "gr", "kl", "qu", "x"};
  // clang-format on
  // clang-format off
  static const std::vector<std::string> vowels = {"a", "e", "i", "o", "u", "ai", "ea", "oo", "ie",
      "ou"};
  // clang-format on
  // clang-format off
  static const std::vector<std::string> codas = {"", "", "", "", "n", "r", "s", "l", "t", "m",
      "x", "ck", "nd", "p"};
  // clang-format on
  return pick(onsets) + pick(vowels) + pick(codas);
}

std::string Corpus::pseudo_word() {
  std::string text;
  for (int i = 1 + below(3); i > 0; --i) text += syllable();
  return text;
}

std::string Corpus::word() {
  // clang-format off
  static const std::vector<std::string> common = {"notes", "report", "budget", "invoice", "data",
      "config", "readme", "todo", "backup", "log", "draft", "photo", "main", "test", "plan",
      "secret", "index", "archive", "summary", "contract", "project", "docs", "tmp", "home",
      "etc", "users", "payroll", "salary", "passwords", "keys", "old", "new", "final", "server",
      "app", "build"};
  // clang-format on
  return below(3) != 0 ? pseudo_word() : pick(common);
}

std::string Corpus::file_name() {
  // clang-format off
  static const std::vector<std::string> extensions = {"txt", "md", "log", "csv", "pdf", "json",
      "cfg", "db", "yml", "doc", "py", "sh", "html", "conf", "bak", "zip"};
  // clang-format on
  std::string text;
  if (one_in(4)) {
    text += "/" + word() + "/";
    if (one_in(3)) text += word() + "/";
  } else if (one_in(6)) {
    text += word() + "/";
  }
  text += word();
  if (one_in(5)) text += (one_in(2) ? "_" : "-") + word();
  if (one_in(6)) text += std::to_string(below(one_in(2) ? 10 : 3000));
  if (one_in(12))
    text[text.rfind('/') + 1] =
        static_cast<char>(std::toupper(static_cast<unsigned char>(text[text.rfind('/') + 1])));
  return text + "." + pick(extensions);
}

std::string Corpus::folder() {
  std::string text = one_in(2) ? "/" : "";
  text += word();
  if (one_in(3)) text += "/" + word();
  if (one_in(8)) text += std::to_string(below(100));
  return text;
}

std::string Corpus::person() {
  // clang-format off
  static const std::vector<std::string> first = {"alice", "bob", "carol", "dave", "eve", "frank",
      "grace", "heidi", "mallory", "peggy", "anna", "john", "maria", "peter", "sara", "tom",
      "lena", "max", "nina", "paul", "Zo\xc3\xab", "Jos\xc3\xa9", "J\xc3\xbcrgen",
      "Andr\xc3\xa9"};
  // clang-format on
  // clang-format off
  static const std::vector<std::string> last = {"smith", "jones", "brown", "miller", "garcia",
      "meyer", "schmidt", "rossi", "novak", "lee", "khan", "young", "king", "lopez",
      "m\xc3\xbcller", "silva"};
  // clang-format on
  const auto upper = [](std::string s) {
    s[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(s[0])));
    return s;
  };
  std::string given = one_in(2) ? pick(first) : pseudo_word();
  const bool capital = one_in(2);
  if (capital) given = upper(given);
  if (one_in(2)) return given;
  std::string family = one_in(2) ? pick(last) : pseudo_word();
  if (capital) family = upper(family);
  if (one_in(8)) {
    std::string middle = pseudo_word();
    if (one_in(2)) middle = std::string(1, middle[0]);
    return given + " " + (capital ? upper(middle) : middle) + " " + family;
  }
  return given + " " + family;
}

std::string Corpus::mail_address() {
  std::string text = one_in(2) ? pick({"alice", "bob", "carol", "dave", "eve", "info", "support",
                                       "sales", "boss", "team"})
                               : pseudo_word();
  if (one_in(5)) text += "." + pseudo_word();
  return text + "@" + (one_in(2) ? std::string("example") : pseudo_word()) + "." +
         pick({"com", "org", "net", "eu", "io"});
}

std::string Corpus::amount() {
  switch (below(6)) {
    case 0:
      return std::to_string(1 + below(20));
    case 1:
      return std::to_string(5 + below(100));
    case 2:
      return std::to_string((1 + below(99)) * 10);
    case 3:
      return std::to_string((1 + below(99)) * 50);
    case 4:
      return one_in(3) ? std::to_string(1 + below(99)) + "." + std::to_string(10 + below(90))
                       : std::to_string(100 + below(900));
    default:
      return std::to_string(1 + below(20000));
  }
}

std::string Corpus::service() {
  // clang-format off
  static const std::vector<std::string> common = {"nginx", "postgres", "redis", "ssh", "cron",
      "docker", "mail", "web", "api", "auth", "sshd", "mysql", "apache", "haproxy", "billing",
      "search", "cache", "worker"};
  // clang-format on
  std::string text = one_in(2) ? pick(common) : pseudo_word();
  if (one_in(6)) text += "-" + (one_in(2) ? pick(common) : pseudo_word());
  if (one_in(10)) text += (one_in(2) ? "-" : "") + std::to_string(below(20));
  return text;
}

std::string Corpus::city() {
  // clang-format off
  static const std::vector<std::string> common = {"Paris", "London", "Berlin", "Tokyo", "Madrid",
      "Rome", "Oslo", "Vienna", "Lima", "Cairo", "New York", "San Francisco", "Cape Town",
      "Hong Kong", "Rio de Janeiro", "Vilnius", "Prague", "Dublin"};
  // clang-format on
  std::string text = one_in(2) ? pick(common) : pseudo_word();
  if (one_in(12)) text += " " + pseudo_word();
  if (one_in(3)) {
    for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  } else {
    text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
  }
  return text;
}

std::string Corpus::subject() {
  // clang-format off
  static const std::vector<std::string> common = {"lunch", "the meeting", "the report",
      "the new budget", "tomorrow", "the invoice", "our holiday", "the project plan",
      "the contract", "Friday", "the outage", "her birthday", "the deadline"};
  // clang-format on
  if (one_in(3)) return pick(common);
  std::string text = word();
  for (int i = below(3); i > 0; --i) text += " " + word();
  return one_in(4) ? "the " + text : text;
}

std::string Corpus::any_case(std::string text) {
  if (!text.empty() && one_in(2))
    text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
  return text;
}

}  // namespace tiny
