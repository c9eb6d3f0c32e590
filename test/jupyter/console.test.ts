/** `jupyter console`, the real program on a terminal of its own. */
import { join } from "node:path";
import { jupyterEnvironment, python } from "./support/environment";

test("jupyter console runs cells, shows results and errors, asks, interrupts, and draws progress as a line", async () => {
  const env = { ...jupyterEnvironment(), TERM: "dumb" };
  const { code, output } = await python([join(__dirname, "support/console.py")], env, "", ["--lab"]);
  expect({ code, output }).toEqual({ code: 0, output: "walked\n" });
}, 240_000);
