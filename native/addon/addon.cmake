# stateline.node: the only target that sees Node's headers. They come with node-api-headers and node-addon-api,
# whether cmake-js drives CMake or a plain `cmake` does.

set(NODE_INCLUDES ${CMAKE_JS_INC})
if(NOT NODE_INCLUDES)
  execute_process(
    COMMAND node -p "require('node-api-headers').include_dir"
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} OUTPUT_VARIABLE NODE_INCLUDES OUTPUT_STRIP_TRAILING_WHITESPACE)
endif()
execute_process(
  COMMAND node -p "require('node-addon-api').include_dir"
  WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} OUTPUT_VARIABLE NODE_ADDON_API OUTPUT_STRIP_TRAILING_WHITESPACE)
get_filename_component(NODE_ADDON_API ${NODE_ADDON_API} ABSOLUTE BASE_DIR ${CMAKE_SOURCE_DIR})

file(GLOB ADDON_SOURCES CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/*.cpp)

add_library(stateline_addon_objects OBJECT ${ADDON_SOURCES})
target_include_directories(stateline_addon_objects SYSTEM PRIVATE ${NODE_INCLUDES} ${NODE_ADDON_API})
target_compile_definitions(stateline_addon_objects PRIVATE NAPI_VERSION=8 NAPI_CPP_EXCEPTIONS)
target_compile_options(stateline_addon_objects PRIVATE -Wall -Wextra)
target_link_libraries(stateline_addon_objects PRIVATE stateline_engine)

# Builds <name>.node into `folder`; the objects behind them say what it has of CUDA.
function(add_addon target name folder)
  add_library(${target} MODULE $<TARGET_OBJECTS:stateline_addon_objects> ${CMAKE_JS_SRC})
  target_link_libraries(${target} PRIVATE ${ARGN} stateline_engine ${CMAKE_JS_LIB})
  if(STATELINE_SANITIZE STREQUAL "" AND NOT APPLE)
    target_link_options(${target} PRIVATE -static-libstdc++ -static-libgcc -Wl,--exclude-libs,ALL)
  endif()
  if(APPLE)
    target_link_options(${target} PRIVATE -undefined dynamic_lookup)
  endif()
  set_target_properties(${target} PROPERTIES
    OUTPUT_NAME ${name} PREFIX "" SUFFIX ".node" LIBRARY_OUTPUT_DIRECTORY ${folder})
endfunction()
