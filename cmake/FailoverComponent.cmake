# One component is one target, one exported targets file and one dependency file, so that
# find_package(failover COMPONENTS http) never looks for another component's libraries.

include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(FAILOVER_PACKAGE_DIR "${CMAKE_INSTALL_LIBDIR}/cmake/failover")

# failover_add_component(<name>
#   [SOURCES <file>...]           none: an INTERFACE target
#   [COMPONENTS <name>...]        components of this package it needs; linked PUBLIC
#   [PUBLIC <target>...] [PRIVATE <target>...]
#   [DEPENDENCIES <text>...])     arguments of find_dependency(), one string each, for consumers
# Adds failover::<name> and, with FAILOVER_INSTALL, its install rules.
function(failover_add_component name)
  cmake_parse_arguments(arg "" "" "SOURCES;COMPONENTS;PUBLIC;PRIVATE;DEPENDENCIES" ${ARGN})
  set(target failover_${name})
  list(TRANSFORM arg_COMPONENTS PREPEND "failover::" OUTPUT_VARIABLE components)
  if(arg_SOURCES)
    add_library(${target} STATIC ${arg_SOURCES})
    failover_set_warnings(${target})
    target_link_libraries(${target} PUBLIC ${components} ${arg_PUBLIC} PRIVATE ${arg_PRIVATE})
    set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  else()
    add_library(${target} INTERFACE)
    target_link_libraries(${target} INTERFACE ${components} ${arg_PUBLIC})
  endif()
  add_library(failover::${name} ALIAS ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name})
  set_property(GLOBAL APPEND PROPERTY FAILOVER_COMPONENTS ${name})
  if(FAILOVER_INSTALL)
    failover_install_component(${name} ${target} "${arg_COMPONENTS}" "${arg_DEPENDENCIES}")
  endif()
endfunction()

# Installs the target, failover-<name>-targets.cmake and failover-<name>.cmake, which finds what the
# component needs before it loads its targets.
function(failover_install_component name target components dependencies)
  install(TARGETS ${target} EXPORT failover-${name}-targets
    ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}"
    LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}")
  install(EXPORT failover-${name}-targets NAMESPACE failover::
    DESTINATION "${FAILOVER_PACKAGE_DIR}")
  set(text "include(CMakeFindDependencyMacro)\n")
  foreach(dependency IN LISTS dependencies)
    string(APPEND text "find_dependency(${dependency})\n")
  endforeach()
  foreach(component IN LISTS components)
    string(APPEND text
      "include(\"\${CMAKE_CURRENT_LIST_DIR}/failover-${component}.cmake\")\n"
      "if(NOT failover_${component}_FOUND)\n  return()\nendif()\n")
  endforeach()
  string(APPEND text
    "include(\"\${CMAKE_CURRENT_LIST_DIR}/failover-${name}-targets.cmake\")\n"
    "set(failover_${name}_FOUND TRUE)\n")
  set(file "${CMAKE_CURRENT_BINARY_DIR}/failover-${name}.cmake")
  file(WRITE "${file}" "${text}")
  install(FILES "${file}" DESTINATION "${FAILOVER_PACKAGE_DIR}")
endfunction()

# Installs the headers and the files find_package() reads. Call it after the last component.
function(failover_install_package)
  get_property(FAILOVER_BUILT_COMPONENTS GLOBAL PROPERTY FAILOVER_COMPONENTS)
  configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/failover-config.cmake.in"
    "${PROJECT_BINARY_DIR}/failover-config.cmake" INSTALL_DESTINATION "${FAILOVER_PACKAGE_DIR}")
  write_basic_package_version_file("${PROJECT_BINARY_DIR}/failover-config-version.cmake"
    COMPATIBILITY SameMinorVersion)
  install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/failover" TYPE INCLUDE)
  install(FILES "${PROJECT_BINARY_DIR}/failover-config.cmake"
    "${PROJECT_BINARY_DIR}/failover-config-version.cmake"
    "${PROJECT_SOURCE_DIR}/cmake/FindPqxx.cmake"
    "${PROJECT_SOURCE_DIR}/cmake/FindHiredis.cmake" DESTINATION "${FAILOVER_PACKAGE_DIR}")
  install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" TYPE DOC)
endfunction()
