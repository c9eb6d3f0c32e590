// An addon that prints with the C library, as engines and their libraries do.
#include <node_api.h>
#include <stdio.h>

static napi_value print(napi_env env, napi_callback_info info) {
  napi_value argument;
  size_t count = 1;
  char text[256];
  size_t length;
  napi_get_cb_info(env, info, &count, &argument, NULL, NULL);
  napi_get_value_string_utf8(env, argument, text, sizeof text, &length);
  printf("%s", text);
  return NULL;
}

NAPI_MODULE_INIT() {
  napi_value function;
  napi_create_function(env, "print", NAPI_AUTO_LENGTH, print, NULL, &function);
  napi_set_named_property(env, exports, "print", function);
  return exports;
}
