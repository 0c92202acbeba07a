# What most units begin with is read once: half of the time of a build without optimisation was spent on
# the same headers. A unit names what it needs all the same: the fuzz preset builds without this.
set(VESTIBULE_HEADERS <algorithm> <array> <atomic> <charconv> <chrono> <condition_variable> <cstring> <deque> <filesystem>
    <fstream> <functional> <map> <memory> <mutex> <optional> <set> <span> <sstream> <string> <string_view> <thread>
    <unordered_map> <unordered_set> <utility> <variant> <vector>)
set(VESTIBULE_HEADERS_net ${VESTIBULE_HEADERS} <boost/container/small_vector.hpp> <boost/asio/as_tuple.hpp>
    <boost/asio/awaitable.hpp> <boost/asio/co_spawn.hpp> <boost/asio/io_context.hpp> <boost/asio/post.hpp>
    <boost/asio/steady_timer.hpp> <boost/asio/use_awaitable.hpp>)
set(VESTIBULE_HEADERS_plain ${VESTIBULE_HEADERS})
set(VESTIBULE_HEADERS_gate ${VESTIBULE_HEADERS_net} <gate/gate.hpp>)
find_package(Boost 1.81 REQUIRED)
if(NOT VESTIBULE_FUZZ)
  find_package(GTest REQUIRED)
endif()

# One for the rooms below net, one for those that know coroutines, one for those above the gate; each once
# more for their tests.
file(WRITE ${CMAKE_BINARY_DIR}/precompiled.cpp "")
foreach(kind plain net gate)
  add_library(precompiled_${kind} OBJECT ${CMAKE_BINARY_DIR}/precompiled.cpp)
  target_include_directories(precompiled_${kind} PRIVATE ${CMAKE_SOURCE_DIR}/src)
  target_link_libraries(precompiled_${kind} PRIVATE Threads::Threads Boost::headers)
  target_precompile_headers(precompiled_${kind} PRIVATE ${VESTIBULE_HEADERS_${kind}})
  if(NOT VESTIBULE_FUZZ)
    add_library(precompiled_${kind}_test OBJECT ${CMAKE_BINARY_DIR}/precompiled.cpp)
    target_include_directories(precompiled_${kind}_test PRIVATE ${CMAKE_SOURCE_DIR}/src)
    target_link_libraries(precompiled_${kind}_test PRIVATE Threads::Threads Boost::headers GTest::gtest)
    # as the units of a program are compiled, not those of a library
    set_target_properties(precompiled_${kind}_test PROPERTIES POSITION_INDEPENDENT_CODE OFF)
    target_compile_options(precompiled_${kind}_test PRIVATE -fPIE)
    target_precompile_headers(precompiled_${kind}_test PRIVATE ${VESTIBULE_HEADERS_${kind}} <gtest/gtest.h>)
  endif()
endforeach()
