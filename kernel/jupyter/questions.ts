/** Questions to whoever sits before the notebook: input_request out, input_reply back, one after the other. */
import type { Message, Outgoing } from "./wire";

interface Question {
  readonly to: Message;
  readonly prompt: string;
  readonly password: boolean;
  readonly resolve: (answer: string) => void;
}

export class Questions {
  readonly #send: (to: Message, message: Outgoing) => void;
  #waiting: Question[] = [];

  constructor(send: (to: Message, message: Outgoing) => void) {
    this.#send = send;
  }

  /** Asks the client that sent `to`. */
  ask(to: Message, prompt: string, password: boolean): Promise<string> {
    return new Promise((resolve) => {
      this.#waiting.push({ to, prompt, password, resolve });
      if (this.#waiting.length === 1) this.#next();
    });
  }

  /** An input_reply: it names no question, so it is the answer to the one that its client is being asked. */
  answer({ identities, content }: Message): void {
    const question = this.#waiting[0];
    if (question === undefined || !isSameClient(question.to.identities, identities)) return;
    this.#waiting.shift();
    question.resolve(typeof content["value"] === "string" ? content["value"] : "");
    this.#next();
  }

  /** Nobody waits for the answers to these any more. */
  forget(asked: Message): void {
    this.#waiting = this.#waiting.filter(({ to }) => to !== asked);
  }

  #next(): void {
    const question = this.#waiting[0];
    if (question === undefined) return;
    const { to, prompt, password } = question;
    this.#send(to, { type: "input_request", parent: to.header, content: { prompt, password } });
  }
}

function isSameClient(one: readonly Buffer[], other: readonly Buffer[]): boolean {
  return Buffer.concat(one).equals(Buffer.concat(other));
}
