// key.

#include <fmt/format.h>

#include <algorithm>

#include "app/cli/account.hpp"
#include "app/cli/commands_keys.hpp"
#include "app/cli/terminal.hpp"
#include "app/files.hpp"
#include "crypto/handle.hpp"
#include "crypto/jose.hpp"
#include "json/writer.hpp"

namespace vestibule::app::cli {
namespace {

std::string list_path(const WhoseOptions& o) {
  if (o.all) return "/keys?all=1";
  return o.user.empty() ? "/keys" : "/keys?user=" + percent_encode(o.user);
}

std::string scope_of(const KeyCreateOptions& o) {
  json::Writer w;
  w.begin_object();
  const auto list = [&](std::string_view name, const std::vector<std::string>& entries) {
    if (entries.empty()) return;
    w.key(name).begin_array();
    for (const std::string& e : entries) w.value(e);
    w.end_array();
  };
  list("access_points", o.access_points);
  list("operations", o.operations);
  list("models", o.models);
  list("networks", o.networks);
  list("hours", o.hours);
  if (!o.zone.empty()) w.member("zone", o.zone);
  w.end_object();
  return w.take();
}

struct Found {
  std::string id, last_source;
};
/// One of the caller's own keys by its name, or SERVICE/NAME; an id stands for itself, whosever it is.
Result<Found> find_key(Context& ctx, std::string key) {
  std::string list_at = "/keys";
  if (const std::size_t slash = key.find('/'); slash != std::string::npos) {
    list_at += "?user=" + percent_encode(key.substr(0, slash));
    key.erase(0, slash + 1);
  }
  Result<Reply> reply = ctx.get(list_at);
  if (!reply) return std::move(reply).error();
  if (const json::Value* list = reply->json.find("keys")) {
    for (const json::Value& k : list->items()) {
      if (text_of(k, "name") == key || text_of(k, "id") == key) return Found{text_of(k, "id"), text_of(k, "last_source")};
    }
  }
  if (key.starts_with("key_")) return Found{key, {}};
  return fail(Reason::not_found, "you have no key named " + printable(key) + ": vestibule key list");
}

std::string awake_text(const json::Value& key) {
  std::string text;
  if (const json::Value* unlocks = key.find("unlocks")) {
    for (const json::Value& u : unlocks->items()) {
      const std::string point = text_of(u, "access_point");
      text += (text.empty() ? "" : "; ") + text_of(u, "source") + (point.empty() ? "" : " for " + point) + " until " +
              time_text(text_of(u, "ends"));
    }
  }
  return text.empty() ? "asleep" : text;
}

int done(Context& ctx, const Result<Reply>& reply, std::string_view sentence) {
  if (!reply) return ctx.failed(reply.error());
  if (ctx.json()) {
    ctx.print_json(*reply);
    return status(Exit::ok);
  }
  out(std::string(sentence) + "\n");
  if (reply->json.find("durable") != nullptr && !flag_of(reply->json, "durable")) {
    warn("it is in force, but not stored yet: the store does not take writes. It is tried again until it does.");
  }
  return status(Exit::ok);
}

}  // namespace

int key_create(Context& ctx, const KeyCreateOptions& o) {
  Body body;
  body.set("name", o.name).set("scope", scope_of(o)).set_if("service", o.service);
  if (!o.public_key.empty()) {
    Result<std::string> text = read_file(o.public_key, Reason::not_found);
    if (!text) return ctx.failed(text.error());
    if (text->find("-----BEGIN") != std::string::npos) {
      const Result<crypto::PublicJwk> key = crypto::PublicJwk::from_pem(*text);
      if (!key) return ctx.failed(key.error());
      *text = key->json();
    }
    body.set("jwk", *text);
  }
  if (o.ttl_s > 0) body.set("ttl_s", o.ttl_s);
  Result<Reply> reply = ctx.post("/keys", As::bound, std::move(body));
  if (!reply) return ctx.failed(reply.error());
  if (ctx.json()) {
    ctx.print_json(*reply);
    return status(Exit::ok);
  }
  const std::string whole = printable(o.service.empty() ? o.name : o.service + "/" + o.name);
  if (!o.public_key.empty()) {
    out("The public key " + whole + " is registered until " + time_text(text_of(reply->json, "ends")) +
        ", and is asleep.\n\nWake it where it is used: vestibule key unlock " + whole + " --source ADDRESS\n");
    return status(Exit::ok);
  }
  out("The key " + printable(o.name) + " lives until " + time_text(text_of(reply->json, "ends")) +
      ". It is shown this once, and is asleep:\n\n    " + printable(text_of(reply->json, "key")) +
      "\n\nWake it where it is used: vestibule key unlock " + whole + " --source ADDRESS\n");
  return status(Exit::ok);
}

int key_list(Context& ctx, const WhoseOptions& o) {
  Result<Reply> reply = ctx.get(list_path(o));
  if (!reply) return ctx.failed(reply.error());
  if (ctx.json()) {
    ctx.print_json(*reply);
    return status(Exit::ok);
  }
  Table table({"NAME", "OWNER", "ENDS", "LAST USED", "FROM", "AWAKE", "ID"});
  if (const json::Value* list = reply->json.find("keys")) {
    for (const json::Value& k : list->items()) {
      const std::string used = text_of(k, "last_use");
      table.add({text_of(k, "name"), text_of(k, "owner"), time_text(text_of(k, "ends")), used.empty() ? "never" : time_text(used),
                 text_of(k, "last_source"), awake_text(k), text_of(k, "id")});
    }
  }
  if (table.empty()) {
    out("No keys: vestibule key create NAME\n");
  } else {
    print(table);
  }
  return status(Exit::ok);
}

int key_unlock(Context& ctx, const KeyUnlockOptions& o) {
  const Result<Found> key = find_key(ctx, o.key);
  if (!key) return ctx.failed(key.error());
  // Never the last one by itself: whoever has stolen the key and tries it would choose for its owner.
  if (o.source.empty()) {
    std::string where = "say for which source, e.g. --source 127.0.0.1";
    if (!key->last_source.empty()) where += "; it was used last from " + printable(key->last_source) + ": is that you?";
    return ctx.failed(fail(Reason::invalid_argument, where));
  }
  Body body;
  body.set("source", o.source).set("lasts_s", o.lasts_s);
  body.set_if("access_point", o.access_point);
  Result<Reply> reply = ctx.post("/keys/" + percent_encode(key->id) + "/unlock", As::bound, std::move(body));
  if (!reply) return ctx.failed(reply.error());
  return done(ctx, reply, "The key " + printable(o.key) + " is awake for " + printable(text_of(reply->json, "source")) + " until " +
                              time_text(text_of(reply->json, "ends")) + ", for as long as the factor is fresh enough.");
}

int key_sleep(Context& ctx, const std::string& name) {
  const Result<Found> key = find_key(ctx, name);
  if (!key) return ctx.failed(key.error());
  return done(ctx, ctx.post("/keys/" + percent_encode(key->id) + "/sleep", As::session), "The key " + printable(name) + " sleeps.");
}

int key_revoke(Context& ctx, const std::string& name) {
  const Result<Found> key = find_key(ctx, name);
  if (!key) return ctx.failed(key.error());
  return done(ctx, ctx.post("/keys/" + percent_encode(key->id) + "/revoke", As::session),
              "The key " + printable(name) + " is revoked; what went on by it is cut.");
}

int key_found(Context& ctx) {
  Secret key;
  if (stdin_is_terminal()) {
    Result<Secret> typed = ask("The key that you found:", Echo::off, "give it as the first line of standard input");
    if (!typed) return ctx.failed(typed.error());
    key = std::move(*typed);
  } else if (std::optional<Secret> line = read_line()) {
    key = std::move(*line);
  }
  // Whatever stands around it on the line, an assignment or quotes, is no part of it.
  const std::string_view text = key.reveal_text();
  const std::size_t begin = text.find("vk_");
  Body body;
  body.set("key", begin == std::string_view::npos ? text : text.substr(begin, crypto::kHandleLength));
  return done(ctx, ctx.post("/keys/found", As::nobody, std::move(body)),
              "If it was a key of this gateway, it is revoked now and its owner is told. Thank you.");
}

}  // namespace vestibule::app::cli
