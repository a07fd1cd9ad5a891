import { library } from "../../tsup.base.ts";

export default library({ index: "src/index.ts", controller: "src/controller/index.ts", driver: "src/driver/index.ts" });
