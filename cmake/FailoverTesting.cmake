# How tests are built and registered. Every ctest entry has one label: the folder it comes from.

# Under a sanitizer every name carries it, so that one ctest run over several build trees stays
# readable.
if(FAILOVER_SANITIZE MATCHES "address")
  set(FAILOVER_TEST_PREFIX "asan.")
elseif(FAILOVER_SANITIZE MATCHES "thread")
  set(FAILOVER_TEST_PREFIX "tsan.")
else()
  set(FAILOVER_TEST_PREFIX "")
endif()

# A GoogleTest program over `sources`, which may include "support/x.hpp" from tests/ and, when it
# links failover::http, the private headers below src/.
function(failover_add_gtest target library)
  add_executable(${target} ${ARGN})
  failover_set_warnings(${target})
  target_link_libraries(${target} PRIVATE ${library} GTest::gmock GTest::gtest_main)
  target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}/tests")
  target_compile_definitions(${target} PRIVATE "FAILOVER_SOURCE_DIR=\"${PROJECT_SOURCE_DIR}\"")
  if(NOT library STREQUAL "failover::core")
    target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}/src")
    target_link_libraries(${target} PRIVATE OpenSSL::SSL yaml-cpp spdlog::spdlog
      prometheus-cpp::core nlohmann_json::nlohmann_json)
  endif()
endfunction()

# One ctest entry for each GoogleTest suite named in `sources`, read at configure time: a suite that
# starts real servers starts them once. The last entry runs whatever no other one does.
function(failover_register_suites target label timeout)
  set(suites "")
  foreach(source IN LISTS ARGN)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${source}")
    file(STRINGS "${source}" lines REGEX "^(TEST|TEST_F|TEST_P|TYPED_TEST)\\(")
    foreach(line IN LISTS lines)
      string(REGEX REPLACE "^[A-Z_]+\\( *([A-Za-z0-9_]+).*" "\\1" suite "${line}")
      list(APPEND suites ${suite})
    endforeach()
  endforeach()
  list(REMOVE_DUPLICATES suites)
  set(others "-")
  foreach(suite IN LISTS suites)
    set(filter "${suite}.*:*/${suite}.*:${suite}/*:*/${suite}/*")
    string(APPEND others "${filter}:")
    failover_register_program(${label}.${suite} ${label} ${timeout}
      ${target} --gtest_brief=1 "--gtest_filter=${filter}")
  endforeach()
  if(suites)
    failover_register_program(${label}.remaining ${label} ${timeout}
      ${target} --gtest_brief=1 "--gtest_filter=${others}")
  endif()
endfunction()

# A program that measures time or runs load: never beside another one. COST: what can only run one
# by one starts first, and what is small fills the core that is left.
function(failover_register_program name label timeout)
  add_test(NAME ${FAILOVER_TEST_PREFIX}${name} COMMAND ${ARGN})
  set_tests_properties(${FAILOVER_TEST_PREFIX}${name} PROPERTIES
    LABELS ${label} TIMEOUT ${timeout} PROCESSORS 2 COST 100)
endfunction()
