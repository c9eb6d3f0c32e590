import fc from "fast-check";
import { parseQuery, predicateOf } from "../../profiler-ui/trace/search";
import { eventsOf } from "./support/events";

const events = eventsOf([
  { name: "in_proj.x", start: 0, dur: 20_000, layer: 0, rank: 0 },
  { name: "selective_scan", start: 30_000, dur: 5_000, layer: 3, rank: 0, phase: "prefill" },
  { name: "all_reduce.out_proj", start: 50_000, dur: 2_000_000, layer: 4, rank: 1, wireType: "int8", wireBytes: 4096 },
  { name: "state_update", start: 90_000, dur: 900, layer: 5, rank: 1 },
]);

/** Names of what a query finds. */
function found(text: string): string[] {
  const fits = predicateOf(parseQuery(text), events);
  if (!fits) throw new Error(`${text} asks for nothing`);
  return Array.from({ length: events.count }, (_, i) => i)
    .filter(fits)
    .map((i) => events.name.texts[events.name.codes[i] ?? 0] ?? "");
}

describe("a search for spans", () => {
  test.each([
    ["proj", ["in_proj.x", "all_reduce.out_proj"]],
    ["proj -all_reduce", ["in_proj.x"]],
    ["layer:3..4", ["selective_scan", "all_reduce.out_proj"]],
    ["rank:1 dur:<1us", ["state_update"]],
    ["dur:>1ms", ["all_reduce.out_proj"]],
    ["dur:5us..20us", ["in_proj.x", "selective_scan"]],
    ["wire:int8", ["all_reduce.out_proj"]],
    ["kind:scan phase:decode", ["state_update"]],
    ["kind:allreduce", ["all_reduce.out_proj"]],
    ["sent:>4kB", ["all_reduce.out_proj"]],
    ["SCAN", ["selective_scan"]],
  ])("%s finds %j", (text, names) => expect(found(text)).toEqual(names));

  test.each(["layer:x", "dur:3parsecs", "colour:red", "layer:", "rank:1..z"])(
    "of %s says what cannot be read",
    (text) => expect(parseQuery(text)).toMatchObject({ kind: "problem", problem: expect.any(String) as string }),
  );

  test("without words asks for everything", () => {
    expect(parseQuery("  ")).toEqual({ kind: "all" });
    expect(predicateOf(parseQuery(""), events)).toBeNull();
  });

  test("never throws, whatever is typed", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const fits = predicateOf(parseQuery(text), events);
        for (let i = 0; i < events.count; i++) fits?.(i);
      }),
    );
  });
});
