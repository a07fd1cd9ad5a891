import { library } from "../../tsup.base.ts";

const config: ReturnType<typeof library> = library({
  index: "src/index.ts",
  "portable/index": "src/portable/index.ts",
  "node/index": "src/node/index.ts",
  "node/worker-entry": "src/node/worker-main.ts",
});
export default config;
