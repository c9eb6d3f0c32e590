/** A notebook and a console on one kernel, as Jupyter's own client library connects them. */
import { join } from "node:path";
import { jupyterEnvironment, python } from "./support/environment";

test("two clients see each other's outputs; replies and questions go to who asked, and only an answer from there counts", async () => {
  const { output } = await python([join(__dirname, "support/two_clients.py")], jupyterEnvironment());
  const outputs = [
    [
      ["input", "let shared = 'of one'; console.log('one')"],
      ["stdout", "one\n"],
    ],
    [
      ["input", "console.log('two'); 2"],
      ["stdout", "two\n"],
      ["result", "2"],
    ],
  ];
  const answer = ["result", "[ 'two', 'of one' ]"];
  expect(JSON.parse(output.trim().split("\n").at(-1) ?? "")).toEqual({
    outputs: [outputs, outputs],
    replies: ["ok", "ok"],
    "replies to others": [0, 0],
    question: "Who? ",
    "questions to others": 0,
    completion: true,
    answer: [answer, answer],
    "answer's reply": "ok",
    interrupt: "ok",
    interrupted: "error",
  });
});
