#include "dialect/inspect_spelt.hpp"

#include "dialect/inspect_tree.hpp"
#include "json/fold_guard.hpp"
#include "json/writer.hpp"

namespace vestibule::dialect {

void make_unknown(std::string_view text, TextCall& call) {
  call.name = "unknown";
  call.arguments.clear();
  json::append_string(call.arguments, text);
}

namespace {

std::string_view stripped(std::string_view text) {
  text.remove_prefix(behind_space(text, 0));
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

// --- calls in JSON

constexpr std::array<std::string_view, 6> kNameKeys{"name", "tool_name", "function_name", "tool", "function", "action"};
constexpr std::array<std::string_view, 7> kArgumentKeys{"arguments", "parameters", "args",        "input",
                                                     "tool_input", "action_input", "tool_args"};

template <std::size_t N>
bool is_one_of(std::string_view key, const std::array<std::string_view, N>& known) {
  return std::any_of(known.begin(), known.end(), [key](std::string_view k) { return k == key || json::folds_to(key, k); });
}

struct InObject {
  Tree::At name = Tree::kNone, arguments = Tree::kNone;
  int names = 0, arguments_given = 0;
  [[nodiscard]] bool is_call() const { return names > 0 && arguments_given > 0; }
};

InObject look_at(const Tree& tree, Tree::At object) {
  InObject out;
  for (Tree::At at = tree.first(object); at != Tree::kNone; at = tree.behind(at)) {
    if (tree.is_string(at) && is_one_of(tree.key(at), kNameKeys)) {
      out.name = at;
      ++out.names;
    } else if (is_one_of(tree.key(at), kArgumentKeys)) {
      out.arguments = at;
      ++out.arguments_given;
    }
  }
  return out;
}

struct Found {
  int calls = 0;
  InObject last;
};

// Every object that is a call, what a call is called with left out.
void count_calls(const Tree& tree, Tree::At at, Found& found) {
  Tree::At inside = Tree::kNone;
  if (tree.is_object(at)) {
    const InObject here = look_at(tree, at);
    if (here.is_call()) {
      ++found.calls;
      found.last = here;
      inside = here.arguments;
    }
  } else if (!tree.is_array(at)) {
    return;
  }
  for (Tree::At child = tree.first(at); child != Tree::kNone; child = tree.behind(child)) {
    if (child != inside) count_calls(tree, child, found);
  }
}

// Name and arguments, if no parser could read it otherwise.
bool read_call(const Tree& tree, const InObject& call, TextCall& out, unsigned depth) {
  if (call.names != 1 || call.arguments_given != 1 || tree.text(call.name).empty()) return false;
  std::string arguments(tree.is_string(call.arguments) ? tree.text(call.arguments) : tree.raw(call.arguments));
  Tree inner;
  if (!inner.read(arguments, depth) || !inner.is_object(0)) return false;
  out.name = tree.text(call.name);
  out.arguments = std::move(arguments);
  return true;
}

// One call and nothing else, in an object or a list of one.
bool read_json(std::string_view text, TextCall& out, unsigned depth) {
  Tree tree;
  if (!tree.read(text, depth)) return false;
  Found found;
  count_calls(tree, 0, found);
  return found.calls == 1 && read_call(tree, found.last, out, depth);
}

bool has_word(std::string_view text, std::string_view word) { return find_folded(text, word, 0) != std::string_view::npos; }

// Of a text that strict JSON is not: a lenient parser may find a call there.
bool may_be_call(std::string_view text) {
  if (has_word(text, "\\u")) return true;
  return (has_word(text, "name") || has_word(text, "tool") || has_word(text, "function") || has_word(text, "action")) &&
         (has_word(text, "arguments") || has_word(text, "parameters") || has_word(text, "args") || has_word(text, "input"));
}

}  // namespace

Judged judge_object(std::string_view text, unsigned depth, TextCall& call) {
  Tree tree;
  if (!tree.read(text, depth)) return may_be_call(text) ? Judged::unsure : Judged::no_json;
  Found found;
  count_calls(tree, 0, found);
  if (found.calls == 0) return Judged::no_call;
  if (found.calls > 1 || !read_call(tree, found.last, call, depth)) make_unknown(text, call);
  return Judged::call;
}

namespace {

// NAME, a separator, and an object of arguments.
bool read_named(std::string_view text, std::string_view separator, TextCall& out, unsigned depth) {
  const std::size_t at = text.find(separator);
  if (at == std::string_view::npos) return false;
  const std::string_view name = stripped(text.substr(0, at));
  std::string_view arguments = text.substr(at);
  if (separator != "{") arguments.remove_prefix(separator.size());
  arguments = stripped(arguments);
  Tree tree;
  if (name.empty() || !std::all_of(name.begin(), name.end(), is_word) || !tree.read(arguments, depth) || !tree.is_object(0)) return false;
  out.name = name;
  out.arguments = arguments;
  return true;
}

}  // namespace

bool read_marked(const Format& format, std::string_view inner, unsigned depth, TextCall& call) {
  if (format.begin == "<function=") return read_named(inner, ">", call, depth);
  if (format.begin == "[tool_calls]") {
    return read_json(stripped(inner), call, depth) || read_named(inner, "[ARGS]", call, depth) || read_named(inner, "{", call, depth);
  }
  if (format.begin.ends_with('>') || format.begin == "[tool_call]") return read_json(stripped(inner), call, depth);
  const std::size_t close = inner.find('>');
  if (!format.begin.starts_with('<') || close == std::string_view::npos) return false;
  // The tag's own end, with no attribute in between.
  const std::string_view tag = inner.substr(0, close);
  const bool bare = std::all_of(tag.begin(), tag.end(), [](char c) { return is_word(c) || c == '|'; });
  return bare && read_json(stripped(inner.substr(close + 1)), call, depth);
}

}  // namespace vestibule::dialect
