/** Which rank and stream the processes and threads of other tools' traces are. */

import { STEP } from "../kinds";
import type { ForeignFile } from "./chrome";
import type { Lane, SpanTable } from "./span-table";

/** A file that was read, and the processes that its spans name. */
export interface ReadFile extends ForeignFile {
  /** What the file's processes begin with in the table, so that two files' do not meet. */
  readonly prefix: string;
}

const STREAM = { compute: 0, communication: 1, host: 2, others: 3 };

/** A lane's rank and stream. */
export interface Place {
  readonly rank: number;
  readonly stream: number;
}

/**
 * Rank of every process, then the stream of every lane; lanes that are left out have none. On a rank the lane whose time is
 * mostly collectives is its communication, the busiest other one its compute, the busiest of the host's its steps.
 */
export function placesOf(table: SpanTable, files: readonly ReadFile[]): (Place | undefined)[] {
  const rankOf = new Map<string, number>();
  const used = new Set<number>();
  const give = (owner: string, wanted: number): void => {
    if (rankOf.has(owner)) return;
    let rank = wanted;
    if (used.has(rank)) for (rank = 0; used.has(rank);) rank++;
    used.add(rank);
    rankOf.set(owner, rank);
  };
  const known = new Set<string>();
  for (const file of files) {
    const lanes = table.lanes.filter(({ owner }) => owner.startsWith(file.prefix));
    const processes = (side: Lane["side"]): string[] => [
      ...new Set(lanes.filter((lane) => lane.side === side).map(({ owner }) => owner)),
    ];
    const numberOf = (owner: string): number => {
      const number = Number(owner.slice(file.prefix.length));
      return Number.isInteger(number) && number >= 0 && number < 65536 ? number : 0;
    };
    const devices = processes("device").sort((a, b) => numberOf(a) - numberOf(b));
    const alone = devices.length === 1 && files.length > 1 ? file.rank : undefined;
    for (const device of devices) give(device, alone ?? numberOf(device));
    const hosts = processes("host");
    for (const host of hosts) {
      const device = file.launchedOn.get(host.slice(file.prefix.length));
      const target = device === undefined ? devices[0] : file.prefix + device;
      const rank = target === undefined ? undefined : rankOf.get(target);
      if (rank !== undefined) rankOf.set(host, rank);
      else give(host, file.rank ?? 0);
    }
    if (devices.length > 0 || hosts.length > 0) known.add(file.prefix);
    else for (const owner of processes("other")) give(owner, file.rank ?? rankOf.size);
  }
  const places: (Place | undefined)[] = [];
  const loads = laneLoads(table);
  const byRank = new Map<number, number[]>();
  table.lanes.forEach(({ side, owner }, lane) => {
    const file = files.find(({ prefix }) => owner.startsWith(prefix));
    const rank = rankOf.get(owner);
    if (rank === undefined || !file || (side === "other" && known.has(file.prefix))) return;
    byRank.set(rank, [...(byRank.get(rank) ?? []), lane]);
  });
  for (const [rank, lanes] of byRank) {
    let next = STREAM.others;
    const place = (lane: number, stream: number): void => void (places[lane] = { rank, stream });
    const busiest = (candidates: readonly number[], by: "total" | "collective"): number[] =>
      [...candidates].sort((a, b) => (loads[b]?.[by] ?? 0) - (loads[a]?.[by] ?? 0) || a - b);
    const working = lanes.filter((lane) => table.lanes[lane]?.side !== "host");
    const wire = busiest(working, "collective").find(
      (lane) => (loads[lane]?.collective ?? 0) * 2 > (loads[lane]?.total ?? 0),
    );
    if (wire !== undefined && working.length > 1) place(wire, STREAM.communication);
    busiest(
      working.filter((lane) => places[lane] === undefined),
      "total",
    ).forEach((lane, k) => place(lane, k === 0 ? STREAM.compute : next++));
    const hosts = lanes.filter((lane) => table.lanes[lane]?.side === "host");
    busiest(hosts, "total").forEach((lane, k) => place(lane, k === 0 || loads[lane]?.steps ? STREAM.host : next++));
  }
  return places;
}

function laneLoads(table: SpanTable): { total: number; collective: number; steps: boolean }[] {
  const loads = table.lanes.map(() => ({ total: 0, collective: 0, steps: false }));
  const [lane, dur, kind, name] = [table.word("lane"), table.double("durNs"), table.word("kind"), table.word("name")];
  const collective = table.texts.kind.numberOf("collective");
  const step = table.texts.name.numberOf(STEP);
  for (let i = 0; i < table.count; i++) {
    const load = loads[lane[i] ?? 0];
    if (!load) continue;
    load.total += dur[i] ?? 0;
    if (kind[i] === collective) load.collective += dur[i] ?? 0;
    if (name[i] === step) load.steps = true;
  }
  return loads;
}
