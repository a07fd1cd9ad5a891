import { project } from "../../vitest.base.ts";

export default project("example-many-keys-few-slots");
