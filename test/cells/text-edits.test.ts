import fc from "fast-check";
import { applyEdits, columnBefore, lineEdits, type Edit } from "../../kernel/cells/text-edits";

/** A text of letters and line breaks with edits that do not overlap and stay inside their lines. */
const editedText = fc
  .tuple(
    fc.array(fc.stringMatching(/^[a-z]{0,12}$/), { minLength: 1, maxLength: 5 }),
    fc.array(fc.tuple(fc.nat(60), fc.nat(3), fc.stringMatching(/^[A-Z]{0,5}$/)), { maxLength: 6 }),
  )
  .map(([lines, drafts]) => {
    const source = lines.join("\n");
    const edits: Edit[] = [];
    let free = 0;
    for (const [at, length, text] of [...drafts].sort(([a], [b]) => a - b)) {
      const offset = Math.max(free, at);
      const lineEnd = source.indexOf("\n", offset);
      const removed = Math.min(length, (lineEnd === -1 ? source.length : lineEnd) - offset);
      if (offset > source.length || removed < 0) continue;
      edits.push({ offset, removed, text });
      free = offset + removed + 1;
    }
    return { source, edits };
  });

test("every character that an edit leaves alone is found again at its old place", () => {
  fc.assert(
    fc.property(editedText, ({ source, edits }) => {
      const before = source.split("\n");
      const after = applyEdits(source, edits).split("\n");
      const byLine = lineEdits(source, edits);
      expect(after).toHaveLength(before.length);
      after.forEach((text, line) => {
        for (let column = 0; column < text.length; column++) {
          if (/[A-Z]/.test(text.charAt(column))) continue; // inserted
          expect(before[line]?.charAt(columnBefore(byLine, line, column))).toBe(text.charAt(column));
        }
      });
    }),
  );
});

test("an inserted piece belongs to the place where it was inserted", () => {
  const source = "let x = 1;";
  const edits = [{ offset: 0, removed: 0, text: "export " }];
  expect(applyEdits(source, edits)).toBe("export let x = 1;");
  expect(columnBefore(lineEdits(source, edits), 0, 3)).toBe(0);
  expect(columnBefore(lineEdits(source, edits), 0, 11)).toBe(4);
});
