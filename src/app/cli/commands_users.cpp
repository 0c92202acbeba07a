// user, session.

#include <fmt/format.h>

#include "app/cli/account.hpp"
#include "app/cli/commands_users.hpp"
#include "app/cli/terminal.hpp"

namespace vestibule::app::cli {
namespace {

std::string user_path(const std::string& name, std::string_view what) {
  return "/users/" + percent_encode(name) + std::string(what);
}

std::string evidence_text(const json::Value& session) {
  std::string text;
  if (const json::Value* evidence = session.find("evidence")) {
    for (const json::Value& e : evidence->items()) {
      text += (text.empty() ? "" : ", ") + text_of(e, "factor") + " " + duration_text(number_of(e, "age_s")) + " ago";
    }
  }
  return text;
}

}  // namespace

int user_add(Context& ctx, const UserAddOptions& o) {
  Body body;
  body.set("name", o.name).set_if("display", o.display);
  if (!o.roles.empty()) body.set("roles", o.roles);
  if (!o.groups.empty()) body.set("groups", o.groups);
  Result<Reply> reply = ctx.post("/users", As::bound, std::move(body));
  if (!reply) return ctx.failed(reply.error());
  if (ctx.json()) {
    ctx.print_json(*reply);
  } else {
    out("The user " + printable(o.name) + " exists.\n");
    show_enrolment_code(reply->json);
  }
  return status(Exit::ok);
}

int user_list(Context& ctx) {
  Result<Reply> reply = ctx.get("/users");
  if (!reply) return ctx.failed(reply.error());
  if (ctx.json()) {
    ctx.print_json(*reply);
    return status(Exit::ok);
  }
  Table table({"NAME", "DISPLAY", "ROLES", "GROUPS", "FACTORS", "STATE", "CREATED"});
  if (const json::Value* users = reply->json.find("users")) {
    for (const json::Value& u : users->items()) {
      const std::string state = flag_of(u, "disabled") ? "disabled" : flag_of(u, "service") ? "service" : !flag_of(u, "has_password") ? "not enrolled" : "ok";
      table.add({text_of(u, "name"), text_of(u, "display"), list_of(u, "roles"), list_of(u, "groups"),
                 std::to_string(number_of(u, "factors")), state, time_text(text_of(u, "created"))});
    }
  }
  print(table);
  return status(Exit::ok);
}

int user_show(Context& ctx, const std::string& name) {
  Result<Reply> users = ctx.get("/users");
  if (!users) return ctx.failed(users.error());
  const json::Value* user = nullptr;
  if (const json::Value* list = users->json.find("users")) {
    for (const json::Value& u : list->items()) {
      if (text_of(u, "name") == name || text_of(u, "id") == name) user = &u;
    }
  }
  if (user == nullptr) return ctx.failed(fail(Reason::user_unknown, "There is no user " + name + "."));
  if (ctx.json()) {
    out(user->dump() + "\n");
    return status(Exit::ok);
  }
  out(fmt::format("name      {}\nid        {}\ndisplay   {}\nroles     {}\ngroups    {}\nfactors   {}\npassword  {}\nstate     {}\ncreated   {}\n",
                  printable(text_of(*user, "name")), printable(text_of(*user, "id")), printable(text_of(*user, "display")),
                  printable(list_of(*user, "roles")), printable(list_of(*user, "groups")), number_of(*user, "factors"),
                  flag_of(*user, "has_password") ? "set" : "none: waits for `vestibule enrol`",
                  flag_of(*user, "disabled") ? "disabled" : "enabled", time_text(text_of(*user, "created"))));
  return status(Exit::ok);
}

int user_set(Context& ctx, const std::string& name, Labels what, const std::vector<std::string>& labels) {
  const std::string key = what == Labels::roles ? "roles" : "groups";
  Body body;
  body.set(key, labels);
  std::string now;
  for (const std::string& l : labels) now += (now.empty() ? "" : ", ") + l;
  return ctx.answered(ctx.post(user_path(name, "/" + key), As::bound, std::move(body)),
                  fmt::format("{} of {}: {}", key, printable(name), now.empty() ? "none" : printable(now)));
}

int user_disable(Context& ctx, const std::string& name) {
  return ctx.answered(ctx.post(user_path(name, "/disable"), As::session),
                  printable(name) + " is disabled; sessions and answers under way are cut.");
}

int user_enable(Context& ctx, const std::string& name) {
  return ctx.answered(ctx.post(user_path(name, "/enable"), As::bound), printable(name) + " is enabled.");
}

int user_remove(Context& ctx, const std::string& name) {
  return ctx.answered(ctx.post(user_path(name, "/remove"), As::bound), printable(name) + " is removed.");
}

int session_list(Context& ctx, const WhoseOptions& o) {
  const std::string query = !o.user.empty() ? "?user=" + percent_encode(o.user) : o.all ? "?all=1" : "";
  Result<Reply> reply = ctx.get("/sessions" + query);
  if (!reply) return ctx.failed(reply.error());
  if (ctx.json()) {
    ctx.print_json(*reply);
    return status(Exit::ok);
  }
  Table table({"ID", "USER", "FROM", "CLIENT", "PROVED", "TOKENS", "AGENTS", "LAST SEEN", "ENDS"});
  if (const json::Value* sessions = reply->json.find("sessions")) {
    for (const json::Value& s : sessions->items()) {
      table.add({text_of(s, "id") + (flag_of(s, "current") ? " *" : ""), text_of(s, "name"), text_of(s, "source"),
                 text_of(s, "client"), evidence_text(s), std::to_string(number_of(s, "tokens")),
                 list_of(s, "agents"), time_text(text_of(s, "last_seen")), time_text(text_of(s, "ends"))});
    }
  }
  print(table);
  return status(Exit::ok);
}

int session_revoke(Context& ctx, const SessionRevokeOptions& o) {
  if (!o.user.empty()) {
    return ctx.answered(ctx.post(user_path(o.user, "/revoke-sessions"), As::session),
                    "All sessions of " + printable(o.user) + " have ended.");
  }
  return ctx.answered(ctx.post("/sessions/" + percent_encode(o.id) + "/revoke", As::session), "The session has ended.");
}

int session_sign_out(Context& ctx) {
  const Result<Reply> reply = ctx.call_once(http::Method::post, "/sign-out", As::session, {});
  // A session that has ended anyway is forgotten; one that nobody could end is kept.
  if (!reply && !wants_sign_in(reply.error().code)) return ctx.failed(reply.error());
  if (const Result<void> r = ctx.forget(); !r) return ctx.failed(r.error());
  if (ctx.json()) {
    out("{}\n");
  } else {
    out("Signed out.\n");
  }
  return status(Exit::ok);
}

}  // namespace vestibule::app::cli
