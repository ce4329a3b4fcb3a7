# SPDX-License-Identifier: GPL-2.0-or-later
#
# What every component's CMakeLists.txt uses:
#
#   ft_library(NAME SOURCES a.cc b.cc [DEPS t...] [PRIVATE_DEPS t...])
#       static library ft_NAME, alias ft::NAME. Without SOURCES it is a
#       header-only (INTERFACE) library. A '-' in NAME is a '_' in the target.
#   ft_executable(NAME SOURCES a.cc [DEPS t...])
#       program NAME.
#   ft_protobuf(NAME FILES a.proto)
#       static library ft_NAME with the lite runtime and the generated code,
#       included root-relative ("logchannel/log_channel.pb.h").
#   ft_test(NAME SOURCES a_test.cc [DEPS t...] [LABELS label]
#           [TIMEOUT seconds] [SERIAL])
#       GoogleTest program; each of its tests is one of ctest's. One label:
#       unit (default), replay, system, sim, scenario, tidy, fuzz, debian,
#       planted, storage or chaos (the last four are left out of
#       ./lockstep test).
#       SERIAL tests run alone.
#
# DEPS are names of targets and pass to whoever links the library. Those of
# packages: Boost::headers Boost::json protobuf::libprotobuf-lite
# spdlog::spdlog CLI11::CLI11 tomlplusplus::tomlplusplus hiredis::hiredis
# isal::isal curl::curl iscsi::iscsi OpenSSL::Crypto OpenSSL::SSL
# Threads::Threads zstd::zstd

include(GoogleTest)

find_package(Threads REQUIRED)
find_package(Boost 1.81 REQUIRED COMPONENTS json)
find_package(Protobuf REQUIRED)
find_package(spdlog REQUIRED)
find_package(CLI11 REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(GTest REQUIRED)
find_package(PkgConfig REQUIRED)
foreach(module IN ITEMS curl:libcurl hiredis:hiredis isal:libisal
        iscsi:libiscsi tomlplusplus:tomlplusplus zstd:libzstd)
  string(REGEX MATCH "^([^:]+):(.+)$" _ ${module})
  set(name ${CMAKE_MATCH_1})
  pkg_check_modules(${name} REQUIRED IMPORTED_TARGET GLOBAL ${CMAKE_MATCH_2})
  if(NOT TARGET ${name}::${name})
    add_library(${name}::${name} ALIAS PkgConfig::${name})
  endif()
  # hiredis says -D_FILE_OFFSET_BITS=64, which x86_64 has anyway; a compiled
  # header serves only files compiled with the same definitions.
  set_target_properties(PkgConfig::${name} PROPERTIES
    INTERFACE_COMPILE_OPTIONS "")
endforeach()

# Checks stay on: NDEBUG is never defined, in no preset (a host that halts on
# a broken invariant is safe, fencing decides who runs the VM).
# Line tables only: backtraces name lines, and compiling takes a quarter less.
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1")
set(CMAKE_CXX_FLAGS_RELEASE "-O2")

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

set(FT_SANITIZE "" CACHE STRING "Sanitizers, as in -fsanitize=")

add_library(ft_options INTERFACE)
add_library(ft::options ALIAS ft_options)
target_include_directories(ft_options INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(ft_options INTERFACE
  -Wall -Wextra -Werror -fno-omit-frame-pointer)
target_compile_definitions(ft_options INTERFACE
  _GLIBCXX_ASSERTIONS FT_VERSION="${PROJECT_VERSION}")
target_link_libraries(ft_options INTERFACE Threads::Threads)
if(FT_SANITIZE)
  # A report is a failure: undefined behaviour would only print a line.
  target_compile_options(ft_options INTERFACE
    -fsanitize=${FT_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(ft_options INTERFACE -fsanitize=${FT_SANITIZE})
  # gcc warns that it knows nothing of Boost.Asio's fences; a lock or an atomic
  # is beside each of them.
  if(FT_SANITIZE MATCHES thread AND CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    target_compile_options(ft_options INTERFACE -Wno-tsan)
  endif()
endif()

# Every test includes gtest, a second of each file's compilation. One header
# compiled in advance serves them all.
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/gtest_pch.cc CONTENT "\n")
add_executable(ft_gtest_pch EXCLUDE_FROM_ALL ${PROJECT_BINARY_DIR}/gtest_pch.cc)
target_link_libraries(ft_gtest_pch PRIVATE ft::options
  GTest::gmock GTest::gtest_main)
target_precompile_headers(ft_gtest_pch PRIVATE
  <gtest/gtest.h> <chrono> <cstdint> <functional> <map> <memory> <optional>
  <string> <string_view> <utility> <variant> <vector>)

function(ft_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPS;PRIVATE_DEPS" ${ARGN})
  string(REPLACE - _ name ${name})
  set(target ft_${name})
  if(arg_SOURCES)
    add_library(${target} STATIC ${arg_SOURCES})
    target_link_libraries(${target}
      PUBLIC ft::options ${arg_DEPS} PRIVATE ${arg_PRIVATE_DEPS})
  else()
    add_library(${target} INTERFACE)
    target_link_libraries(${target} INTERFACE ft::options ${arg_DEPS})
  endif()
  add_library(ft::${name} ALIAS ${target})
endfunction()

function(ft_executable name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ft::options ${arg_DEPS})
endfunction()

function(ft_protobuf name)
  cmake_parse_arguments(arg "" "" "FILES" ${ARGN})
  set(target ft_${name})
  set(generated ${PROJECT_BINARY_DIR}/generated)
  file(MAKE_DIRECTORY ${generated})
  set(sources "")
  foreach(proto IN LISTS arg_FILES)
    cmake_path(ABSOLUTE_PATH proto NORMALIZE)
    cmake_path(RELATIVE_PATH proto BASE_DIRECTORY ${PROJECT_SOURCE_DIR}
               OUTPUT_VARIABLE relative)
    cmake_path(REMOVE_EXTENSION relative OUTPUT_VARIABLE stem)
    add_custom_command(
      OUTPUT ${generated}/${stem}.pb.cc ${generated}/${stem}.pb.h
      COMMAND protobuf::protoc --cpp_out=lite:${generated}
              -I ${PROJECT_SOURCE_DIR} ${proto}
      DEPENDS ${proto}
      COMMENT "Generating ${stem}.pb.h" VERBATIM)
    list(APPEND sources ${generated}/${stem}.pb.cc)
  endforeach()
  add_library(${target} STATIC ${sources})
  # Generated code is not ours to warn about.
  target_compile_options(${target} PRIVATE -w)
  target_include_directories(${target} SYSTEM PUBLIC ${generated})
  target_link_libraries(${target}
    PUBLIC ft::options protobuf::libprotobuf-lite)
  add_library(ft::${name} ALIAS ${target})
endfunction()

function(ft_test name)
  # LABELS takes one: gtest_discover_tests flattens lists in PROPERTIES.
  cmake_parse_arguments(arg "SERIAL" "TIMEOUT;LABELS" "SOURCES;DEPS" ${ARGN})
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "ft_test(${name}): what is ${arg_UNPARSED_ARGUMENTS}?")
  endif()
  if(NOT arg_LABELS)
    set(arg_LABELS unit)
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 60)
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ft::options ${arg_DEPS}
    GTest::gmock GTest::gtest_main)
  target_precompile_headers(${name} REUSE_FROM ft_gtest_pch)
  set(properties LABELS ${arg_LABELS} TIMEOUT ${arg_TIMEOUT})
  if(arg_SERIAL)
    list(APPEND properties RUN_SERIAL TRUE)
  endif()
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST
    DISCOVERY_TIMEOUT 30 PROPERTIES ${properties})
endfunction()
