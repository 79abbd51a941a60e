/** docker-compose.yml as far as the tests use it, with its merge keys resolved. */
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { z } from 'zod';

const service = z.object({
  image: z.string(),
  command: z.array(z.string()).optional(),
  environment: z.record(z.string(), z.string()).default({}),
  volumes: z.array(z.string()).default([]),
  ports: z.array(z.string()).default([]),
  depends_on: z.record(z.string(), z.object({ condition: z.string() })).default({}),
});
export type ComposeService = z.output<typeof service>;

const compose = z.object({
  services: z.record(z.string(), service),
  volumes: z.record(z.string(), z.null()),
});

export function composeFile(): z.output<typeof compose> {
  const text = readFileSync(new URL('../../docker-compose.yml', import.meta.url), 'utf8');
  return compose.parse(parse(text, { merge: true }));
}
