# kiln_floor(NAME [BELOW...]): the object library kiln_NAME of src/NAME/*.cpp, standing on the floors named.
# Its property KILN_FLOORS lists it and every floor below it, so that a floor's tests link nothing higher.
function(kiln_floor name)
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${name}/*.cpp)
  list(FILTER sources EXCLUDE REGEX "/main\\.cpp$")  # tests have a main of their own
  set(floors ${name})
  foreach(below IN LISTS ARGN)
    get_property(under GLOBAL PROPERTY KILN_FLOORS_${below})
    list(APPEND floors ${under})
  endforeach()
  list(REMOVE_DUPLICATES floors)
  set_property(GLOBAL PROPERTY KILN_FLOORS_${name} "${floors}")
  if(NOT sources)
    set(sources ${PROJECT_SOURCE_DIR}/cmake/empty.cpp)
  endif()
  add_library(kiln_${name} OBJECT ${sources})
  target_include_directories(kiln_${name} PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(kiln_${name} PUBLIC kiln_settings PRIVATE kiln_warnings)
  set_target_properties(kiln_${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  if(name MATCHES "^(kernels|optim)$")  # their files repeat local names, which a unity build would put side by side
    set_target_properties(kiln_${name} PROPERTIES UNITY_BUILD OFF)
  endif()
endfunction()

# Without these promises, which nothing in the file depends on, the compiler does not turn its loops into vectors.
set_source_files_properties(${PROJECT_SOURCE_DIR}/src/kernels/activation.cpp PROPERTIES
                            COMPILE_OPTIONS "-fno-math-errno;-fno-trapping-math")
if(CMAKE_SYSTEM_PROCESSOR STREQUAL "aarch64" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC would load all factors of a block of sums at once, and keep some of the sums in memory.
  set_source_files_properties(${PROJECT_SOURCE_DIR}/src/kernels/matmul.cpp PROPERTIES COMPILE_OPTIONS -fno-schedule-insns)
endif()
