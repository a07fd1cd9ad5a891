// Only for runs from source, where worker-main is TypeScript; the build puts worker-main itself in this place.
import { register } from "tsx/esm/api";

register();
await import("./worker-main.ts");
