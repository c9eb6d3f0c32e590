"""Types into `jupyter console` on a terminal as a user does, and prints what came of it; console.test.ts runs it."""

import sys

import pexpect

PATIENCE = 120  # a busy machine is slow, not wrong

console = pexpect.spawn(
    sys.executable,
    ["-m", "jupyter_console", "--kernel=stateline", "--simple-prompt"],
    encoding="utf8",
    timeout=PATIENCE,
    dimensions=(40, 120),
)


def prompt(number):
    console.expect_exact(f"In [{number}]: ")


prompt(1)
console.sendline("const x: number = 6;")
prompt(2)
console.sendline("x * 7")
console.expect_exact("Out[2]: 42")
prompt(3)
console.sendline("console.log(`printed ${x}`)")
console.expect_exact("printed 6")
prompt(4)
console.sendline("await input('Name? ')")
console.expect("Name\\? ?(?!')")
console.sendline("Ada")
console.expect_exact("Out[4]: 'Ada'")
prompt(5)
console.sendline("let wrong: number = 'text';")
console.expect_exact("TypeScriptError")
prompt(6)
console.sendline("console.log('be' + 'gun'); for (;;) {}")
console.expect_exact("begun")
console.sendintr()
console.expect_exact("the cell was interrupted")
prompt(7)
console.sendline("x")
console.expect_exact("Out[7]: 6")
prompt(8)
console.sendline("import * as stateline from 'stateline'; const model = await stateline.loadModel('models/tiny-mamba');")
prompt(9)
console.sendline("(await model.generate('It was', { maxNewTokens: 4000 })).tokens.length")
# One line, drawn over: the first state, later ones and the last.
console.expect(r"\rgenerating with \S+ \S+ +(\d+) %")
first = int(console.match.group(1))
console.expect(r"[^\n]*\rgenerating with \S+ \u2588{30} 100 %\r*\n")
assert first < 100, first
console.expect_exact("Out[9]: 4000")
prompt(10)
console.sendeof()
console.expect(["exit", pexpect.EOF])
if console.isalive():
    console.sendline("y")
    console.expect(pexpect.EOF)
console.close()
print("walked")
