import { project } from "../../vitest.base.ts";

export default project("example-integrity-and-crypto");
