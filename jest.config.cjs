/** Tests run on TypeScript sources through swc; types are checked apart, by tsc (scripts/test.mjs). */
module.exports = {
  testEnvironment: "<rootDir>/test/environment.cjs",
  testMatch: ["<rootDir>/test/**/*.test.ts"],
  modulePathIgnorePatterns: ["<rootDir>/.venv/", "<rootDir>/build/", "<rootDir>/dist/"],
  transform: {
    "\\.ts$": [
      "@swc/jest",
      { jsc: { target: "es2022", parser: { syntax: "typescript" } }, module: { type: "commonjs" } },
    ],
  },
  testTimeout: 180000, // a busy machine is slow, not wrong
};
