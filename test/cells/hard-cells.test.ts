/** Cells that bring the compiler to its limits: long, deep, or more than it can do in time. */
import { KernelClient, result, stopKernels, traceback } from "../jupyter/support/client";

let kernel: KernelClient;

beforeAll(async () => {
  kernel = await KernelClient.start();
  await kernel.execute("let kept: string = 'kept';");
});
afterAll(stopKernels);

/** TypeScript's time for a sum grows with the square of its terms: this one takes it many minutes. */
const endless = `const sum = ${"1+".repeat(200_000)}1;`;

test("a line of ten megabytes runs, and an error behind it is told by the part of the line that matters", async () => {
  const text = "x".repeat(10_000_000);
  expect(result(await kernel.execute(`const long = "${text}"; long.length`))).toBe("10000000");
  expect(traceback(await kernel.execute(`const longer = "${text}"; throw new Error("behind");`))).toMatch(
    /^In\[\d+\]\n1 \| x{71}"; throw new Error\("behind"\);\n +\| +\^\nError: behind\n +at In\[\d+\]:1:10000026$/,
  );
});

test("a cell that is being compiled is interrupted: the next one runs and knows what earlier ones declared, not what this one did", async () => {
  const cell = kernel.execute(endless);
  const next = kernel.execute("kept.length", { stop_on_error: false });
  // An interrupt comes by another channel, and could pass them.
  await kernel.until(() => kernel.published.some(({ content }) => content["code"] === endless));
  await kernel.request("interrupt_request", {}, "control");
  expect((await cell).reply).toMatchObject({ status: "error", ename: "Interrupted" });
  expect((await next).reply).toMatchObject({ ename: "Aborted" });
  expect(result(await kernel.execute("kept.length"))).toBe("4");
  expect((await kernel.execute("sum")).reply["evalue"]).toContain("Cannot find name 'sum'");
});

test("a cell nested too deeply is refused in words; the next one runs and knows what earlier ones declared", async () => {
  const { reply } = await kernel.execute(`${"(".repeat(500_000)}1${")".repeat(500_000)}`);
  expect(reply).toMatchObject({ status: "error", ename: "E_COMPILER" });
  expect(reply["evalue"]).toContain("nested too deeply for the compiler");
  expect(result(await kernel.execute("kept"))).toBe("'kept'");
  expect((await kernel.execute("kept = 1;")).reply["evalue"]).toContain("'number' is not assignable to type 'string'");
});

test("a sum of ten thousand terms runs", async () => {
  expect(result(await kernel.execute(`${"1+".repeat(10_000)}1`))).toBe("10001");
});

test("megabytes of data are a value with its types, and completion and errors behind it are where they stand", async () => {
  // TypeScript alone takes minutes for these.
  const rows = Array.from(
    { length: 150_000 },
    (_, i) => `{ id: ${i}, name: "n${i}"${i === 99_999 ? ", note: 'x'" : ""} }`,
  );
  const table = `const table = [\n${rows.join(",\n")}\n]; table.note`;
  const wrong = await kernel.execute(table);
  expect(wrong.reply["evalue"]).toMatch(/^150002:10 Property 'note' does not exist on type '\(\{/);
  const made = `${table.slice(0, -"table.note".length)}[table.length, table[99_999]!.note, table[7]]`;
  expect(result(await kernel.execute(made))).toBe("[ 150000, 'x', { id: 7, name: 'n7' } ]");
  expect((await kernel.execute("const n: number = table[0]!.name;")).reply["evalue"]).toContain("'string'");
  const pairs = Array.from({ length: 20_000 }, (_, i) => `["k${i}", "v${i}"]`).join();
  const map = `const typed: [string, string][] = [${pairs}]; new Map([${pairs}]).get("k7")!.length + typed.length`;
  expect(result(await kernel.execute(map))).toBe("20002");
  const code = `const again = [${rows.join(", ")}];\nagain[0]!.na`;
  const { reply } = await kernel.request("complete_request", { code, cursor_pos: code.length });
  expect(reply["matches"]).toEqual(["name"]);
});
