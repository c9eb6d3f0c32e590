import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { cli, cliJson } from "../support/cli";
import { jupyterEnvironment, kernelProgram, python, temporaryFolder } from "./support/environment";

/** An environment in which nothing of this machine's Jupyter is seen. */
function alone(): Record<string, string> {
  const home = temporaryFolder();
  return {
    HOME: home,
    JUPYTER_DATA_DIR: "",
    JUPYTER_PATH: "",
    XDG_DATA_HOME: join(home, "data"),
    VIRTUAL_ENV: "",
    CONDA_PREFIX: "",
  };
}

interface Spec {
  readonly argv: readonly string[];
  readonly [key: string]: unknown;
}

test("install writes a kernelspec with absolute paths and logos; list shows it; uninstall removes it", async () => {
  const env = alone();
  const { folder } = await cliJson<{ folder: string }>(["kernel", "install", "--env", "A=1", "--env", "B=x=y"], {
    env,
  });
  const spec = JSON.parse(readFileSync(join(folder, "kernel.json"), "utf8")) as Spec;
  expect(spec).toMatchObject({
    display_name: "TypeScript (Stateline)",
    language: "typescript",
    interrupt_mode: "message",
    env: { A: "1", B: "x=y" },
  });
  expect(spec.argv).toEqual([expect.stringContaining("node"), kernelProgram, "{connection_file}"]);
  expect(spec.argv.slice(0, 2).every((part) => isAbsolute(part))).toBe(true);
  for (const pixels of [32, 64]) {
    const png = readFileSync(join(folder, `logo-${pixels}x${pixels}.png`));
    expect(png.subarray(1, 4).toString()).toBe("PNG");
    expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([pixels, pixels]);
  }
  expect(readFileSync(join(folder, "logo-svg.svg"), "utf8")).toContain("<svg");
  expect(await cliJson(["kernel", "list"], { env })).toEqual([
    { name: "stateline", displayName: "TypeScript (Stateline)", folder },
  ]);
  await cliJson(["kernel", "uninstall"], { env });
  expect(existsSync(folder)).toBe(false);
  expect(await cliJson(["kernel", "list"], { env })).toEqual([]);
});

test("install goes where it is told: a prefix or the active Python environment, under the name given", async () => {
  const env = alone();
  const prefix = temporaryFolder();
  const there = await cliJson(["kernel", "install", "--prefix", prefix, "--name", "ssm", "--display-name", "SSM"], {
    env,
  });
  expect(there).toEqual({ name: "ssm", folder: join(prefix, "share/jupyter/kernels/ssm") });
  const inside = await cliJson(["kernel", "install", "--sys-prefix"], { env: { ...env, VIRTUAL_ENV: prefix } });
  expect(inside).toEqual({ name: "stateline", folder: join(prefix, "share/jupyter/kernels/stateline") });
});

test.each([
  [["install", "--name", "a b"], 1, /name must have only ASCII .*, got "a b"/],
  [["install", "--name", ".."], 1, /not be dots alone, got "\.\."/],
  [["install", "--prefix", ""], 2, /must name a folder/],
  [["install", "--sys-prefix"], 1, /VIRTUAL_ENV and CONDA_PREFIX are not set/],
  [["install", "--user", "--prefix", "x"], 2, /cannot be used with/],
  [["install", "--env", "novalue"], 2, /"novalue" is not KEY=VALUE/],
  [["install", "--prefix", "/dev/null"], 1, /cannot be written/],
  [["install", "--prefix", "/proc/absent"], 1, /\/proc\/absent.* cannot be written: .*\(E_KERNEL_FOLDER\)/],
  [["uninstall", "--name", "none"], 1, /none does not exist; stateline kernel list/],
] as const)("stateline kernel %j is refused", async (args, code, message) => {
  const outcome = await cli(["kernel", ...args], { env: alone() });
  expect(outcome.code).toBe(code);
  expect(outcome.stderr).toMatch(message);
});

test("install and uninstall leave other people's kernels alone", async () => {
  const prefix = temporaryFolder();
  const folder = join(prefix, "share/jupyter/kernels/python3");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "kernel.json"), JSON.stringify({ argv: ["python3", "-m", "ipykernel_launcher"] }));
  for (const [action, said] of [
    ["uninstall", "is not a kernel of Stateline"],
    ["install", "is another program's kernel; give this one another --name"],
  ] as const) {
    const outcome = await cli(["kernel", action, "--prefix", prefix, "--name", "python3"]);
    expect(outcome).toMatchObject({ code: 1, stderr: expect.stringContaining(said) as string });
    expect(readFileSync(join(folder, "kernel.json"), "utf8")).toContain("ipykernel_launcher");
  }
});

test("Jupyter itself finds the kernel", async () => {
  const code = "from jupyter_client.kernelspec import get_kernel_spec as get; print(get('stateline').language)";
  expect(await python(["-c", code], jupyterEnvironment())).toEqual({ code: 0, output: "typescript\n" });
});
