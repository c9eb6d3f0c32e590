# Every file of device/cpu/kernels is compiled once per instruction set, into a namespace of its own
# (STATELINE_ISA); device/cpu/dispatch.cpp, compiled without flags, picks one table at load.

file(GLOB KERNEL_SOURCES CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/kernels/*.cpp)

function(add_isa name)
  add_library(stateline_isa_${name} OBJECT ${KERNEL_SOURCES})
  target_include_directories(stateline_isa_${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  target_compile_definitions(stateline_isa_${name} PRIVATE STATELINE_ISA=${name} STATELINE_ISA_${name}=1)
  # GCC's own AVX-512 headers start from registers left undefined on purpose, and it warns of them.
  target_compile_options(stateline_isa_${name} PRIVATE
    -fno-exceptions -fno-rtti -Wall -Wextra -Wno-uninitialized $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized> ${ARGN})
  target_sources(stateline_engine PRIVATE $<TARGET_OBJECTS:stateline_isa_${name}>)
endfunction()

if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  add_isa(sse2)
  add_isa(avx2 -mavx2 -mfma -mf16c)
  add_isa(avx512 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mf16c)
  add_isa(avx512bf16 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512bf16 -mavx512vnni -mfma -mf16c)
else()
  message(FATAL_ERROR "Stateline's CPU kernels are written for x86-64; this is ${CMAKE_SYSTEM_PROCESSOR}")
endif()
