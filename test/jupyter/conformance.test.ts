/** Jupyter's own conformance suite, run by Python against the installed kernel. */
import { join } from "node:path";
import { jupyterEnvironment, python } from "./support/environment";

const tests = [
  "clear_output",
  "completion",
  "display_data",
  "error",
  "execute_result",
  "execute_stderr",
  "execute_stdout",
  "history",
  "inspect",
  "is_complete",
  "kernel_info",
  "pager",
  "recv_iopub_welcome_msg",
];

let output = "";

beforeAll(async () => {
  ({ output } = await python([join(__dirname, "support/conformance.py")], jupyterEnvironment()));
}, 240_000);

test.each(tests)("jupyter_kernel_test passes: %s", (name) => {
  const line = output.split("\n").find((text) => text.startsWith(`test_${name} `));
  if (line?.endsWith("... ok") !== true) throw new Error(`${name} did not pass:\n${output}`);
});

test("jupyter_kernel_test has no test that is not in this list", () => {
  expect(output).toContain(`Ran ${tests.length} tests`);
});
