/** `mbus site create`: declares a site; it exists once somebody joins it with a token. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { durabilities, type SiteSpec } from '../../src/config/bus-file.ts';
import { addSite } from '../../src/config/edit.ts';
import { type ControlOptions, controlVerb, editBus } from '../control-verb.ts';
import { hostPort, proxyUrl, wholeNumber } from '../options.ts';

interface TlsOptions {
  tlsName?: string[];
  tlsCert?: string;
  tlsKey?: string;
  tlsCa?: string;
}

interface CreateOptions
  extends ControlOptions,
    TlsOptions,
    Partial<
      Pick<
        SiteSpec,
        'address' | 'websocket' | 'proxy' | 'maxPayload' | 'durability' | 'transit' | 'sidecars' | 'servers'
      >
    > {
  mode: SiteSpec['mode'];
}

export function addCreate(site: Command): void {
  controlVerb(site, 'create <name>', 'declare a site; join it with a token afterwards', [
    'mbus site create tokyo --mode server --address tokyo.example.net:7422',
    'mbus site create virginia --mode client',
  ])
    .addOption(
      new Option('--mode <mode>', 'server: takes links; client: only dials out')
        .choices(['server', 'client'])
        .makeOptionMandatory(),
    )
    .option('--address <host:port>', 'server mode: the leaf address as other sites dial it', hostPort)
    .option('--websocket <host:port>', 'server mode: where others may dial it over WebSocket', hostPort)
    .option('--proxy <url>', 'HTTP proxy that everything this site dials goes through', proxyUrl)
    .option('--max-payload <bytes>', 'largest application message (default: 1 MiB)', wholeNumber(1))
    .addOption(
      new Option(
        '--durability <class>',
        'process: survives kill -9; power: fsync first; auto: power in server mode',
      ).choices(durabilities),
    )
    .option(
      '--sidecars <count>',
      "processes that share its sidecar's work: one active, the others stand by",
      wholeNumber(1),
    )
    .option('--tls-name <host...>', 'applications connect over TLS, by these hosts: with a certificate of the bus')
    .option('--tls-cert <file>', "the same with your own certificate: its path on the site's machine")
    .option('--tls-key <file>', 'and its private key')
    .option('--tls-ca <file>', 'and the CA that applications must trust, where they do not know it')
    .option('--servers <1|3>', 'nats-servers that keep what it stores', serverCount)
    .option('--transit', 'client mode: carry envelopes of others between its links')
    .action(create);
}

async function create(name: string, options: CreateOptions): Promise<void> {
  const { dir, json, tlsName, tlsCert, tlsKey, tlsCa, ...fields } = options;
  const tls = {
    ...(tlsName !== undefined && { names: tlsName }),
    ...(tlsCert !== undefined && { cert: tlsCert }),
    ...(tlsKey !== undefined && { key: tlsKey }),
    ...(tlsCa !== undefined && { ca: tlsCa }),
  };
  await editBus({ dir, json }, (bus) => addSite(bus, { name, ...fields, ...(Object.keys(tls).length > 0 && { tls }) }));
}

function serverCount(text: string): SiteSpec['servers'] {
  if (text === '1' || text === '3') return text === '1' ? 1 : 3;
  throw new InvalidArgumentError('Use 1 or 3.');
}
