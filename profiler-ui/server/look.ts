/** Questions about a long run's spans as they come with a request, and their answers as they are sent. */

import type { SpanKey } from "../trace/lane-view";
import { MOVES, type Look, type Looker } from "../trace/look";
import { encodeEvents, encodeMarks } from "../trace/wire-format";
import type { Answer } from "./analysis";

/** Wider than any screen, with room on both sides. */
const MOST_BUCKETS = 32768;

export function answerLook(looker: Looker, look: Look): Answer {
  switch (look.kind) {
    case "marks": {
      const marks = looker.marks(look, look.find);
      return marks && encodeMarks(marks);
    }
    case "count":
      return JSON.stringify(looker.count(look.find, look.span));
    case "ops":
      return JSON.stringify(looker.ops(look));
    case "spans": {
      const events = looker.spans(look, look.find);
      return events && encodeEvents(events);
    }
    case "go":
      return JSON.stringify(looker.go(look));
    case "collective":
      return JSON.stringify(looker.collective(look.group, look.seq));
    case "selection": {
      const marks = looker.selection(look.span);
      return marks && encodeMarks(marks);
    }
  }
}

/** A question out of a request's parameters; null where it is none. */
export function lookOf(query: Readonly<Record<string, unknown>>): Look | null {
  const number = (name: string): number => {
    const text = query[name];
    const value = typeof text === "string" && text !== "" ? Number(text) : NaN;
    return Math.abs(value) <= Number.MAX_SAFE_INTEGER ? value : NaN;
  };
  const known = <T extends object>(look: T): T | null =>
    Object.values(look).some((value) => Number.isNaN(value)) ? null : look;
  const aligned = query["aligned"] === "true";
  const find = typeof query["find"] === "string" ? query["find"].slice(0, 1000) : "";
  const span = keyOf(query["span"]);
  const stretch = { from: number("from"), to: number("to") };
  switch (query["kind"]) {
    case "marks": {
      const bucket = number("bucket");
      const fits = bucket > 0 && (stretch.to - stretch.from) / bucket <= MOST_BUCKETS;
      return fits ? known({ kind: "marks", aligned, ...stretch, bucket, find }) : null;
    }
    case "count":
      return { kind: "count", aligned, find, span };
    case "ops":
      return known({
        kind: "ops",
        aligned,
        ...stretch,
        firstRank: number("firstRank"),
        lastRank: number("lastRank"),
      });
    case "spans":
      return known({ kind: "spans", aligned, ...stretch, find });
    case "go": {
      const move = MOVES.find((candidate) => candidate === query["move"]);
      const direction = query["direction"] === "-1" ? -1 : 1;
      return move ? known({ kind: "go", aligned, move, direction, span, ...stretch, find }) : null;
    }
    case "collective":
      return known({ kind: "collective", aligned, group: number("group"), seq: number("seq") });
    case "selection":
      return span && { kind: "selection", aligned, span };
    default:
      return null;
  }
}

/** A span as `rank.stream.depth.start`, as addresses have it, too. */
function keyOf(text: unknown): SpanKey | null {
  if (typeof text !== "string" || !/^\d+\.\d+\.\d+\.-?\d+$/.test(text)) return null;
  const [rank = 0, stream = 0, depth = 0, start = 0] = text.split(".").map(Number);
  return Number.isSafeInteger(start) ? { rank, stream, depth, start } : null;
}
