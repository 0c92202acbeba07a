#pragma once
// Coroutines of this project: Task<T> runs on the single-threaded executor of one core.

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/error_code.hpp>

namespace vestibule::net {

namespace asio = boost::asio;
using Executor = asio::io_context::executor_type;
using ErrorCode = boost::system::error_code;

template <class T = void>
using Task = asio::awaitable<T, Executor>;

/// Completion token: co_await gives a tuple whose first member is the error code.
inline constexpr auto use_task = asio::as_tuple(asio::use_awaitable_t<Executor>{});

}  // namespace vestibule::net
