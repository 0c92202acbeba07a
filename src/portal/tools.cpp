// Tools of MCP servers, as they were first seen or last accepted; administrators look at those that have changed.

#include <algorithm>

#include "approval/definitions.hpp"
#include "portal/act.hpp"
#include "portal/render.hpp"

namespace vestibule::portal {
namespace {

void write(json::Writer& w, const approval::KnownTool& t, bool whole) {
  w.begin_object().member("access_point", t.access_point).member("tool", t.tool);
  w.member("state", t.asleep ? "asleep" : "awake").member("accepted", hex(t.accepted));
  member_time(w, "since", t.since);
  w.key("by");
  if (t.by.empty()) {
    w.null();
  } else {
    w.value(t.by);
  }
  if (whole) w.member("accepted_text", t.accepted_text);
  if (t.asleep) {
    w.member("shown", hex(t.shown));
    member_time(w, "changed", t.changed);
    if (whole) w.member("shown_text", t.shown_text);
  }
  w.end_object();
}

}  // namespace

net::Task<Result<Reply>> Portal::list_tools(Call& call) {
  if (services_.definitions == nullptr) co_return fail(Reason::not_found);
  const std::string point(call.query_text("access_point"));
  const std::string tool(call.query_text("tool"));
  json::Writer w = writer();
  w.begin_object().key("tools").begin_array();
  if (!tool.empty()) {
    if (point.empty()) co_return fail(Reason::invalid_argument, "access_point: where the tool is");
    Result<approval::KnownTool> found = co_await services_.definitions->find(point, tool);
    if (!found) co_return std::move(found).error();
    write(w, *found, true);
  } else {
    Result<std::vector<approval::KnownTool>> known = co_await services_.definitions->list(point);
    if (!known) co_return std::move(known).error();
    for (const approval::KnownTool& t : *known) write(w, t, false);
  }
  w.end_array().end_object();
  co_return Reply{200, w.take(), false};
}

net::Task<Result<Reply>> Portal::accept_tool(Call& call) {
  if (services_.definitions == nullptr) co_return fail(Reason::not_found);
  const auto raw = unhex(call.body.text("digest"));
  Digest digest{};
  if (!raw || raw->size() != digest.size()) co_return fail(Reason::invalid_argument, "digest: 64 hexadecimal digits");
  std::copy(raw->begin(), raw->end(), digest.begin());
  const std::string point(call.body.text("access_point"));
  const std::string tool(call.body.text("tool"));
  Result<approval::KnownTool> found = co_await services_.definitions->find(point, tool);
  if (!found) co_return std::move(found).error();
  // No code is spent on what cannot be.
  if (found->asleep && found->shown_text.empty()) co_return fail(Reason::conflict, "its definition is longer than 64 KiB: nobody can be asked to read it, so it stays asleep");
  if (!found->asleep || found->shown != digest) co_return fail(Reason::conflict, "it is not asleep, or its definition has changed again: look at it anew");
  auto act = [this, point, tool, digest](store::Tx& tx, const session::Actor& by) { return services_.definitions->accept_in(tx, point, tool, digest, by); };
  Result<std::uint64_t> done = co_await prove_and(call, "tools.accept " + point + "/" + tool + " " + hex(digest), std::move(act));
  if (!done) co_return std::move(done).error();
  services_.definitions->accepted(point, tool, digest, *done);
  co_return Reply{};
}

}  // namespace vestibule::portal
