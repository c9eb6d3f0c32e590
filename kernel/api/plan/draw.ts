/** The shard plan as people read it: a row a kind of tensor, since all layers split alike. */

import { formatCount } from "../../../profiler-ui/trace/format";
import { escapeHtml, htmlTable, textTable, type Table } from "../draw/table";
import type { MimeBundle } from "../display";
import type { ModelConfig } from "../families/family";
import { wireText } from "../model/all-reduce";
import type { RankSlice } from "../native";
import { parametersOfRank, type PlannedTensor, type ShardPlan } from "./plan";

/** The model and its shape in one line. */
export function planHeading(plan: ShardPlan): string {
  const { config, tensorParallel } = plan;
  const ranks = tensorParallel === 1 ? "1 rank" : `${tensorParallel} ranks`;
  return (
    `${plan.model}: ${config.family}, ${formatCount(plan.parameters)} parameters on ${ranks} ` +
    `(${config.layers} layers, hidden ${config.hidden}, inner ${config.inner}, states ${config.states}, ` +
    `conv ${config.taps}, dt rank ${config.dtRank}, vocabulary ${config.vocabulary}${hybridText(config)})`
  );
}

function hybridText({ mixerHeads, hybrid }: ModelConfig): string {
  if (!hybrid) return "";
  const { layers, heads, headDim, mlp } = hybrid;
  return `, ${mixerHeads} mixer heads; ${layers.length} hybrid layers with ${heads} heads of ${headDim} and an MLP of ${mlp}`;
}

export function drawPlan(plan: ShardPlan): MimeBundle {
  const heading = planHeading(plan);
  const table = planTable(plan);
  const wires = plan.tensorParallel === 1 ? [] : [collectivesTable(plan)];
  return {
    "text/plain": [heading, textTable(table), ...wires.map(textTable)].join("\n\n"),
    "text/html": `<p>${escapeHtml(heading)}</p>${[table, ...wires].map(htmlTable).join("")}`,
  };
}

function planTable(plan: ShardPlan): Table {
  const last = plan.tensorParallel - 1;
  const groups = new Map<string, { readonly tensor: PlannedTensor; count: number }>();
  for (const tensor of plan.tensors) {
    const key = tensor.layer < 0 ? `${tensor.name} ${tensor.roles.join()}` : tensor.roles.join();
    const group = groups.get(key);
    if (group) group.count++;
    else groups.set(key, { tensor, count: 1 });
  }
  const each = Array.from({ length: plan.tensorParallel }, (_, rank) => parametersOfRank(plan, rank));
  return {
    columns: [
      { title: "tensor" },
      { title: "as" },
      { title: "layers", align: "right" },
      { title: "shape" },
      { title: "stored" },
      { title: "split" },
      { title: "rank 0" },
      ...(last > 0 ? [{ title: `rank ${last}` }] : []),
    ],
    rows: [...groups.values()].map(({ tensor, count }) => [
      tensor.layer < 0 ? tensor.name : tensor.name.replace(`.${tensor.layer}.`, ".*."),
      tensor.roles.join(" + "),
      tensor.layer < 0 ? "" : String(count),
      tensor.shape.join(" × "),
      tensor.dtype,
      splitText(tensor),
      sliceText(tensor, tensor.ranks[0]),
      ...(last > 0 ? [sliceText(tensor, tensor.ranks[last])] : []),
    ]),
    note:
      `parameters a rank: ${[...new Set(each.map(formatCount))].join(", ")}; tokens are looked up in the mapped file` +
      (plan.unused.length > 0 ? `; not used: ${plan.unused.length} tensors (${plan.unused[0]}, …)` : ""),
  };
}

function collectivesTable({ config, tensorParallel, allReduce }: ShardPlan): Table {
  const { xProj, wires, group, reason } = allReduce;
  const { hidden, hybrid, mixerHeads } = config;
  const sharing = tensorParallel / mixerHeads;
  const coded = wires.some(({ wireType }) => wireType === "int8");
  const wire = coded ? `${wireText(wires)}, groups of ${group}` : wireText(wires);
  const why =
    mixerHeads === 1 ? "dt, B and C stay in full precision" : `among the ${sharing} ranks of a head, in full precision`;
  return {
    columns: [
      { title: "AllReduce of each layer" },
      { title: "values a token", align: "right" },
      { title: "wire" },
      { title: "why" },
    ],
    rows: [
      ...(sharing > 1 ? [["x_proj", String(config.dtRank + 2 * config.states), xProj, why]] : []),
      ["out_proj", String(hidden), wire, reason],
      ...(hybrid ? ["o_proj", "mlp"].map((name) => [`${name}, hybrid layers`, String(hidden), wire, reason]) : []),
    ],
  };
}

function splitText({ split, roles }: PlannedTensor): string {
  switch (split.kind) {
    case "packedRows":
      return `rows of each of ${split.parts} parts`;
    case "interleavedRows":
      return `rows, ${split.parts} parts taking turns`;
    case "headRows":
      return "heads";
    case "headColumns":
      return "heads, then their columns";
    case "unevenRows":
      return "rows, uneven";
    case "first":
      return "rank 0 only";
    case "replicated":
      return roles[0] === "embed" ? "mapped, shared" : "replicated";
    case "rows":
    case "columns":
      return split.kind;
  }
}

function sliceText(tensor: PlannedTensor, slice: RankSlice | undefined): string {
  if (!slice || slice.rows.length === 0) return "none";
  const rows = slice.rows
    .map(({ begin, end, step }) => `${begin}–${end - 1}${step > 1 ? ` by ${step}` : ""}`)
    .join(", ");
  const allRows = slice.rows.length === 1 && slice.rows[0]?.begin === 0 && slice.rows[0].end === tensor.rows;
  const allColumns = slice.columnBegin === 0 && slice.columnEnd === tensor.columns;
  if (allRows && allColumns) return "all";
  return [allRows ? "" : `rows ${rows}`, allColumns ? "" : `columns ${slice.columnBegin}–${slice.columnEnd - 1}`]
    .filter(Boolean)
    .join(", ");
}
