/**
 * Declarations of what Node 20 has and TypeScript 5.0's libraries do not know yet (ECMAScript 2023, change array by copy;
 * import attributes), and of what cells have beside. The compiler sees them as one more library file.
 */
import { literalDeclaration } from "./large-literals";

const typedArrays = [
  "Int8Array",
  "Uint8Array",
  "Uint8ClampedArray",
  "Int16Array",
  "Uint16Array",
  "Int32Array",
  "Uint32Array",
  "Float32Array",
  "Float64Array",
];

const arrayCopies = `
  toReversed(): T[];
  toSorted(compare?: (a: T, b: T) => number): T[];
  toSpliced(start: number, deleteCount?: number, ...items: T[]): T[];
  with(index: number, value: T): T[];`;

export const libAdditions: string = `
interface Array<T> {${arrayCopies}
}
interface ReadonlyArray<T> {${arrayCopies}
}
${typedArrays
  .map(
    (name) => `interface ${name} {
  toReversed(): ${name};
  toSorted(compare?: (a: number, b: number) => number): ${name};
  with(index: number, value: number): ${name};
}`,
  )
  .join("\n")}
${literalDeclaration}
/** Asks for a line of text under the running cell. With \`password\` what is typed is not shown. */
declare function input(question?: string, options?: { readonly password?: boolean }): Promise<string>;
interface ImportCallOptions {
  with?: ImportAssertions;
}
`;
