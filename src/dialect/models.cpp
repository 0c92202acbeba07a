#include "dialect/models.hpp"

#include "dialect/model_name.hpp"
#include "json/reader.hpp"
#include "json/writer.hpp"

namespace vestibule::dialect {
namespace {

using json::Token;

Error malformed(std::string_view why) { return fail(Reason::upstream_malformed, "list of models: " + std::string(why)); }

class Filter {
 public:
  Filter(Kind kind, std::string_view body, const std::function<bool(std::string_view)>& allowed)
      : kind_(kind), reader_(body), allowed_(allowed) {}

  Result<std::string> run() {
    if (reader_.next() != Token::object_begin) return malformed("not an object");
    out_.begin_object();
    bool listed = false;
    bool paged = false;
    for (;;) {
      const Token t = reader_.next();
      if (t == Token::object_end) break;
      if (t != Token::key) return malformed("not JSON");
      const std::string key(reader_.text());
      if (key == "first_id" || key == "last_id") {
        paged = true;
        if (!reader_.skip()) return malformed("not JSON");
        continue;
      }
      const bool list = key == "data" || key == "models";
      const Token v = reader_.next();
      if (v == Token::error) return malformed("not JSON");
      if (list && v == Token::array_begin) {
        out_.key(key);
        if (!entries(key == "data")) return malformed("an entry is not understood");
        listed = true;
      } else if (list && v == Token::null) {  // Go's empty list
        out_.key(key).null();
        listed = true;
      } else if (list) {
        return malformed("the list is no array");
      } else if (v == Token::object_begin || v == Token::array_begin) {
        if (!reader_.skip()) return malformed("not JSON");
      } else {
        out_.key(key).raw(reader_.raw());
      }
    }
    if (reader_.next() != Token::end) return malformed("not JSON");
    if (!listed) return malformed("no list in it");
    if (paged) {
      out_.key("first_id");
      id(first_);
      out_.key("last_id");
      id(last_);
    }
    out_.end_object();
    return out_.take();
  }

 private:
  void id(const std::string& name) {
    if (name.empty()) {
      out_.null();
    } else {
      out_.value(name);
    }
  }

  // The array's begin has been read.
  bool entries(bool data) {
    out_.begin_array();
    for (;;) {
      const Token t = reader_.next();
      if (t == Token::array_end) break;
      if (t != Token::object_begin) return false;
      bool named = false;
      bool usable = true;
      std::string first;
      for (;;) {
        const Token m = reader_.next();
        if (m == Token::object_end) break;
        if (m != Token::key) return false;
        const std::string_view key = reader_.text();
        const bool names = key == "id" || key == "model" || (key == "name" && !data);
        if (!names || (!data && key == "id")) {
          if (!reader_.skip()) return false;
          continue;
        }
        if (reader_.next() != Token::string) return false;
        const std::string name(reader_.text());
        std::string scratch;
        const Result<std::string_view> canonical = canonical_model(kind_, name, scratch);
        usable = usable && canonical && allowed_(*canonical);
        named = true;
        first = name;
      }
      if (!named) return false;
      if (!usable) continue;
      out_.raw(reader_.raw());
      if (data) {
        if (first_.empty()) first_ = first;
        last_ = first;
      }
    }
    out_.end_array();
    return true;
  }

  Kind kind_;
  json::Reader reader_;
  const std::function<bool(std::string_view)>& allowed_;
  json::Writer out_;
  std::string first_, last_;
};

}  // namespace

Result<std::string> filter_list(Kind kind, std::string_view body,
                                const std::function<bool(std::string_view)>& allowed) {
  return Filter(kind, body, allowed).run();
}

}  // namespace vestibule::dialect
