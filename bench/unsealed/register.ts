/**
 * For the price of sealing alone: a process started with `--import` of this file neither encrypts nor signs what it sends.
 * The product has no such switch; here the loader gives three of its files another node:crypto.
 */
import { registerHooks } from 'node:module';

const replaced = ['/src/sealing/seal.ts', '/src/sealing/open.ts', '/src/envelope/signature.ts'];
const substitute = new URL('./crypto.ts', import.meta.url).href;

registerHooks({
  resolve: (specifier, context, next) => {
    const isReplaced = replaced.some((path) => context.parentURL?.endsWith(path));
    return next(isReplaced && specifier === 'node:crypto' ? substitute : specifier, context);
  },
});
