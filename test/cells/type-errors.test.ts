/** What an error of types does to a cell is the reader's choice: STATELINE_TYPE_ERRORS. */
import { KernelClient, result, stopKernels, type Answer } from "../jupyter/support/client";

afterAll(stopKernels);

const WRONG = "const wrong: number = 'text';\nwrong";

async function withTypeErrors(choice: string): Promise<(code: string) => Promise<readonly [Answer, string]>> {
  const kernel = await KernelClient.start({ env: { STATELINE_TYPE_ERRORS: choice } });
  return async (code) => {
    const answer = await kernel.execute(code);
    return [answer, kernel.text(answer, "stderr").replace(/\u001b\[\d+m/g, "")];
  };
}

test("warn shows the error with its place and runs the cell; later cells know its names; syntax still refuses", async () => {
  const run = await withTypeErrors("warn");
  const [answer, said] = await run(WRONG);
  expect(result(answer)).toBe("'text'");
  expect(said).toContain("TypeScriptError: 1:7 Type 'string' is not assignable to type 'number'. (TS2322)");
  expect(said).toContain("1 | const wrong: number = 'text';");
  const [later, nothing] = await run("wrong");
  expect([result(later), nothing]).toEqual(["'text'", ""]);
  // TypeScript numbers this among errors of syntax.
  expect(result((await run("!(function (): void {})()"))[0])).toBe("true");
  expect((await run("let = = 3"))[0].reply).toMatchObject({ ename: "SyntaxError" });
  expect((await run("no_such_name"))[0].reply).toMatchObject({ ename: "ReferenceError" });
});

test("off runs the cell without a word", async () => {
  const run = await withTypeErrors("off");
  const [answer, said] = await run(WRONG);
  expect([result(answer), said]).toEqual(["'text'", ""]);
});

test("another value refuses every cell with what would do", async () => {
  const run = await withTypeErrors("maybe");
  expect((await run("1"))[0].reply).toMatchObject({
    ename: "E_OPTION",
    evalue: expect.stringContaining('must be error, warn or off, got "maybe"') as string,
  });
});
