#pragma once
// What flows have in common. Each is one write job at its heart: what it checks, what it consumes, what it
// changes and its record stand or fall together. Private to the room.
//
// Jobs have names: g++ 12 destroys a capturing lambda twice that is written into a co_await expression.
// Jobs that look at an answer give Settled<...>: a wrong answer commits (the charge and its record
// stand), everything else that goes wrong takes the whole job back.

#include "session/session.hpp"

namespace vestibule::session {

/// The actor as the session says, whatever the caller filled in.
inline Actor as(const Identified& who, Actor by, const domain::Evidence& evidence) {
  by.user = who.subject.user;
  by.name = who.subject.name;
  by.session = who.subject.session;
  by.evidence = evidence;
  return by;
}

template <class T>
Result<T> unsettled(Result<factors::Settled<Result<T>>> settled) {
  if (!settled) return std::move(settled).error();
  return std::move(settled->value);
}

}  // namespace vestibule::session
