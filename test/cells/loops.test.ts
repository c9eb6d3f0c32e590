import { KernelClient, result, stopKernels } from "../jupyter/support/client";

let kernel: KernelClient;

beforeAll(async () => {
  kernel = await KernelClient.start();
});
afterAll(stopKernels);

const LOOP = "for (let i = 0; i < 20_000_000; i++) acc += i % 7;";

/** Milliseconds that a piece of code takes inside the kernel, best of three. */
async function milliseconds(code: string): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < 3; i++) {
    const answer = await kernel.execute(`const begin${i} = performance.now();\n${code}\nperformance.now() - begin${i}`);
    times.push(Number(result(answer)));
  }
  return Math.min(...times);
}

test("a loop at the top of a cell costs less than 20 times what it costs in a function", async () => {
  const inFunction = await milliseconds(`(function () { let acc = 0; ${LOOP} return acc; })();`);
  const atTop = await milliseconds(`let acc = 0;\n${LOOP}`);
  const overEarlierVariable = await milliseconds(LOOP);
  expect(inFunction).toBeGreaterThan(0);
  expect(atTop / inFunction).toBeLessThan(20);
  expect(overEarlierVariable / inFunction).toBeLessThan(20);
});

test("the function of the loop above computes what plain JavaScript does", async () => {
  let acc = 0;
  for (let i = 0; i < 20_000_000; i++) acc += i % 7;
  expect(result(await kernel.execute(`let acc = 0;\n${LOOP}\nacc`))).toBe(String(acc));
});
