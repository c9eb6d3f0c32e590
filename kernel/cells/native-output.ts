/** Sees to it that what C code prints is not held back in the process. */
import { addon } from "../api/addon";
import { DeviceError } from "../api/errors";

/** Without the engine's addon cells still run; C code's output is late then. */
export function unbufferNativeOutput(): void {
  try {
    addon().unbufferStdout();
  } catch (error) {
    if (!(error instanceof DeviceError)) throw error; // loadModel says what is wrong with the addon, when it is needed
  }
}
