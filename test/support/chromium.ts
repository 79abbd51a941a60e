/** A real browser where the machine has one, and what it complained about. */
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';

const names = ['chromium', 'chromium-browser', 'google-chrome'];

/** Path of a Chromium: CHROMIUM, or the first on the PATH. */
export function findChromium(): string | undefined {
  const { CHROMIUM, PATH = '' } = process.env;
  const places = PATH.split(delimiter).flatMap((dir) => names.map((name) => join(dir, name)));
  return CHROMIUM ?? places.find((path) => existsSync(path));
}

export function startChromium(executablePath: string): Promise<Browser> {
  // as root, and where /dev/shm is small, it does not start without these
  return chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
}

export interface OpenPage {
  page: Page;
  /** errors and warnings of its console, and what it threw */
  complaints: string[];
}

export async function openPage(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<OpenPage> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  // a page that is slow because the machine is busy is no failure of the page; tests say what has to be quick
  context.setDefaultTimeout(90_000);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  await page.goto(url);
  return { page, complaints };
}
