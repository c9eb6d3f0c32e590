/** The `stateline` command as a user meets it: fields of --json, exit codes, one clear line when something is wrong. */

import { once } from "node:events";
import { cpSync, existsSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";

import { displaySymbol, type MimeBundle } from "../../kernel/api/display";
import { compare, openRun } from "../../kernel/api/runs/open";
import { storeRun } from "../profiler/support/stored-run";
import { syntheticRun } from "../profiler/support/synthetic-run";
import { cli, cliJson, finished, startCli } from "../support/cli";
import { golden, heldoutText, temporaryFolder, tinyMamba } from "../support/fixtures";

const model = ["--model", tinyMamba];
const prompt = ["--prompt", "Sherlock Holmes took"];

test("generate --json prints the fields that programs rely on, and nothing else", async () => {
  const runs = temporaryFolder();
  const result = await cliJson<Record<string, unknown>>([
    "generate",
    ...model,
    ...prompt,
    "--max-new-tokens",
    "12",
    "--tp",
    "2",
    "--record",
    "--runs",
    runs,
  ]);
  expect(Object.keys(result)).toEqual(
    expect.arrayContaining([
      "tokens",
      "text",
      "promptTokens",
      "ttftMs",
      "prefillTokensPerSecond",
      "decodeTokensPerSecond",
      "wireBytes",
      "runId",
    ]),
  );
  expect(result).toMatchObject({
    promptTokens: 5,
    tokens: { length: 12 },
    text: expect.stringMatching(/^ the paper/) as unknown,
  });
  const list = await cliJson<{ id: string }[]>(["runs", runs]);
  expect(list.map((run) => run.id)).toEqual([result["runId"]]);
  const other = await cliJson<Record<string, unknown>>([
    "generate",
    ...model,
    "--tokens",
    "1724,284",
    "--max-new-tokens",
    "2",
  ]);
  expect(other).toMatchObject({ runId: null, wireBytes: 0, tokens: { length: 2 } });
});

test("generate streams the text on stdout and its figures on stderr", async () => {
  const { code, stdout, stderr } = await cli([
    "generate",
    ...model,
    ...prompt,
    "--max-new-tokens",
    "20",
    "--stop",
    " hand",
  ]);
  expect([code, stdout]).toEqual([0, " the paper in his\n"]);
  expect(stderr).toMatch(/^loaded in [\d.]+ ms\nfirst token after [\d.]+ ms; prefill .* tokens\/s; 0 B on the wire\n$/);
});

test("eval agrees with the reference, and int8 on the wire changes it by less than half a percent", async () => {
  const args = ["eval", ...model, "--file", heldoutText, "--limit", "4", "--compute", "f32", "--tp", "2"];
  const exact = await cliJson<Record<string, number>>(args);
  const expected = JSON.parse(readFileSync(join(heldoutText, "../expected.json"), "utf8")) as Record<
    string,
    { window_nll: number[] }
  >;
  const nll = (expected["tiny-mamba"]?.window_nll ?? []).slice(0, 4).reduce((sum, one) => sum + one, 0) / (4 * 511);
  expect(exact).toMatchObject({ windows: 4, tokens: 2048 });
  expect(exact["nll"]).toBeCloseTo(nll, 4);
  expect(exact["perplexity"]).toBeCloseTo(Math.exp(nll), 2);
  expect(exact["bitsPerByte"]).toBeGreaterThan(1);
  const int8 = await cliJson<Record<string, number>>([...args, "--all-reduce", "int8"]);
  expect(Math.abs((int8["perplexity"] ?? 0) / Math.exp(nll) - 1)).toBeLessThan(0.005);
});

test("doctor says what this machine can do", async () => {
  const health = await cliJson<Record<string, unknown>>(["doctor"]);
  expect(health).toMatchObject({
    cpu: { isa: expect.any(String) as unknown, cores: expect.any(Number) as unknown },
    cuda: { compiled: expect.any(Boolean) as unknown, architectures: expect.any(Array) as unknown },
    cublas: { available: expect.any(Boolean) as unknown },
    nccl: { available: expect.any(Boolean) as unknown },
    jupyter: {},
  });
  const { stdout } = await cli(["doctor"], { env: { STATELINE_ISA: "sse2" } });
  expect(stdout).toMatch(/cpu +sse2 \(of/);
  const prefix = temporaryFolder();
  await cli(["kernel", "install", "--prefix", prefix]);
  const env = { JUPYTER_PATH: join(prefix, "share/jupyter") };
  const { jupyter } = await cliJson<{ jupyter: { kernelspec: string } }>(["doctor"], { env });
  expect(jupyter.kernelspec).toBe(join(prefix, "share/jupyter/kernels/stateline"));
});

test("generate --logprobs reports each token's log-probability; --stop-tokens ends with one of them", async () => {
  const args = ["generate", ...model, ...prompt, "--max-new-tokens", "9", "--logprobs", "2"];
  const { tokens, logprobs } = await cliJson<{ tokens: number[]; logprobs: { logprob: number; top: object[] }[] }>(
    args,
  );
  expect(logprobs).toHaveLength(9);
  for (const { logprob, top } of logprobs) expect(top[0]).toMatchObject({ logprob }); // greedy takes the likeliest
  const { stdout } = await cli(args);
  expect(stdout).toMatch(/^ the paper in[^]*\n\ntoken +logprob +likeliest/);
  const stopped = await cliJson<{ tokens: number[] }>([...args, "--stop-tokens", `1,${tokens[3] ?? 0}`]);
  expect(stopped).toMatchObject({ tokens: tokens.slice(0, 4), finish: "stop" });
  const sampled = [...args, "--temperature", "1", "--min-p", "0.1", "--repetition-penalty", "1.2", "--compute", "f32"];
  expect((await cliJson<{ tokens: number[] }>(sampled)).tokens).toEqual(
    (await cliJson<{ tokens: number[] }>([...sampled, "--tp", "2"])).tokens,
  );
});

test("generate --chat puts the prompt into the model's chat template", async () => {
  const directory = join(temporaryFolder(), "chat");
  cpSync(tinyMamba, directory, { recursive: true });
  const args = ["generate", "--model", directory, "--prompt", "Sherlock", "--max-new-tokens", "2"];
  expect((await cli([...args, "--chat"])).stderr).toContain("E_CHAT_TEMPLATE_MISSING");
  writeFileSync(
    join(directory, "chat_template.jinja"),
    "{% for m in messages %}{{ m.content }}{% endfor %}{% if add_generation_prompt %} took{% endif %}",
  );
  const chat = await cliJson<object>([...args, "--chat", "--system", "Mr. "]);
  const plain = ["generate", "--model", directory, "--prompt", "Mr. Sherlock took", "--max-new-tokens", "2"];
  const { tokens, promptTokens } = await cliJson<{ tokens: number[]; promptTokens: number }>(plain);
  expect(chat).toMatchObject({ tokens, promptTokens });
  expect((await cli([...plain, "--system", "x"])).code).toBe(2);
});

test("models make writes a model that generates", async () => {
  const out = join(temporaryFolder(), "random");
  const made = await cliJson<object>(["models", "make", "--like", "mamba-130m", "--layers", "1", "--out", out]);
  expect(made).toMatchObject({ directory: out, parameters: 42_387_456, bytes: 84_774_912 });
  const args = ["generate", "--model", out, "--tokens", "1,2", "--max-new-tokens", "3", "--tp", "2"];
  expect(await cliJson<object>(args)).toMatchObject({ tokens: expect.any(Array) as unknown });
  const again = await cli(["models", "make", "--like", "mamba-130m", "--out", out]);
  expect([again.code, again.stdout]).toEqual([1, ""]);
  expect(again.stderr).toMatch(/^stateline: .*is not empty.*\(E_DIRECTORY_NOT_EMPTY\)\n$/);
});

/** A checkpoint of another family. */
const llama = temporaryFolder();
cpSync(join(golden, "mamba-tiny"), llama, { recursive: true });
writeFileSync(join(llama, "config.json"), '{"model_type": "llama"}');

const logits = ["logits", "--tokens", "1,2,3", "--out", join(temporaryFolder(), "out.f32")];

test.each<[string, string[], string]>([
  ["a model that is not there", [...logits, "--model", "/absent"], "E_CHECKPOINT_MISSING"],
  ["ranks that do not divide", [...logits, ...model, "--tp", "3"], "E_TP_INDIVISIBLE"],
  ["a token outside the vocabulary", ["logits", ...model, "--tokens", "9999", "--out", "/tmp/x"], "E_TOKEN_RANGE"],
  ["an empty prompt", ["generate", ...model, "--prompt", ""], "E_PROMPT_EMPTY"],
  [
    "a text for a model without tokenizer",
    ["generate", "--model", join(golden, "mamba-tiny"), "--prompt", "a"],
    "E_TOKENIZER_MISSING",
  ],
  ["a GPU where there is none", [...logits, ...model, "--device", "cuda"], "E_DEVICE_UNAVAILABLE"],
  ["a compute type that the CPU has not", [...logits, ...model, "--compute", "f16"], "E_COMPUTE_TYPE"],
  ["an unknown model type", [...logits, "--model", llama], "E_MODEL_TYPE"],
  ["a folder of runs that is not there", ["serve", "/absent"], "E_RUNS_UNREADABLE"],
  [
    "a folder of runs that cannot be written",
    ["generate", ...model, ...prompt, "--record", "--runs", join(tinyMamba, "config.json")],
    "E_RUNS_NOT_WRITABLE",
  ],
  [
    "a folder of runs where the system makes none",
    ["generate", ...model, ...prompt, "--record", "--runs", "/proc/absent/runs"],
    "E_RUNS_NOT_WRITABLE",
  ],
  [
    "a random model where the system makes no folder",
    ["models", "make", "--like", "mamba-130m", "--out", "/proc/absent/model"],
    "E_DIRECTORY_NOT_WRITABLE",
  ],
  [
    "a random model in the place of a file",
    ["models", "make", "--like", "mamba-130m", "--out", join(tinyMamba, "config.json")],
    "E_DIRECTORY_NOT_WRITABLE",
  ],
  ["a text that is not there", ["eval", ...model, "--file", "/absent"], "cannot read /absent: ENOENT"],
  ["a folder to list that is not there", ["runs", "/absent"], "E_RUNS_UNREADABLE"],
  ["an unknown instruction set", [...logits, ...model], "E_ISA"],
])("%s ends in one line and exit code 1", async (what, args, mention) => {
  const env = what.includes("instruction set") ? { STATELINE_ISA: "mmx" } : {};
  const { code, stdout, stderr } = await cli(args, { env });
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr).toMatch(/^stateline: [^\n]+\n$/);
  expect(stderr).toContain(mention);
  expect(stderr).not.toContain("    at ");
});

test.each<[string, string[]]>([
  ["no command", []],
  ["an unknown command", ["fly"]],
  ["an unknown option", ["runs", "--fly"]],
  ["a missing option", ["generate", ...prompt]],
  ["neither prompt nor tokens", ["generate", ...model]],
  ["both prompt and tokens", ["generate", ...model, ...prompt, "--tokens", "1"]],
  ["a number that is none", ["generate", ...model, ...prompt, "--tp", "two"]],
  ["token ids that are none", ["logits", ...model, "--tokens", "1,,2", "--out", "x"]],
  ["a prefill that is none", [...logits, ...model, "--prefill", "twice"]],
  ["a compute type that is none", [...logits, ...model, "--compute", "f64"]],
])("%s is wrong usage, exit code 2", async (_, args) => {
  const { code, stdout, stderr } = await cli(args);
  expect([code, stdout]).toEqual([2, ""]);
  expect(stderr).not.toBe("");
});

test("the help of a command shows what every command takes, and defaults that can be read", async () => {
  for (const command of [
    ["kernel", "install"],
    ["notebook", "run"],
  ]) {
    const { code, stdout } = await cli([...command, "--help"]);
    expect(code).toBe(0);
    expect(stdout).toContain("--debug");
    expect(stdout).not.toContain("{}");
  }
});

test("--debug shows the stack", async () => {
  const { code, stderr } = await cli([...logits, ...model, "--tp", "3", "--debug"]);
  expect(code).toBe(1);
  expect(stderr).toMatch(/ShardError: tensorParallel must divide[^]*\n {4}at /);
});

test("logits that cannot be written leave nothing behind", async () => {
  const folder = temporaryFolder();
  const { code, stderr } = await cli(["logits", ...model, "--tokens", "1", "--out", join(folder, "absent/out.f32")]);
  expect([code, stderr]).toEqual([1, expect.stringMatching(/^stateline: [^\n]*absent[^\n]*\(E_FILE_NOT_WRITTEN\)\n$/)]);
  expect(readdirSync(folder)).toEqual([]);
});

test("serve --json prints where it listens, answers, and ends with Ctrl+C", async () => {
  const child = startCli(["serve", temporaryFolder(), "--json"]);
  const result = finished(child);
  const [line] = (await once(child.stdout, "data")) as [string];
  const { url, token, port } = JSON.parse(line) as { url: string; token: string; port: number };
  expect(new URL(url)).toMatchObject({ port: String(port), search: `?token=${token}` });
  expect((await fetch(url)).status).toBe(200);
  expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBeGreaterThanOrEqual(400);
  child.kill("SIGINT");
  expect(await result).toMatchObject({ code: 0, stdout: line, stderr: "" });
});

test("what a notebook draws leads to the profiler for as long as it is served", async () => {
  const runs = temporaryFolder();
  for (const id of ["a", "b"]) await storeRun(runs, syntheticRun({ id, layers: 1, decodeSteps: 2 }));
  const run = await openRun(join(runs, "a"));
  const linkIn = (value: unknown): string | undefined => {
    const { "text/html": html = "" } = (value as { [displaySymbol](): MimeBundle })[displaySymbol]();
    return / href="([^"]+)"/.exec(html)?.[1]?.replaceAll("&amp;", "&");
  };
  expect(linkIn(await run.timeline())).toBeUndefined();

  const child = startCli(["serve", runs, "--json"]);
  const result = finished(child);
  const [line] = (await once(child.stdout, "data")) as [string];
  const { url, token } = JSON.parse(line) as { url: string; token: string };
  const { origin } = new URL(url);
  // By a key to these runs: the notebook is saved with it, and must not hold the token.
  const leadsTo = async (link: string | undefined, page: string, hash = ""): Promise<void> => {
    const address = new URL(link ?? "");
    expect(address.searchParams.get("view")).toMatch(/^view\./);
    address.searchParams.delete("view");
    expect(address.href).toBe(`${origin}${page}${hash}`);
    expect(link?.includes(token)).toBe(false);
    expect((await fetch(link ?? "")).status).toBe(200);
  };
  await leadsTo(linkIn(await run.timeline()), "/runs/a");
  await leadsTo(linkIn(await run.timeline({ fromNs: 1e6, toNs: 2e6 })), "/runs/a", "#from=1000000&to=2000000");
  await leadsTo(linkIn(await compare(run, await openRun(join(runs, "b")))), "/compare?a=a&b=b");
  const [said = ""] = readdirSync(runs).filter((name) => name.startsWith("."));
  expect(statSync(join(runs, said)).mode & 0o777).toBe(0o600);

  // A folder that another machine wrote, or whose server was killed, leads nowhere.
  const before = readFileSync(join(runs, said), "utf8");
  writeFileSync(join(runs, said), before.replace(/"host":"[^"]*"/, '"host":"another"'));
  expect(linkIn(await run.timeline())).toBeUndefined();
  writeFileSync(join(runs, said), before);
  child.kill("SIGINT");
  expect(await result).toMatchObject({ code: 0, stderr: "" });
  expect(linkIn(await run.timeline())).toBeUndefined();
  expect(readdirSync(runs).sort()).toEqual(["a", "b"]);
});

test("a port in use is refused", async () => {
  const other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  const { port } = other.address() as AddressInfo;
  const { code, stderr } = await cli(["serve", temporaryFolder(), "--port", String(port)]);
  other.close();
  expect([code, stderr]).toEqual([1, expect.stringMatching(/^stateline: [^\n]*in use[^\n]*\(E_PORT_IN_USE\)\n$/)]);
});

test("Ctrl+C ends a generation, with what it had recorded", async () => {
  const runs = temporaryFolder();
  const child = startCli(["generate", ...model, ...prompt, "--max-new-tokens", "10000000", "--record", "--runs", runs]);
  const result = finished(child);
  await once(child.stdout, "data");
  child.kill("SIGINT");
  const { code, stderr } = await result;
  expect([code, stderr]).toEqual([130, "stateline: generate was aborted (E_ABORTED)\n"]);
  expect(await cliJson(["runs", runs])).toMatchObject([{ status: "complete" }]);
});

test("start --once generates with f16 and int8, prints a table for each and records both", async () => {
  const runs = temporaryFolder();
  const { code, stdout, stderr } = await cli(["start", "--once", "--max-new-tokens", "30", "--runs", runs]);
  expect([code, stderr]).toEqual([0, ""]);
  for (const wire of ["f16", "int8"]) expect(stdout).toContain(`tiny-mamba on 2 ranks, ${wire} AllReduce`);
  expect(stdout.match(/^rank +scan +conv +GEMM +AllReduce +other +sent$/gm)).toHaveLength(2);
  expect(stdout.match(/first token after [\d.]+ .?s, then/g)).toHaveLength(2);
  expect(await cliJson<{ label: string }[]>(["runs", runs])).toMatchObject([
    { label: "int8 AllReduce" },
    { label: "f16 AllReduce" },
  ]);
});

test("start serves the two runs side by side until Ctrl+C", async () => {
  const child = startCli(["start", "--max-new-tokens", "8", "--runs", temporaryFolder()]);
  const result = finished(child);
  let printed = "";
  while (!printed.includes("Ctrl+C")) printed += ((await once(child.stdout, "data")) as [string])[0];
  const address = /http:\S+\/compare\?a=\S+&b=\S+&token=\S+/.exec(printed)?.[0] ?? "";
  expect((await fetch(address)).status).toBe(200);
  child.kill("SIGINT");
  expect((await result).code).toBe(0);
});

test("help is quick, and version is the package's", async () => {
  await cli(["--help"]);
  const begin = performance.now();
  const { code, stdout } = await cli(["--help"]);
  expect(performance.now() - begin).toBeLessThan(1000); // 130 ms on an idle machine
  expect(code).toBe(0);
  for (const command of ["start", "generate", "logits", "eval", "serve", "runs", "doctor"])
    expect(stdout).toContain(`\n  ${command} `);
  expect((await cli(["--version"])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
});

test("runs are found by STATELINE_RUNS", async () => {
  const runs = join(temporaryFolder(), "mine");
  expect(await cliJson(["runs"], { env: { STATELINE_RUNS: runs } })).toEqual([]);
  expect(existsSync(runs)).toBe(false);
  writeFileSync(runs, "a file");
  const { code } = await cli(["runs"], { env: { STATELINE_RUNS: runs } });
  expect(code).toBe(1);
});

test("bench allreduce prints a row a size and type with the crossover below, and writes a page that needs no network", async () => {
  const page = join(temporaryFolder(), "curve.html");
  const { code, stdout } = await cli(["bench", "allreduce", "--max-bytes", "2K", "--rounds", "1", "--html", page]);
  expect(code).toBe(0);
  expect(stdout.match(/^ *(1024|2048) +(256|512) +(f32|f16|bf16|int8) /gm)).toHaveLength(8);
  expect(stdout.trimEnd().split("\n").at(-1)).toMatch(/f32/);
  const html = readFileSync(page, "utf8");
  for (const title of ["Median time", "Algorithm bandwidth", "Bus bandwidth"]) expect(html).toContain(`<h2>${title}`);
  expect(html).toContain('Plotly.newPlot("chart2"');
  expect(html).not.toMatch(/<(script|link|img)[^>]+(src|href)=/);
});

test.each<[string, string[], string]>([
  ["one rank alone", ["--tp", "1"], "'--tp <ranks>' argument '1' is invalid. Expected an integer from 2 to 64."],
  ["no round", ["--rounds", "0"], "'--rounds <rounds>' argument '0' is invalid. Expected an integer from 1 to 1000."],
  [
    "a size that is none",
    ["--max-bytes", "1T"],
    "argument '1T' is invalid. Expected 4 to 268435456 bytes, as 4096, 4K or 16M.",
  ],
  ["sizes the wrong way round", ["--max-bytes", "64"], "maxBytes must be at least minBytes = 1024, got 64"],
])("bench allreduce with %s is wrong usage, exit code 2", async (_, args, mention) => {
  const { code, stdout, stderr } = await cli(["bench", "allreduce", ...args]);
  expect([code, stdout]).toEqual([2, ""]);
  expect(stderr).toContain(mention);
});

test("a page that cannot be written is told before anything is measured", async () => {
  const { code, stdout, stderr } = await cli(["bench", "allreduce", "--html", "/absent/curve.html"]);
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr).toMatch(/^stateline: cannot write \/absent\/curve\.html: [^\n]*\(E_FILE_NOT_WRITTEN\)\n$/);
});
