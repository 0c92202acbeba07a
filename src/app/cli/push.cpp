#include "app/cli/push.hpp"

#include <algorithm>
#include <vector>

#include "app/cli/terminal.hpp"

namespace vestibule::app::cli {
namespace {

constexpr int kMostWaits = 12;  // each up to 25 s, a prompt lives two minutes

bool only_push_among(const std::vector<std::string>& kinds) {
  const auto has = [&](std::string_view kind) { return std::find(kinds.begin(), kinds.end(), kind) != kinds.end(); };
  return has("push") && !has("totp") && !has("hotp");
}

bool lists(const json::Value* kinds, std::string_view kind) {
  if (kinds == nullptr) return false;
  return std::any_of(kinds->items().begin(), kinds->items().end(), [&](const json::Value& v) { return v.as_string().value_or("") == kind; });
}

}  // namespace

PushKind push_kind_for(const json::Value& me) {
  const json::Value* points = me.find("access_points");
  if (points == nullptr) return PushKind::digits;
  bool waits = false;
  for (const json::Value& point : points->items()) {
    if (text_of(point, "outcome") != "step_up") continue;
    if (!lists(point.find("offer"), "push_choice")) return PushKind::digits;
    waits = true;
  }
  return waits ? PushKind::choice : PushKind::digits;
}

Result<Reply> prove_by_push(Context& ctx, PushKind kind) {
  const std::string name = kind == PushKind::choice ? "push_choice" : "push";
  Body question;
  question.set("kind", name).set("operation", "prove");
  Result<Reply> asked = ctx.call_once(http::Method::post, "/challenges", As::session, question);
  if (!asked && asked.error().code == Reason::push_digits) return prove_by_push(ctx);
  if (!asked) return asked;
  const std::string challenge = text_of(asked->json, "challenge");
  const Result<json::Value> options = json::parse(text_of(asked->json, "options"));
  const std::string digits = options ? text_of(*options, "digits") : std::string();
  if (digits.size() != (kind == PushKind::choice ? 2U : 6U)) return fail(Reason::internal, "the gateway gave no number");
  err(kind == PushKind::choice
          ? "Your device is asked. Pick this number there: " + printable(digits) + "\n"
          : "Your device is asked. Type this number there: " + printable(digits.substr(0, 3)) + " " + printable(digits.substr(3)) + "\n");
  const std::string target = "/challenges/" + percent_encode(challenge) + "/wait";
  std::string state = "waiting";
  for (int i = 0; i < kMostWaits && state == "waiting"; ++i) {
    Result<Reply> told = ctx.call_once(http::Method::post, target, As::session, {});
    if (!told) return told;
    state = text_of(told->json, "state");
  }
  if (state == "declined") return fail(Reason::code_wrong, "The device declined, or another number was given there.");
  if (state != "approved") return fail(Reason::code_wrong, "Nobody answered on a device in time.");
  Body proof;
  proof.set("kind", name).set("challenge", challenge).set("answer", "");
  return ctx.call_once(http::Method::post, "/prove", As::session, proof);
}

bool only_push(const json::Value* kinds) {
  std::vector<std::string> names;
  if (kinds != nullptr) {
    for (const json::Value& v : kinds->items()) names.push_back(v.as_string().value_or(""));
  }
  return only_push_among(names);
}

bool only_push_of(const json::Value& me) {
  std::vector<std::string> names;
  if (const json::Value* factors = me.find("factors")) {
    for (const json::Value& f : factors->items()) {
      if (!flag_of(f, "disabled")) names.push_back(text_of(f, "kind"));
    }
  }
  return only_push_among(names);
}

}  // namespace vestibule::app::cli
