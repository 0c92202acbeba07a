# A room is a static library with a declaration: what it is for and which rooms it may use. The
# include check (scripts/check-rooms) and the table in docs/architecture.md come from these
# declarations, so that they cannot drift from the build.
#
#   vestibule_room(http
#     PURPOSE "heads, targets, strict parsers, codecs; no I/O"
#     USES base
#     SOURCES head.cpp target.cpp
#     LIBS  fmt::fmt          # third-party, private
#     PUBLIC_LIBS Threads::Threads
#     TESTS tests/head_test.cpp
#     TEST_WORLD tests/world.hpp  # what all its tests include, read once for them
#     SHARDS 2)               # so many processes run its tests, each a part
set_property(GLOBAL PROPERTY VESTIBULE_ROOMS "")

function(vestibule_room name)
  cmake_parse_arguments(R "" "PURPOSE;SHARDS;TEST_WORLD" "USES;SOURCES;LIBS;PUBLIC_LIBS;TESTS" ${ARGN})
  add_library(${name} STATIC ${R_SOURCES})
  target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR}/src)
  set(kind plain)
  if("gate" IN_LIST R_USES)
    set(kind gate)
  elseif(name STREQUAL "net" OR "net" IN_LIST R_USES OR "store" IN_LIST R_USES)
    set(kind net)
  endif()
  target_precompile_headers(${name} REUSE_FROM precompiled_${kind})
  foreach(use ${R_USES})
    get_property(known GLOBAL PROPERTY VESTIBULE_ROOM_NAMES)
    if(NOT use IN_LIST known)
      message(FATAL_ERROR "room ${name} uses ${use}, which is not a room below it")
    endif()
  endforeach()
  target_link_libraries(${name} PUBLIC ${R_USES} ${R_PUBLIC_LIBS} PRIVATE ${R_LIBS})
  string(REPLACE ";" " " uses "${R_USES}")
  set_property(GLOBAL APPEND PROPERTY VESTIBULE_ROOM_NAMES ${name})
  set_property(GLOBAL APPEND_STRING PROPERTY VESTIBULE_ROOMS "${name}|${R_PURPOSE}|${uses}\n")
  if(R_TESTS AND NOT VESTIBULE_FUZZ)
    add_executable(${name}_test ${R_TESTS})
    target_link_libraries(${name}_test PRIVATE ${name} ${R_LIBS} GTest::gtest_main)
    if(R_TEST_WORLD)
      target_precompile_headers(${name}_test PRIVATE ${VESTIBULE_HEADERS_${kind}} <gtest/gtest.h> <${name}/${R_TEST_WORLD}>)
    else()
      target_precompile_headers(${name}_test REUSE_FROM precompiled_${kind}_test)
    endif()
    if(NOT R_SHARDS)
      set(R_SHARDS 1)
    endif()
    math(EXPR last "${R_SHARDS} - 1")
    foreach(shard RANGE ${last})
      set(test ${name})
      if(R_SHARDS GREATER 1)
        set(test ${name}.${shard})
      endif()
      add_test(NAME ${test} COMMAND ${name}_test WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})  # some read files of the tree
      set_tests_properties(${test} PROPERTIES LABELS unit TIMEOUT 900
        ENVIRONMENT "GTEST_TOTAL_SHARDS=${R_SHARDS};GTEST_SHARD_INDEX=${shard}")
    endforeach()
  endif()
endfunction()

function(vestibule_write_rooms)
  get_property(rooms GLOBAL PROPERTY VESTIBULE_ROOMS)
  file(WRITE ${CMAKE_BINARY_DIR}/rooms.txt "${rooms}")
endfunction()

# A fuzz target: fuzz/NAME.cpp with LLVMFuzzerTestOneInput, its corpus in fuzz/corpus/NAME. Under
# the fuzz preset it is a libFuzzer binary; elsewhere a plain test that replays the corpus.
function(vestibule_fuzz name)
  cmake_parse_arguments(F "" "" "USES;LIBS" ${ARGN})
  set(corpus ${CMAKE_SOURCE_DIR}/fuzz/corpus/${name})
  if(VESTIBULE_FUZZ)
    add_executable(fuzz_${name} ${name}.cpp)
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    target_link_libraries(fuzz_${name} PRIVATE ${F_USES} ${F_LIBS})
  else()
    if(NOT TARGET fuzz_replay)
      add_library(fuzz_replay OBJECT ${CMAKE_SOURCE_DIR}/fuzz/replay_main.cpp)
    endif()
    add_executable(fuzz_${name} ${name}.cpp)
    target_link_libraries(fuzz_${name} PRIVATE fuzz_replay ${F_USES} ${F_LIBS})
    # g++ takes a precompiled header only where the same macros are given
    target_compile_options(fuzz_${name} PRIVATE $<TARGET_PROPERTY:GTest::gtest,INTERFACE_COMPILE_OPTIONS>)
    target_precompile_headers(fuzz_${name} REUSE_FROM precompiled_plain_test)
    add_test(NAME fuzz_${name} COMMAND fuzz_${name} ${corpus})
    set_tests_properties(fuzz_${name} PROPERTIES LABELS fuzz TIMEOUT 120)
  endif()
endfunction()
