"""Jupyter's own conformance suite (jupyter_kernel_test) with samples in TypeScript; conformance.test.ts runs it."""

import unittest

import jupyter_kernel_test as suite


class Conformance(suite.KernelTests):
    kernel_name = "stateline"
    language_name = "typescript"
    file_extension = ".ts"

    code_hello_world = "console.log('hello, world')"
    code_stderr = "console.error('oops')"
    completion_samples = [
        {"text": "Math.sq", "matches": {"sqrt"}},
        {"text": "'\U0001F600'; Math.sq", "matches": {"sqrt"}},
    ]
    complete_code_samples = [
        "1",
        "console.log('hello')",
        "const x: number = await Promise.resolve(1);",
        "for await (const x of [1]) { x }",
        "const s = `a\nb`;",
    ]
    incomplete_code_samples = [
        "for (const x of [1]) {",
        "const s = `a",
        "function f(x: number,",
        "/* a comment",
        "console.log(1 +",
    ]
    invalid_code_samples = ["let = = 3", "1 )", 'const s = "a', "} else {"]
    code_page_something = "?Math.max"
    code_generate_error = "throw new RangeError('no')"
    code_execute_result = [
        {"code": "1 + 2 + 3", "result": "6"},
        {"code": "({ a: [1, 2] })", "result": "{ a: [ 1, 2 ] }"},
        {"code": "null", "result": "null"},
    ]
    code_display_data = [
        {"code": "import { display } from 'tslab'; display.html('<b>bold</b>')", "mime": "text/html"},
        {"code": "display.png(new Uint8Array([137, 80, 78, 71]))", "mime": "image/png"},
    ]
    code_history_pattern = "1 ? 2*"
    supported_history_operations = ("tail", "range", "search")
    code_inspect_sample = "Math.max"
    code_clear_output = "console.clear()"


class Welcome(suite.IopubWelcomeTests):
    kernel_name = "stateline"
    support_iopub_welcome = True


if __name__ == "__main__":
    unittest.main(verbosity=2)
