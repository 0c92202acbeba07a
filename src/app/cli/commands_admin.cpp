// stop, policy, access, keys, backup.

#include <fmt/format.h>

#include "app/cli/commands_admin.hpp"
#include "app/cli/terminal.hpp"
#include "app/enrollable.hpp"
#include "app/files.hpp"
#include "crypto/master_key.hpp"
#include "policy/policy.hpp"

namespace vestibule::app::cli {
namespace {

Result<Body> stop_body(const StopOptions& o) {
  const bool at_one = !o.tool.empty() && !o.access_point.empty();  // a tool, there
  const int given = int{o.all} + int{o.tools} + int{!o.access_point.empty() && !at_one} + int{!o.user.empty()} + int{!o.agent.empty()} +
                    int{!o.client.empty()} + int{!o.tool.empty()};
  if (given != 1) {
    return fail(Reason::invalid_argument,
                "give one of --all, --tools, --access-point NAME, --user NAME, --agent NAME, --client NAME, --tool NAME [--access-point NAME]");
  }
  Body body;
  if (!o.tool.empty()) {
    body.set("scope", "tool").set("target", (o.access_point.empty() ? "*" : o.access_point) + "/" + o.tool);
    return body;
  }
  body.set("scope", o.all               ? "all"
                    : o.tools           ? "tools"
                    : !o.user.empty()   ? "user"
                    : !o.agent.empty()  ? "agent"
                    : !o.client.empty() ? "client"
                                        : "access_point");
  body.set_if("target", o.access_point + o.user + o.agent + o.client);  // one of them
  return body;
}

std::string stop_target(const StopOptions& o) {
  if (o.all) return "everything";
  if (o.tools) return "every tool call";
  if (!o.tool.empty()) return "tool " + printable(o.tool) + (o.access_point.empty() ? " everywhere" : " at " + printable(o.access_point));
  if (!o.client.empty()) return printable(o.client);
  if (!o.agent.empty()) return "agent " + printable(o.agent);
  return o.user.empty() ? "access point " + printable(o.access_point) : "user " + printable(o.user);
}

void show_differences(const json::Value* differences) {
  if (differences == nullptr) return;
  std::string text;
  for (const json::Value& d : differences->items()) {
    text += fmt::format("  {} {}\n", flag_of(d, "loosens") ? "loosens " : "tightens", printable(text_of(d, "text")));
  }
  out(text);
}

// What waits for approval, if anything does.
void show_staged(const json::Value& reply) {
  const json::Value* staged = reply.find("staged");
  if (staged == nullptr || staged->is_null()) return;
  // GET /policy gives an object, a reload the digest alone.
  const std::string digest = staged->is_object() ? text_of(*staged, "digest") : text_of(reply, "staged");
  out("\nThe policy file loosens what is in force. Until it is approved, the stricter of both counts:\n");
  show_differences(staged->is_object() ? staged->find("differences") : reply.find("differences"));
  out("Approve with: vestibule policy approve " + printable(digest) + "\n");
}

}  // namespace

int stop_set(Context& ctx, const StopOptions& o) {
  Result<Body> body = stop_body(o);
  if (!body) return ctx.failed(body.error());
  body->set_if("why", o.why);
  Result<Reply> reply = ctx.post("/stops", As::session, std::move(*body));
  if (!reply) return ctx.failed(reply.error());
  if (ctx.json()) {
    ctx.print_json(*reply);
    return status(Exit::ok);
  }
  out("Stopped: " + stop_target(o) + ". Answers under way are cut. It stays so until `vestibule stop lift`.\n");
  if (!flag_of(reply->json, "durable")) warn("it is in force, but not stored yet: the store does not take writes");
  return status(Exit::ok);
}

int stop_list(Context& ctx) {
  Result<Reply> reply = ctx.get("/stops");
  if (!reply) return ctx.failed(reply.error());
  if (ctx.json()) {
    ctx.print_json(*reply);
    return status(Exit::ok);
  }
  Table table({"SCOPE", "TARGET", "SINCE", "BY", "WHY", "AGREED TO LIFT IT"});
  if (const json::Value* stops = reply->json.find("stops")) {
    for (const json::Value& s : stops->items()) {
      std::string agreed;
      if (const json::Value* people = s.find("agreed")) {
        for (const json::Value& p : people->items()) agreed += (agreed.empty() ? "" : ", ") + text_of(p, "by");
      }
      table.add({text_of(s, "scope"), text_of(s, "target"), time_text(text_of(s, "since")), text_of(s, "by"), text_of(s, "why"), agreed});
    }
  }
  if (table.empty()) {
    out("Nothing is stopped.\n");
  } else {
    print(table);
  }
  return status(Exit::ok);
}

int stop_lift(Context& ctx, const StopOptions& o) {
  Result<Body> body = stop_body(o);
  if (!body) return ctx.failed(body.error());
  Result<Reply> reply = ctx.post("/stops/lift", As::bound, std::move(*body));
  if (!reply) return ctx.failed(reply.error());
  if (ctx.json()) {
    ctx.print_json(*reply);
  } else {
    if (const std::int64_t needed = number_of(reply->json, "needed"); needed > 0) {
      out(fmt::format("Agreed. It stays in force until {} more administrator{} do so within the hour: {}.\n", needed, needed == 1 ? "" : "s", stop_target(o)));
      return status(Exit::ok);
    }
    out((flag_of(reply->json, "lifted") ? "Lifted: " : "There was no such stop: ") + stop_target(o) + ".\n");
  }
  return status(Exit::ok);
}

int policy_show(Context& ctx) {
  Result<Reply> reply = ctx.get("/policy");
  if (!reply) return ctx.failed(reply.error());
  if (ctx.json()) {
    ctx.print_json(*reply);
    return status(Exit::ok);
  }
  out(fmt::format("# digest {}\n# trust  {}\n{}", printable(text_of(reply->json, "digest")), printable(text_of(reply->json, "trust")),
                  printable(text_of(reply->json, "canonical"), Lines::many)));
  show_staged(reply->json);
  return status(Exit::ok);
}

int policy_explain(Context& ctx, const ExplainOptions& o) {
  Body body;
  body.set_if("user", o.user).set("access_point", o.access_point).set_if("operation", o.operation);
  body.set_if("tool", o.tool).set_if("arguments", o.arguments);
  body.set_if("model", o.model).set_if("source", o.source);
  if (!o.signals.empty()) body.set("signals", o.signals);
  Result<Reply> reply = ctx.post("/policy/explain", As::session, std::move(body));
  if (!reply) return ctx.failed(reply.error());
  if (ctx.json()) {
    ctx.print_json(*reply);
  } else {
    out(printable(text_of(reply->json, "text"), Lines::many));
  }
  return status(Exit::ok);
}

int policy_approve(Context& ctx, const std::string& digest) {
  // Whoever signs sees what it is first.
  if (!ctx.json()) {
    Result<Reply> present = ctx.get("/policy");
    if (!present) return ctx.failed(present.error());
    const json::Value* staged = present->json.find("staged");
    if (staged == nullptr || text_of(*staged, "digest") != digest) {
      return ctx.failed(fail(Reason::conflict, staged == nullptr || staged->is_null()
                                                   ? "No policy waits for approval."
                                                   : "Another policy waits for approval: look at it with `vestibule policy show`."));
    }
    out("You approve:\n");
    show_differences(staged->find("differences"));
  }
  Body body;
  body.set("digest", digest);
  Result<Reply> reply = ctx.post("/policy/approve", As::bound, std::move(body));
  if (!reply) return ctx.failed(reply.error());
  if (ctx.json()) {
    ctx.print_json(*reply);
  } else {
    out("In force: " + printable(text_of(reply->json, "digest")) + "\n");
  }
  return status(Exit::ok);
}

int policy_reload(Context& ctx) {
  Result<Reply> reply = ctx.post("/policy/reload", As::session);
  if (!reply) return ctx.failed(reply.error());
  if (ctx.json()) {
    ctx.print_json(*reply);
    return status(Exit::ok);
  }
  out("In force: " + printable(text_of(reply->json, "digest")) + "\n");
  const json::Value* staged = reply->json.find("staged");
  if (staged == nullptr || staged->is_null()) {
    show_differences(reply->json.find("differences"));
  } else {
    show_staged(reply->json);
  }
  return status(Exit::ok);
}

int policy_check(Context& ctx, const std::string& given) {
  std::string file = given;
  domain::KindSet enrollable = domain::KindSet::every();  // where nobody says for which gateway it is
  if (file.empty()) {
    Result<Config> config = ctx.config();
    if (!config) return ctx.failed(config.error());
    file = config->policy_file.string();
    enrollable = enrollable_kinds(*config);
  }
  const Result<std::string> text = read_file(file, Reason::config_invalid);
  if (!text) return ctx.failed(text.error());
  const policy::ParseResult parsed = policy::Policy::parse(*text, file, enrollable);
  if (!parsed) return ctx.failed(fail(Reason::config_invalid, parsed.text()));
  const std::string digest = hex(parsed.policy->digest());
  if (ctx.json()) {
    json::Value v;
    json::Value names{json::Array{}};
    for (const std::string& p : parsed.policy->principals()) names.push(p);
    v.set("file", file).set("digest", digest).set("rules", static_cast<std::int64_t>(parsed.policy->rule_count()));
    v.set("principals", std::move(names));
    out(v.dump() + "\n");
    return status(Exit::ok);
  }
  out(fmt::format("{} is right: {} rules, digest {}\n", printable(file), parsed.policy->rule_count(), digest));
  std::string names;
  for (const std::string& p : parsed.policy->principals()) names += (names.empty() ? "" : ", ") + p;
  out("It names: " + (names.empty() ? "nobody" : printable(names)) + "\n");
  return status(Exit::ok);
}

int access_credential(Context& ctx, const CredentialOptions& o) {
  Secret value;
  if (!o.remove) {
    if (stdin_is_terminal()) {
      Result<Secret> typed = ask("Credential of the upstream of " + printable(o.access_point) + ":", Echo::off, "");
      if (!typed) return ctx.failed(typed.error());
      value = std::move(*typed);
    } else {
      // Its first line; with --code-stdin the next one is the code.
      std::optional<Secret> line = read_line();
      if (line) value = std::move(*line);
    }
    if (value.empty()) {
      return ctx.failed(fail(Reason::invalid_argument, "no credential on standard input (--remove takes the present one away)"));
    }
  }
  Body body;
  body.set("value", value);
  Result<Reply> reply =
      ctx.post("/access-points/" + percent_encode(o.access_point) + "/credential", As::bound, std::move(body));
  if (!reply) return ctx.failed(reply.error());
  if (ctx.json()) {
    ctx.print_json(*reply);
  } else {
    out(o.remove ? "The credential is removed.\n" : "The credential is sealed and in use.\n");
  }
  return status(Exit::ok);
}

int keys_rotate(Context& ctx) {
  Result<Reply> reply = ctx.post("/keys/rotate", As::bound);
  if (!reply) return ctx.failed(reply.error());
  if (ctx.json()) {
    ctx.print_json(*reply);
  } else {
    out(fmt::format("Master key {} seals from now on; {} secrets were sealed again.\n"
                    "Keep a copy of the key file elsewhere: without it the database is lost.\n",
                    number_of(reply->json, "active"), number_of(reply->json, "resealed")));
  }
  return status(Exit::ok);
}

int keys_retire(Context& ctx, std::uint32_t id) {
  Body body;
  body.set("id", static_cast<std::int64_t>(id));
  Result<Reply> reply = ctx.post("/keys/retire", As::bound, std::move(body));
  if (!reply) return ctx.failed(reply.error());
  if (ctx.json()) {
    ctx.print_json(*reply);
  } else {
    out(fmt::format("Master key {} is out of the key file, and the gateway has forgotten it.\n"
                    "Backups from before the last `keys rotate` open with it alone: keep your copy of it as long as you keep them.\n",
                    id));
  }
  return status(Exit::ok);
}

int keys_list(Context& ctx) {
  Result<Config> config = ctx.config();
  if (!config) return ctx.failed(config.error());
  const Result<crypto::MasterKeys> keys = crypto::load_master_key_file(config->master_key.string());
  if (!keys) return ctx.failed(fail(keys.error().code, config->master_key.string() + ": " + keys.error().detail));
  if (ctx.json()) {
    json::Value ids{json::Array{}};
    for (const crypto::MasterKey& k : *keys) ids.push(static_cast<std::int64_t>(k.id));
    json::Value v;
    v.set("file", config->master_key.string()).set("ids", std::move(ids)).set("active", static_cast<std::int64_t>(keys->back().id));
    out(v.dump() + "\n");
    return status(Exit::ok);
  }
  Table table({"ID", "USE"});
  for (const crypto::MasterKey& k : *keys) {
    table.add({std::to_string(k.id), &k == &keys->back() ? "seals and opens" : "opens what it sealed"});
  }
  out("Master keys in " + config->master_key.string() + "\n");
  print(table);
  return status(Exit::ok);
}

int backup(Context& ctx, const std::string& path) {
  std::error_code ec;
  const std::filesystem::path absolute = std::filesystem::absolute(path, ec).lexically_normal();
  Body body;
  body.set("path", absolute.string());
  Result<Reply> reply = ctx.post("/backup", As::bound, std::move(body));
  if (!reply) return ctx.failed(reply.error());
  if (ctx.json()) {
    ctx.print_json(*reply);
  } else {
    out(fmt::format("{} ({} bytes). Keep the master key apart from it: the two together open everything, the backup alone nothing.\n",
                    printable(text_of(reply->json, "path")), number_of(reply->json, "bytes")));
  }
  return status(Exit::ok);
}

}  // namespace vestibule::app::cli
