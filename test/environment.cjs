// Jest gives a test file its own realm; arrays and errors made by native code belong to the outer one and would fail
// instanceof. Sharing these constructors mends that.
const { TestEnvironment } = require("jest-environment-node");

module.exports = class extends TestEnvironment {
  async setup() {
    await super.setup();
    Object.assign(this.global, {
      Error,
      TypeError,
      RangeError,
      ArrayBuffer,
      Promise,
      Uint8Array,
      Uint16Array,
      Uint32Array,
      Int8Array,
      Int16Array,
      Int32Array,
      Float32Array,
      Float64Array,
      BigInt64Array,
      BigUint64Array,
    });
  }
};
