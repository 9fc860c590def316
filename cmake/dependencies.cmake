# The libraries kiln stands on, all from the distribution, gathered into one interface target: kiln_settings.
find_package(Threads REQUIRED)
find_package(Eigen3 3.4 REQUIRED NO_MODULE)
find_package(CLI11 REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(Boost 1.74 REQUIRED)  # its headers alone, for src/serve/http_server.cpp
find_package(PkgConfig REQUIRED)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)
pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
if(KILN_PNG AND NOT KILN_SANITIZE)  # the fonts that it reads are kept to the end, which would count as leaks
  pkg_check_modules(RSVG IMPORTED_TARGET librsvg-2.0>=2.52)
endif()
if(KILN_EDIT)
  pkg_check_modules(EDIT IMPORTED_TARGET libedit>=3.1)
endif()
if(KILN_MPI)
  set(MPI_CXX_SKIP_MPICXX ON)  # its C interface alone
  find_package(MPI COMPONENTS CXX)
  list(FILTER MPI_CXX_LIBRARIES EXCLUDE REGEX "mpi(_|ch)?cxx")
endif()
if(KILN_CURVES)  # a library for browsers, which the pages contain, with its licence
  foreach(file IN ITEMS js css)
    find_file(DYGRAPHS_${file} dygraph.min.${file} HINTS ${DYGRAPHS} PATHS /usr/share/javascript /usr/share/nodejs
              PATH_SUFFIXES dygraphs dygraphs/dist dist)
  endforeach()
  find_file(DYGRAPHS_LICENSE NAMES LICENSE.txt copyright HINTS ${DYGRAPHS}
            PATHS /usr/share/doc/libjs-dygraphs NO_DEFAULT_PATH)
endif()

add_library(kiln_settings INTERFACE)
target_include_directories(kiln_settings INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:include>)
target_compile_definitions(kiln_settings INTERFACE
  KILN_VERSION="${PROJECT_VERSION}" SPDLOG_FMT_EXTERNAL)
target_link_libraries(kiln_settings INTERFACE
  Threads::Threads Eigen3::Eigen fmt::fmt spdlog::spdlog nlohmann_json::nlohmann_json
  PkgConfig::PCRE2 PkgConfig::XXHASH PkgConfig::ZLIB PkgConfig::ZSTD)
if(TARGET PkgConfig::RSVG)
  set(KILN_USES_RSVG ON)
  message(STATUS "Plots: SVG and PNG (librsvg ${RSVG_VERSION})")
  target_compile_definitions(kiln_settings INTERFACE KILN_RSVG)
  target_link_libraries(kiln_settings INTERFACE PkgConfig::RSVG)
else()
  message(STATUS "Plots: SVG alone (librsvg is absent or switched off)")
endif()
if(MPI_CXX_FOUND)
  set(KILN_USES_MPI ON)
  message(STATUS "Several machines: MPI ${MPI_CXX_VERSION} (${MPI_CXX_LIBRARIES})")
  target_link_libraries(kiln_settings INTERFACE ${MPI_CXX_LIBRARIES})  # the headers are for src/core alone
else()
  message(STATUS "Several machines: no (MPI is absent or switched off)")
endif()
if(DYGRAPHS_js AND DYGRAPHS_css AND DYGRAPHS_LICENSE)
  message(STATUS "Pages: curves are drawn with dygraphs (${DYGRAPHS_js})")
  set(KILN_CURVES_FILES ${DYGRAPHS_js}=dygraph.js ${DYGRAPHS_css}=dygraph.css ${DYGRAPHS_LICENSE}=dygraphs.license)
else()
  message(STATUS "Pages: without curves (libjs-dygraphs is absent or switched off)")
endif()
if(TARGET PkgConfig::EDIT)  # for src/cli alone, so no part of what programs link
  message(STATUS "Chat: lines are edited with libedit (${EDIT_VERSION})")
else()
  message(STATUS "Chat: lines are not edited (libedit is absent or switched off)")
endif()
target_compile_options(kiln_settings INTERFACE $<BUILD_INTERFACE:-fopenmp-simd>)  # its pragmas for vectors, not its threads
if(KILN_NATIVE)
  target_compile_options(kiln_settings INTERFACE -march=native)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64" AND NOT KILN_BFLOAT16_PAIRS)
    target_compile_options(kiln_settings INTERFACE -mno-avx512bf16)
  endif()
elseif(KILN_ARCHITECTURE)
  target_compile_options(kiln_settings INTERFACE -march=${KILN_ARCHITECTURE})
endif()
if(KILN_SANITIZE)
  target_compile_options(kiln_settings INTERFACE -fsanitize=${KILN_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(kiln_settings INTERFACE -fsanitize=${KILN_SANITIZE})
  if(KILN_SANITIZE MATCHES "address")  # it traps where a null pointer is read: a sixth less to compile
    target_compile_options(kiln_settings INTERFACE -fno-sanitize=null)
  endif()
endif()

# Warnings hold for kiln's own code alone.
add_library(kiln_warnings INTERFACE)
target_compile_options(kiln_warnings INTERFACE -Wall -Wextra -Wconversion -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC bug 105593: its own AVX-512 intrinsics read a deliberately undefined register.
  target_compile_options(kiln_warnings INTERFACE -Wno-maybe-uninitialized -Wno-uninitialized
    # For Arm, GCC 12 takes what Eigen's resize frees for used afterwards, and notes that GCC 10 changed its calls.
    "$<$<STREQUAL:${CMAKE_SYSTEM_PROCESSOR},aarch64>:-Wno-use-after-free;-Wno-psabi>"
    # In a unity build it takes the anonymous namespaces of the files put together for those of headers.
    $<$<BOOL:${CMAKE_UNITY_BUILD}>:-Wno-subobject-linkage>)
elseif(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  target_compile_options(kiln_warnings INTERFACE -Wno-pass-failed)  # loops that sanitizers keep from becoming vectors
endif()
