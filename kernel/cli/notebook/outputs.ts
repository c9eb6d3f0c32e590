/** What a kernel publishes, folded into the outputs of a notebook's cells, as a front end does it. */

import type { Content, Outgoing } from "../../jupyter/wire";
import type { Data, Output } from "./format";

/** A display that `update_display_data` can change. */
interface Shown {
  readonly outputs: Output[];
  readonly index: number;
}

export class CellOutputs {
  readonly #cells = new Map<string, Output[]>();
  readonly #displays = new Map<string, Shown[]>();
  readonly #clearBeforeNext = new Set<string>();
  readonly #onOutput: (output: Output) => void;

  /** @param onOutput Sees each output when it comes, text in pieces; displays that may still change at their cell's end. */
  constructor(onOutput: (output: Output) => void) {
    this.#onOutput = onOutput;
  }

  /** Outputs of a request so far. */
  of(id: string): readonly Output[] {
    return this.#cells.get(id) ?? [];
  }

  /** The cell has ended. */
  end(id: string): void {
    const outputs = this.#cells.get(id);
    const changing = [...this.#displays.values()].flat().filter((shown) => shown.outputs === outputs);
    for (const { index } of changing) {
      const output = outputs?.[index];
      if (output !== undefined) this.#onOutput(output);
    }
  }

  /** Takes a message from iopub. */
  add({ type, parent, content }: Outgoing): void {
    const id = parent?.msg_id;
    if (id === undefined) return;
    if (type === "clear_output") {
      if (content["wait"] === true) this.#clearBeforeNext.add(id);
      else this.#clear(id);
    } else if (type === "update_display_data") this.#update(content);
    else {
      const output = outputOf(type, content);
      if (output !== undefined) this.#append(id, output, displayId(content));
    }
  }

  #append(id: string, output: Output, display: string | undefined): void {
    if (this.#clearBeforeNext.delete(id)) this.#clear(id);
    if (display === undefined) this.#onOutput(output);
    const outputs = this.#cells.get(id) ?? [];
    this.#cells.set(id, outputs);
    const last = outputs.at(-1);
    if (output.output_type === "stream" && last?.output_type === "stream" && last.name === output.name)
      outputs[outputs.length - 1] = { ...last, text: last.text + output.text };
    else outputs.push(output);
    if (display === undefined) return;
    const shown = this.#displays.get(display) ?? [];
    this.#displays.set(display, [...shown, { outputs, index: outputs.length - 1 }]);
  }

  #update(content: Content): void {
    for (const { outputs, index } of this.#displays.get(displayId(content) ?? "") ?? []) {
      const old = outputs[index];
      if (old !== undefined && "data" in old) outputs[index] = { ...old, data: content["data"] as Data };
    }
  }

  #clear(id: string): void {
    const cleared = this.#cells.get(id);
    this.#cells.set(id, []);
    for (const [display, shown] of this.#displays)
      this.#displays.set(
        display,
        shown.filter(({ outputs }) => outputs !== cleared),
      );
  }
}

function displayId({ transient }: Content): string | undefined {
  const id: unknown = (transient as Content | undefined)?.["display_id"];
  return typeof id === "string" ? id : undefined;
}

function outputOf(type: string, content: Content): Output | undefined {
  switch (type) {
    case "stream":
    case "error":
      return { output_type: type, ...content } as unknown as Output;
    case "display_data":
      return { output_type: type, data: content["data"] as Data, metadata: {} };
    case "execute_result":
      return {
        output_type: type,
        data: content["data"] as Data,
        metadata: {},
        execution_count: Number(content["execution_count"]),
      };
    default:
      return undefined;
  }
}
