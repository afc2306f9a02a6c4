# How this tree compiles its own code: warnings, sanitizers, and the tools that make a build quick.
# Nothing here reaches a consumer of the installed package.

# Warnings for a target of this tree; errors when FAILOVER_WERROR. Not -Wnon-virtual-dtor: it fires on
# every class derived from boost::system::error_category; -Wall's -Wdelete-non-virtual-dtor stays.
function(failover_set_warnings target)
  target_compile_options(${target} PRIVATE
    -Wall -Wextra -Wpedantic -Wshadow -Woverloaded-virtual)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # g++ 12 sees an overlap in every "literal" + std::string once it inlines (GCC bug 105329).
    # It also inlines the operator new of Asio's coroutine frames but not their operator delete, and
    # takes the two for a mismatch; whether it does depends on what is inlined, as under ASan. And it
    # takes the padding of what a std::variant holds for something that is read, at -O3.
    target_compile_options(${target} PRIVATE
      -Wno-restrict -Wno-mismatched-new-delete -Wno-maybe-uninitialized)
  endif()
  if(FAILOVER_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  if(FAILOVER_SANITIZE AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # GCC's manual warns that the instrumentation makes this one report what is no fault.
    target_compile_options(${target} PRIVATE -Wno-maybe-uninitialized)
  endif()
  if(CMAKE_UNITY_BUILD AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Meant for headers; a source file of a unity build is included like one. What a file declares
    # for itself precedes the headers of the next one there.
    target_compile_options(${target} PRIVATE -Wno-subobject-linkage -Wno-shadow)
  endif()
  if(FAILOVER_SANITIZE MATCHES "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Asio uses std::atomic_thread_fence, which g++ reports in every including file under TSan.
    target_compile_options(${target} PRIVATE -Wno-tsan)
  endif()
endfunction()

# ccache and lld when they are there and the caller chose nothing else.
macro(failover_use_build_tools)
  find_program(FAILOVER_CCACHE ccache)
  mark_as_advanced(FAILOVER_CCACHE)
  if(FAILOVER_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    set(CMAKE_CXX_COMPILER_LAUNCHER "${FAILOVER_CCACHE}")
  endif()
  find_program(FAILOVER_LLD ld.lld)
  mark_as_advanced(FAILOVER_LLD)
  if(FAILOVER_LLD AND NOT CMAKE_EXE_LINKER_FLAGS MATCHES "-fuse-ld")
    add_link_options(-fuse-ld=lld)
  endif()
endmacro()

macro(failover_use_sanitizers)
  if(FAILOVER_SANITIZE)
    add_compile_options(-fsanitize=${FAILOVER_SANITIZE} -fno-omit-frame-pointer
      -fno-sanitize-recover=all)
    if(FAILOVER_SANITIZE MATCHES "undefined")
      # This check looks at memory through a pipe, and fails where a test has used up all files.
      add_compile_options(-fno-sanitize=vptr)
    endif()
    add_link_options(-fsanitize=${FAILOVER_SANITIZE})
  endif()
endmacro()
