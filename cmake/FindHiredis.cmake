# hiredis as Hiredis::hiredis, from wherever CMAKE_PREFIX_PATH or Hiredis_ROOT says. Releases since 1.0
# may have a TLS part: then Hiredis_SSL_FOUND is true, and the target brings it along.
find_path(Hiredis_INCLUDE_DIR hiredis/hiredis.h)
find_library(Hiredis_LIBRARY NAMES hiredis)
find_path(Hiredis_SSL_INCLUDE_DIR hiredis/hiredis_ssl.h HINTS "${Hiredis_INCLUDE_DIR}")
find_library(Hiredis_SSL_LIBRARY NAMES hiredis_ssl)
mark_as_advanced(Hiredis_INCLUDE_DIR Hiredis_LIBRARY Hiredis_SSL_INCLUDE_DIR Hiredis_SSL_LIBRARY)

if(Hiredis_INCLUDE_DIR)
  file(STRINGS "${Hiredis_INCLUDE_DIR}/hiredis/hiredis.h" lines
    REGEX "^#define HIREDIS_(MAJOR|MINOR|PATCH) ")
  string(REGEX REPLACE "[^0-9;]" "" numbers "${lines}")
  string(REPLACE ";" "." Hiredis_VERSION "${numbers}")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Hiredis
  REQUIRED_VARS Hiredis_LIBRARY Hiredis_INCLUDE_DIR
  VERSION_VAR Hiredis_VERSION
  REASON_FAILURE_MESSAGE "hiredis was not found (Debian: libhiredis-dev)")

if(Hiredis_SSL_LIBRARY AND Hiredis_SSL_INCLUDE_DIR STREQUAL Hiredis_INCLUDE_DIR)
  set(Hiredis_SSL_FOUND TRUE)
endif()

if(Hiredis_FOUND AND NOT TARGET Hiredis::hiredis)
  add_library(Hiredis::hiredis INTERFACE IMPORTED)
  target_include_directories(Hiredis::hiredis SYSTEM INTERFACE "${Hiredis_INCLUDE_DIR}")
  if(Hiredis_SSL_FOUND)
    find_package(OpenSSL REQUIRED)
    target_link_libraries(Hiredis::hiredis INTERFACE
      "${Hiredis_SSL_LIBRARY}" "${Hiredis_LIBRARY}" OpenSSL::SSL OpenSSL::Crypto)
    target_compile_definitions(Hiredis::hiredis INTERFACE FAILOVER_HIREDIS_SSL)
  else()
    target_link_libraries(Hiredis::hiredis INTERFACE "${Hiredis_LIBRARY}")
  endif()
endif()
