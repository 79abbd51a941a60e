/** The customers a list verb shows: all, or the one that was named. */
import type { BusFile, CustomerSpec } from '../src/config/bus-file.ts';
import { printable } from '../src/config/names.ts';
import { BusError } from '../src/errors.ts';

export function ofCustomer(bus: BusFile, name: string | undefined): CustomerSpec[] {
  if (name === undefined) return bus.customers;
  const customer = bus.customers.find((c) => c.name === name);
  if (!customer) throw new BusError('E_UNKNOWN_NOUN', `there is no customer ${printable(name)}`);
  return [customer];
}
