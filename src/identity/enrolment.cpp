// Set-up of the first administrator, and enrolment codes.
#include "identity/rows.hpp"
#include "identity/users.hpp"

namespace vestibule::identity {

Result<std::optional<Secret>> Users::create_setup_token() {
  return database_.write_blocking([this](store::Tx& tx) -> Result<std::optional<Secret>> {
    auto administrators = count_administrators(tx);
    if (!administrators) return std::move(administrators).error();
    auto gone = tx.run("DELETE FROM setup_token");
    if (!gone) return std::move(gone).error();
    if (*administrators != 0) return std::optional<Secret>{};
    crypto::Handle token = mint_.make(crypto::kEnrolmentCode, rng_);
    auto put = tx.run("INSERT INTO setup_token (hash, expires) VALUES ($1, $2)",
                      {token.hash, clock_.wall() + options_.setup_ttl});
    if (!put) return std::move(put).error();
    record(tx, "setup.token", Actor{}, {}, {});
    return std::optional<Secret>(std::move(token.text));
  });
}

net::Task<Result<void>> Users::check_setup_token(Secret token) const {
  if (!needs_setup()) co_return fail(Reason::setup_done);
  const std::optional<Digest> hash = mint_.check(token.reveal_text(), crypto::kEnrolmentCode);
  if (!hash) co_return fail(Reason::setup_token);
  auto job = [this, h = *hash](store::Tx& tx) {
    return tx.one("SELECT 1 FROM setup_token WHERE hash = $1 AND expires >= $2", {h, clock_.wall()},
                  [](const store::Row&) {});
  };
  auto found = co_await database_.read(std::move(job));
  if (!found) co_return std::move(found).error();
  if (!*found) co_return fail(Reason::setup_token);
  co_return Result<void>{};
}

Result<UserId> Users::setup_in(store::Tx& tx, std::string_view token, const PreparedPassword& password,
                               const Actor& by) {
  auto administrators = count_administrators(tx);
  if (!administrators) return std::move(administrators).error();
  if (*administrators != 0) return fail(Reason::setup_done);
  const std::optional<Digest> hash = mint_.check(token, crypto::kEnrolmentCode);
  if (!hash) return fail(Reason::setup_token);
  auto used = tx.run("DELETE FROM setup_token WHERE hash = $1 AND expires >= $2", {*hash, clock_.wall()});
  if (!used) return std::move(used).error();
  if (*used != 1) return fail(Reason::setup_token);
  auto rest = tx.run("DELETE FROM setup_token");
  if (!rest) return std::move(rest).error();
  Create what;
  what.name = password.name_;
  what.roles = {std::string(domain::role::administrator), std::string(domain::role::member)};
  Actor self = by;
  auto id = create_in(tx, what, self);
  if (!id) return std::move(id).error();
  self.user = *id;
  self.name = domain::UserName(password.name_);
  auto set = store_password_in(tx, *id, password, self);
  if (!set) return std::move(set).error();
  return *id;
}

Result<Secret> Users::create_enrolment_code_in(store::Tx& tx, UserId user, const Actor& by) {
  auto account = load_in(tx, user);
  if (!account) return std::move(account).error();
  if (account->disabled) return fail(Reason::user_disabled);
  if (by.user == user) return fail(Reason::invalid_argument, "nobody resets himself: another administrator does");
  const WallTime now = clock_.wall();
  auto code = put_enrolment_code(tx, mint_, rng_, user, by.user, now + options_.enrolment_ttl);
  if (!code) return code;
  record(tx, "user.enrolment_code", by, account->name.view(), {});
  if (!account->has_password) return code;  // the first one: there is nobody yet who could be told
  auto told = notify_in(tx, user, NoticeKind::reset_done,
                        who(by) + " has made an enrolment code for your account. Once it is used, your password, factors "
                        "and sessions are void.", now);
  if (!told) return std::move(told).error();
  return code;
}

Result<Secret> put_enrolment_code(store::Tx& tx, const crypto::HandleMint& mint, Rng& rng, UserId user, UserId issuer,
                                  WallTime expires) {
  // The one way to a first password.
  auto service = tx.one("SELECT 1 FROM service WHERE account = $1", {user}, [](const store::Row&) {});
  if (!service) return std::move(service).error();
  if (*service) return fail(Reason::conflict, "a service account has no password, and enrols nothing");
  auto gone = tx.run("DELETE FROM enrolment_code WHERE account = $1", {user});
  if (!gone) return std::move(gone).error();
  crypto::Handle code = mint.make(crypto::kEnrolmentCode, rng);
  auto put = tx.run("INSERT INTO enrolment_code (hash, account, issued_by, expires) VALUES ($1, $2, $3, $4)",
                    {code.hash, user, issuer, expires});
  if (!put) return std::move(put).error();
  return std::move(code.text);
}

Result<void> Users::void_enrolment_code_in(store::Tx& tx, UserId user) {
  auto gone = tx.run("DELETE FROM enrolment_code WHERE account = $1", {user});
  if (!gone) return std::move(gone).error();
  return {};
}

net::Task<Result<Secret>> Users::create_enrolment_code(UserId user, Actor by) {
  auto job = [this, user, by](store::Tx& tx) { return create_enrolment_code_in(tx, user, by); };
  auto code = co_await database_.write(std::move(job));
  co_return code;
}

net::Task<Result<User>> Users::check_enrolment_code(Secret code) const {
  const std::optional<Digest> hash = mint_.check(code.reveal_text(), crypto::kEnrolmentCode);
  if (!hash) co_return fail(Reason::credential_unknown);
  auto job = [this, h = *hash](store::Tx& tx) -> Result<User> {
    UserId id;
    auto found = tx.one("SELECT account FROM enrolment_code WHERE hash = $1 AND expires >= $2", {h, clock_.wall()},
                        [&](const store::Row& row) { id = row.id<UserId>(0); });
    if (!found) return std::move(found).error();
    if (!*found) return fail(Reason::credential_unknown);
    return load_in(tx, id);
  };
  auto user = co_await database_.read(std::move(job));
  co_return user;
}

Result<UserId> Users::use_enrolment_code_in(store::Tx& tx, std::string_view code, const PreparedPassword& password,
                                            const Actor& by) {
  const std::optional<Digest> hash = mint_.check(code, crypto::kEnrolmentCode);
  if (!hash) return fail(Reason::credential_unknown);
  const WallTime now = clock_.wall();
  UserId user;
  UserId issuer;
  auto used = tx.one("DELETE FROM enrolment_code WHERE hash = $1 AND expires >= $2 RETURNING account, issued_by",
                     {*hash, now}, [&](const store::Row& row) {
                       user = row.id<UserId>(0);
                       issuer = row.id<UserId>(1);
                     });
  if (!used) return std::move(used).error();
  if (!*used) return fail(Reason::credential_unknown);
  auto account = load_in(tx, user);
  if (!account) return std::move(account).error();
  if (account->disabled || standing(user) == Standing::disabled) return fail(Reason::user_disabled);
  auto former = note_former_administrator(tx, user, now);
  if (!former) return std::move(former).error();
  auto dated = tx.run("UPDATE account SET factors_reset = $2, reset_by = $3 WHERE id = $1", {user, now, issuer});
  if (!dated) return std::move(dated).error();
  Actor self = by;
  self.user = user;
  self.name = account->name;
  record(tx, "user.enrolment_used", self, account->name.view(), "issued by " + issuer.text());
  auto set = store_password_in(tx, user, password, self);
  if (!set) return std::move(set).error();
  if (!account->has_password) return user;  // the first enrolment
  auto told = notify_in(tx, user, NoticeKind::reset_done,
                        "An enrolment code was used: a new password was set, and the former factors and sessions are void. "
                        "From " + by.source.text() + ".", now);
  if (!told) return std::move(told).error();
  return user;
}

Result<void> Users::note_factor_reset_in(store::Tx& tx, UserId user, WallTime now) {
  // Who gave it its last start stays who he is: what one does to oneself makes nobody a second person.
  auto dated = tx.run("UPDATE account SET factors_reset = $2 WHERE id = $1", {user, now});
  if (!dated) return std::move(dated).error();
  return touch(tx, user);
}

}  // namespace vestibule::identity
