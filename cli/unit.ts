/**
 * systemd units of the daemons. A stopped sidecar leaves nats-server running, so that the LAN goes on: systemd must not stop
 * the whole control group. What a unit needs beside its arguments comes from an environment file, which holds no secrets
 * that the daemon could read from a file of its own.
 */
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { writeFileAtomic } from '../src/trust/index.ts';
import { hostPort, type JsonOption, jsonOption } from './options.ts';
import { printResult } from './output.ts';

export interface UnitOptions extends JsonOption {
  unitDir: string;
  user: string;
  monitor?: string;
}

interface Unit {
  /** without `.service` */
  name: string;
  description: string;
  /** words after mbus */
  command: string[];
  /** the directory it may write */
  dir: string;
  user: string;
}

export function withUnitOptions(verb: Command): Command {
  return verb
    .option('--unit-dir <dir>', 'where the unit goes', '/etc/systemd/system')
    .option('--user <name>', 'who runs it; the directory is his', 'mbus')
    .option('--monitor <host:port>', 'where /metrics, /healthz and /readyz answer', hostPort)
    .addOption(jsonOption());
}

/** Writes the unit and says what to do with it. */
export async function installUnit(unit: Unit, { unitDir, json }: UnitOptions): Promise<void> {
  const file = resolve(unitDir, `${unit.name}.service`);
  await writeFileAtomic(file, unitText(unit), 0o644);
  const start = `systemctl daemon-reload && systemctl enable --now ${unit.name}`;
  printResult(json, { unit: file, start }, () => `${file}\nstart it: ${start}`);
}

function unitText({ name, description, command, dir, user }: Unit): string {
  const entry = fileURLToPath(
    new URL(import.meta.url.includes('/dist/') ? '../../cli/mbus.js' : 'mbus.js', import.meta.url),
  );
  const words = [process.execPath, entry, ...command].map(quoted).join(' ');
  return `[Unit]
Description=${description.replaceAll('%', '%%')}
Wants=network-online.target
After=network-online.target

[Service]
ExecStart=${words}
User=${user}
EnvironmentFile=-/etc/mbus/${name}.env
Restart=always
RestartSec=2
# nats-server goes on when the daemon stops
KillMode=process
TimeoutStopSec=30
LimitNOFILE=65536
NoNewPrivileges=true
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=false
ReadWritePaths=${quoted(resolve(dir))}
UMask=0077

[Install]
WantedBy=multi-user.target
`;
}

/** As systemd reads a word: quoted, its own signs doubled (systemd.syntax(7), systemd.unit(5)). */
function quoted(word: string): string {
  const text = word.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('%', '%%').replaceAll('$', '$$$$');
  return /^[A-Za-z0-9_./:@-]+$/.test(word) ? word : `"${text}"`;
}
