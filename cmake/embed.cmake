# kiln_embed(TARGET FILE...): compiles files into the target, as src/serve/pages.h declares them. A file of another folder is
# given as PATH=NAME, the name under which it is served.
function(kiln_embed target)
  set(generated ${CMAKE_CURRENT_BINARY_DIR}/pages)
  set(names "")
  foreach(entry IN LISTS ARGN)
    string(REGEX REPLACE "=.*" "" path "${entry}")
    get_filename_component(name "${entry}" NAME)
    string(REGEX REPLACE ".*=" "" name "${name}")
    string(MAKE_C_IDENTIFIER "${name}" identifier)
    add_custom_command(OUTPUT ${generated}/${identifier}.inc DEPENDS ${path} ${PROJECT_SOURCE_DIR}/cmake/embed_file.cmake
      COMMAND ${CMAKE_COMMAND} -DFROM=${path} -DTO=${generated}/${identifier}.inc -P ${PROJECT_SOURCE_DIR}/cmake/embed_file.cmake VERBATIM)
    list(APPEND outputs ${generated}/${identifier}.inc)
    string(APPEND arrays "constexpr unsigned char ${identifier}[] = {\n#include \"${identifier}.inc\"\n};\n")
    string(APPEND table "    {\"${name}\", {reinterpret_cast<const char*>(${identifier}), sizeof(${identifier})}},\n")
  endforeach()
  file(CONFIGURE OUTPUT ${generated}/pages.cpp CONTENT
"// Written by cmake/embed.cmake.
#include \"serve/pages.h\"

namespace kiln {
namespace {

@arrays@
const EmbeddedFile kFiles[] = {
@table@};

}  // namespace

std::span<const EmbeddedFile> embedded_files() { return kFiles; }

}  // namespace kiln
" @ONLY)
  target_sources(${target} PRIVATE ${generated}/pages.cpp)
  set_source_files_properties(${generated}/pages.cpp PROPERTIES OBJECT_DEPENDS "${outputs}"
    SKIP_UNITY_BUILD_INCLUSION ON)
endfunction()
