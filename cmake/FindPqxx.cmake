# libpqxx as Pqxx::pqxx. It brings no CMake package on Debian, so pkg-config is asked.
find_package(PkgConfig QUIET)
if(PkgConfig_FOUND)
  pkg_check_modules(Pqxx_PC QUIET IMPORTED_TARGET libpqxx)
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Pqxx
  REQUIRED_VARS Pqxx_PC_LINK_LIBRARIES
  VERSION_VAR Pqxx_PC_VERSION
  REASON_FAILURE_MESSAGE "libpqxx was not found by pkg-config (Debian: libpqxx-dev, pkg-config)")

if(Pqxx_FOUND AND NOT TARGET Pqxx::pqxx)
  add_library(Pqxx::pqxx INTERFACE IMPORTED)
  target_link_libraries(Pqxx::pqxx INTERFACE PkgConfig::Pqxx_PC)
endif()
