/** How an operator gets into the console, and puts everybody out. Part of the table in methods.ts. */
import { z } from 'zod';

export const consoleMethods = {
  /** a login code that works once; E_CONSOLE_OFF when no replica serves a console */
  'console.code': {
    caller: 'admin',
    request: z.strictObject({}),
    response: z.strictObject({ code: z.string(), urls: z.array(z.string()), expiresInMs: z.number().int() }),
  },
  /** ends every session */
  'console.close': {
    caller: 'admin',
    request: z.strictObject({}),
    response: z.strictObject({ sessions: z.number().int() }),
  },
} as const;
