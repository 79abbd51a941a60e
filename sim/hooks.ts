/**
 * Two modules of the product are replaced while it is simulated, because real cryptography would take most of the time and
 * runs on threads that no scheduler owns: signatures (src/envelope/signature.ts) and tickets (src/sealing). Both stand-ins
 * have the same exports; everything else is the product's own code.
 */
import { registerHooks } from 'node:module';

const standIns = new Map([
  [new URL('../src/envelope/signature.ts', import.meta.url).href, new URL('./signature.ts', import.meta.url).href],
  [new URL('../src/sealing/index.ts', import.meta.url).href, new URL('./sealing.ts', import.meta.url).href],
]);

/** Must run before anything of the product is imported. */
export function replaceModules(): void {
  registerHooks({
    resolve: (specifier, context, next) => {
      const resolved = next(specifier, context);
      const url = standIns.get(resolved.url);
      return url === undefined ? resolved : { ...resolved, url };
    },
  });
}
