import { library } from "../../tsup.base.ts";

export default library({ index: "src/index.ts", "portable/index": "src/portable/index.ts", "node/index": "src/node/index.ts" });
