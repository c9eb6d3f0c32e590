/** What an error of types does to a cell; one of syntax always refuses it. */
import type { ErrorReport } from "./compiled-cell";
import { red } from "./excerpt";

const choices = ["error", "warn", "off"] as const;

/** "error" refuses the cell, "warn" shows the error and runs it, "off" runs it. */
export type TypeErrors = (typeof choices)[number];

const VARIABLE = "STATELINE_TYPE_ERRORS";

/** The choice in the environment, "error" unless given; a wrong one is what every cell is refused with. */
export function chosenTypeErrors(environment: NodeJS.ProcessEnv): TypeErrors | ErrorReport {
  const given = environment[VARIABLE] || "error";
  const chosen = choices.find((choice) => choice === given);
  if (chosen !== undefined) return chosen;
  const evalue = `${VARIABLE} must be error, warn or off, got ${JSON.stringify(given)}; the kernel's environment sets it`;
  return { ename: "E_OPTION", evalue, traceback: [`${red("E_OPTION")}: ${evalue}`] };
}

/** Whether a cell says of itself, as a file may, that its types are not to be checked. */
export function optsOut(source: string): boolean {
  return /^(?:\s*\/\/.*\n)*\s*\/\/+\s*@ts-nocheck\b/.test(source);
}
