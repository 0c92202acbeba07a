#include "policy/policy.hpp"

namespace vestibule::policy {

std::string_view default_policy_text() noexcept {
  return R"toml(# Who may do what, with how fresh a second factor. Taught in docs/policy.md.
#   vestibule policy check      is this file right?
#   vestibule policy explain    what would be decided, and why?
#
# What no rule allows is denied; a tool call that no rule allows a person signs. A deny rule wins over
# every allow rule. Of all allow rules that match, the strictest demand counts. The order of the rules
# means nothing.

# What an access point asks for by its sensitivity. These are the defaults.
#   level    2 = two kinds of factor (a password and a code)
#            3 = a phishing-resistant factor bound to a device (a passkey)
#   max_age  how long ago the second factor may have been proved
#   confirm  "self" = the person confirms each single act with a factor
#   push     "choice", at low alone: a push device may be answered by picking one number of three
[sensitivity.low]
level = 2
max_age = "12h"

[sensitivity.moderate]
level = 2
max_age = "1h"

[sensitivity.high]
level = 3
max_age = "15m"

[sensitivity.critical]
level = 3
max_age = "15m"
confirm = "self"

# What is out of the ordinary asks for more, by default:
#   signal.new_source     a network that the person has not been known by for a day: 15m
#   signal.new_client     a program likewise: 1h
#   signal.prompt_flood   many prompts that nobody answered in the last ten minutes: 15m
#   signal.many_refusals  much that was refused in the last ten minutes: 15m
# and, where you say so,
#   signal.destructive_tool  a tool whose server says that it destroys: confirm = "self"
# [signal.new_source]
# max_age = "15m"                       # level and confirm too, as above; "24h" switches it off

# Members may use every model behind every access point.
[[rule]]
name = "members use models"
effect = "allow"
who = ["role:member"]
operation = ["chat", "complete", "embed", "models.list", "models.show"]

# And every tool server. What a tool does is asked for tool by tool: without a rule of its own, each
# call is confirmed by its person (docs/mcp.md).
[[rule]]
name = "members use tool servers"
effect = "allow"
who = ["role:member"]
operation = ["mcp.*", "tools/list", "prompts/*", "resources/*"]

# Administrators may too, and may administer this gateway: the access point `vestibule`, which no
# wildcard reaches in an allow rule.
[[rule]]
name = "administrators"
effect = "allow"
who = ["role:administrator"]
access_point = ["*", "vestibule"]

# Auditors read what was done, and change nothing.
[[rule]]
name = "auditors read"
effect = "allow"
who = ["role:auditor"]
access_point = ["vestibule"]
operation = ["*.read", "*.list", "*.verify", "*.export"]

# More to take from: remove the # and change the names.
#
# [[rule]]                              # the big models only for one group, in office hours
# name = "big models"
# effect = "allow"
# who = ["group:research"]
# model = ["*-70b", "*-405b"]
# hours = ["Mon-Fri 08:00-18:00"]
# zone = "Europe/Berlin"
#
# [[rule]]                              # a fresher proof from outside the office network
# name = "fresh proof everywhere"
# effect = "allow"
# who = ["role:member"]
# operation = ["chat"]
# max_age = "15m"
#
# [[rule]]                              # tools that models ask for: without a rule the person signs each call
# name = "reading is harmless"
# effect = "allow"
# tool = ["read_*", "list_*"]
# argument = ["path under /srv/data"]   # all must hold; what cannot be told allows nothing
# confirm = "none"                      # left out: self
#
# [[rule]]                              # two others sign, and say why
# name = "large transfers"
# effect = "allow"
# tool = ["transfer"]
# argument = ["amount > 100"]
# confirm = "people"
# people = 2
# approvers = ["role:treasurer"]
# justification = true
#
# [[rule]]                              # never; what cannot be told is denied
# name = "nothing outside the data"
# effect = "deny"
# tool = ["write_*", "delete_*"]
# argument = ["path not under /srv/data"]
#
# [[flow]]                              # what counts for administrators, and what is offered first
# name = "administrators"
# who = ["role:administrator"]
# factors = ["webauthn", "totp"]
#
# [[quota]]                             # how much each member may use
# name = "members"
# who = ["role:member"]
# requests = "60/1m"
# tokens = "100000/1h"                  # of prompts and answers together
# streams = 4                           # under way at a time
#
# [[rule]]                              # nobody, whatever else is allowed
# name = "no loading of models"
# effect = "deny"
# operation = ["model.load", "model.unload"]
)toml";
}

}  // namespace vestibule::policy
