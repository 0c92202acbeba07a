// client add, list, remove; keys sign: the programs that ask people for tokens, and what ID tokens are signed
// with.

#include <fmt/format.h>

#include "app/cli/commands_clients.hpp"
#include "app/cli/terminal.hpp"

namespace vestibule::app::cli {

int client_add(Context& ctx, const ClientAddOptions& o) {
  json::Writer w;
  w.begin_object().member("client_name", o.name).member("token_endpoint_auth_method", o.auth);
  w.key("redirect_uris").begin_array();
  for (const std::string& r : o.redirects) w.value(r);
  w.end_array().key("grant_types").begin_array();
  if (!o.redirects.empty()) w.value("authorization_code");
  w.value("refresh_token");
  if (o.device || o.redirects.empty()) w.value("urn:ietf:params:oauth:grant-type:device_code");
  w.end_array();
  if (!o.jwks.empty()) w.key("jwks").raw(o.jwks);
  w.end_object();
  Body body;
  body.set("metadata", w.text());
  Result<Reply> reply = ctx.post("/clients", As::bound, std::move(body));
  if (!reply) return ctx.failed(reply.error());
  if (ctx.json()) {
    ctx.print_json(*reply);
    return status(Exit::ok);
  }
  out("The client " + printable(o.name) + " is registered.\n\n    client_id      " + printable(text_of(reply->json, "client_id")) + "\n");
  if (reply->json.find("client_secret") != nullptr) {
    out("    client_secret  " + printable(text_of(reply->json, "client_secret")) + "\n\nThe secret is shown this once.\n");
  }
  return status(Exit::ok);
}

int client_list(Context& ctx) {
  Result<Reply> reply = ctx.get("/clients");
  if (!reply) return ctx.failed(reply.error());
  if (ctx.json()) {
    ctx.print_json(*reply);
    return status(Exit::ok);
  }
  Table table({"ID", "NAME", "ORIGIN", "BY", "CREATED", "LAST USED"});
  if (const json::Value* list = reply->json.find("clients")) {
    for (const json::Value& c : list->items()) {
      table.add({text_of(c, "client_id"), text_of(c, "client_name"), text_of(c, "origin"), text_of(c, "by"),
                 time_text(text_of(c, "created")), time_text(text_of(c, "last_used"))});
    }
  }
  if (table.empty()) {
    out("No client is registered.\n");
  } else {
    print(table);
  }
  return status(Exit::ok);
}

int client_remove(Context& ctx, const std::string& id) {
  Body body;
  body.set("client", id);
  Result<Reply> reply = ctx.post("/clients/remove", As::bound, std::move(body));
  if (!reply) return ctx.failed(reply.error());
  if (ctx.json()) {
    ctx.print_json(*reply);
  } else {
    out("The client is removed, and all that it was allowed has ended.\n");
  }
  return status(Exit::ok);
}

int keys_sign(Context& ctx) {
  Result<Reply> reply = ctx.post("/oauth/keys/rotate", As::bound);
  if (!reply) return ctx.failed(reply.error());
  if (ctx.json()) {
    ctx.print_json(*reply);
  } else {
    out("ID tokens are signed with the next keys from now on; what the last ones have signed still verifies.\n");
  }
  return status(Exit::ok);
}

}  // namespace vestibule::app::cli
