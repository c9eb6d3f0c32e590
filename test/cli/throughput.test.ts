/** `stateline bench throughput`, by its command, its page in a browser, and the function behind it. */

import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { benchThroughput, plainText, type ThroughputBench, type ThroughputBenchOptions } from "../../kernel/api/index";
import { launchChromium } from "../support/chromium";
import { cli, cliJson } from "../support/cli";
import { temporaryFolder, tinyMamba } from "../support/fixtures";

const quick = ["--contexts", "8,40", "--batches", "1,3", "--new-tokens", "4", "--rounds", "2"];

test("a row each context, batch, ranks and wire, with the speed-up over the first, and a chart each batch", async () => {
  const page = join(temporaryFolder(), "throughput.html");
  const args = ["bench", "throughput", "--model", tinyMamba, ...quick, "--wires", "f32,f16,int8", "--html", page];
  const bench = await cliJson<ThroughputBench>(args);
  expect(bench).toMatchObject({ model: "tiny-mamba", computeType: "bf16", newTokens: 4, rounds: 2 });
  expect([bench.date, bench.machine]).toEqual([
    expect.stringMatching(/^\d{4}-\d\d-\d\d$/),
    expect.stringMatching(/ × \d+$/),
  ]);
  expect(bench.points.map(({ context, batch, ranks, wireType }) => `${context} ${batch} ${ranks} ${wireType}`)).toEqual(
    ["8 1", "8 3", "40 1", "40 3"].flatMap((load) =>
      ["1 null", "2 f32", "2 f16", "2 int8"].map((setup) => `${load} ${setup}`),
    ),
  );
  for (const [index, point] of bench.points.entries()) {
    const { context, batch, seconds, ttftMs, wireType, wireBytes } = point;
    expect(point.tokensPerSecond).toBeCloseTo((batch * (context + 4)) / seconds, 6);
    expect(point.newTokensPerSecond).toBeCloseTo((batch * 4) / seconds, 6);
    expect(ttftMs / 1000).toBeLessThan(seconds);
    // 8 layers, every token but the last new one: 256 values after out_proj, 16 + 2·16 after x_proj; half of the logits
    // of each new token on each rank. A request's share of a step is rounded down.
    const outProj = { f32: 4 * 256, f16: 2 * 256, int8: 256 + 2 * 4, auto: NaN, bf16: NaN };
    const fed = batch * (context + 3);
    const sent = wireType ? 2 * 8 * fed * (outProj[wireType] + 4 * 48) + 4 * batch * 2 * 8 : 0;
    expect(wireBytes).toBeLessThanOrEqual(sent);
    expect(wireBytes).toBeGreaterThanOrEqual(sent - fed);
    if (index % 4 === 0) expect(point.speedUp).toBe(1);
    else expect(point.speedUp).toBeGreaterThan(0);
  }

  const browser = await launchChromium();
  try {
    const tab = await browser.newPage();
    await tab.goto(pathToFileURL(page).href);
    await expect(tab.locator(".scatterlayer .trace").count()).resolves.toBe(2 * 4);
    await expect(tab.locator("h2").allTextContents()).resolves.toEqual([
      "One request",
      "3 requests together",
      "Numbers",
    ]);
    await expect(tab.locator("pre").textContent()).resolves.toMatch(/^ +40 +3 +2 ranks, int8 /m);
    // The contexts that were measured, and no other number, stand on the axis.
    await expect(tab.locator("#chart0 .xtick text").allTextContents()).resolves.toEqual(["8", "40"]);
  } finally {
    await browser.close();
  }
});

test("of one context the page has one chart, over the batches", async () => {
  const page = join(temporaryFolder(), "batches.html");
  const args = ["--contexts", "8", "--batches", "1,2,4", "--new-tokens", "2", "--rounds", "1", "--tp", "1"];
  const { code } = await cli(["bench", "throughput", "--model", tinyMamba, ...args, "--html", page]);
  expect(code).toBe(0);
  const browser = await launchChromium();
  try {
    const tab = await browser.newPage();
    await tab.goto(pathToFileURL(page).href);
    await expect(tab.locator("h2").allTextContents()).resolves.toEqual(["Prompts of 8 tokens", "Numbers"]);
    await expect(tab.locator(".xtick text").allTextContents()).resolves.toEqual(["1", "2", "4"]);
    await expect(tab.locator(".scatterlayer .point").count()).resolves.toBe(3);
  } finally {
    await browser.close();
  }
});

test("lists that are none are wrong usage; ranks that do not divide are refused with those that would work", async () => {
  const bench = ["bench", "throughput", "--model", tinyMamba];
  for (const wrong of [
    ["--batches", "1,,2"],
    ["--wires", "f16,int4"],
    ["--tp", "0"],
    ["--compute", "f64"],
  ])
    expect(await cli([...bench, ...wrong])).toMatchObject({ code: 2, stdout: "" });
  const { code, stderr } = await cli([...bench, ...quick, "--tp", "1,3"]);
  expect([code, stderr]).toEqual([
    1,
    expect.stringMatching(/^stateline: [^\n]*\(1, 2, 4, [^\n]*E_TP_INDIVISIBLE\)\n$/),
  ]);
});

const small: ThroughputBenchOptions = { contexts: [6], batches: [2], newTokens: 2, rounds: 3, threadsPerRank: 1 };

test("progress counts tokens to the end, and the figures draw themselves as a table", async () => {
  const seen: number[] = [];
  const onProgress = ({ done, total }: { done: number; total: number }): void => void seen.push(done / total);
  const bench = await benchThroughput(tinyMamba, { ...small, wires: ["auto"], onProgress });
  expect(seen).toEqual([1, 2, 3, 4, 5, 6].map((share) => expect.closeTo(share / 6, 12) as number));
  expect(plainText(bench)).toMatch(/^tiny-mamba, bf16, 1 thread a rank, 2 new tokens a request\n/);
  expect(plainText(bench)).toMatch(/^ +6 +2 +1 rank .* 1\.00×\n +6 +2 +2 ranks, auto .*×\n/m);
});

test("an abort ends the bench, and says that it was the bench", async () => {
  const controller = new AbortController();
  const onProgress = (): void => controller.abort(new Error("enough"));
  await expect(benchThroughput(tinyMamba, { ...small, signal: controller.signal, onProgress })).rejects.toMatchObject({
    code: "E_ABORTED",
    message: "benchThroughput was aborted",
    cause: { message: "enough" },
  });
});

test.each<[string, ThroughputBenchOptions, string]>([
  [
    "no contexts",
    { contexts: [] },
    "contexts must be a list of different values, each an integer from 1 to 4194304, got []",
  ],
  ["a batch twice", { batches: [2, 2] }, "batches must be a list of different values, each"],
  ["an unknown wire", { wires: ["int4" as "int8"] }, 'each one of auto, f32, f16, bf16, int8, got ["int4"]'],
  ["half a token", { newTokens: 0.5 }, "newTokens must be an integer"],
])("%s is refused", async (_, options, message) => {
  await expect(benchThroughput(tinyMamba, options)).rejects.toMatchObject({
    code: "E_OPTION_INVALID",
    message: expect.stringContaining(message) as unknown,
  });
});
