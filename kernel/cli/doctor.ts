/** `stateline doctor`: what this machine can do, and what to do about what is missing. */

import { Command } from "commander";

import { api } from "./lazy";
import { withJson, type OutputFlags } from "./options";
import { printJson, printLine } from "./output";

export function doctorCommand(): Command {
  const command = new Command("doctor").description("what this machine can do, and what is missing");
  return withJson(command).action(async ({ json }: OutputFlags) => {
    const { doctor, plainText } = api();
    const health = await doctor();
    if (json) printJson(health);
    else printLine(plainText(health));
  });
}
