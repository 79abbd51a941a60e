/** How far behind a group was at each site over the last hour: the samples of this control replica, asked for anew as they come. */
/** @import { LagSeries } from '../src/console/history.ts' */
import uPlot from '/vendor/uplot.js';
import { getJson } from './session.js';
import { clock, count } from './text.js';

const everyMs = 5_000;
const height = 190;
const colours = 6;

/** @type {{ place: Element, chart: uPlot | undefined, sites: string, theme: string, timer: number } | undefined} */
let shown;

/** Draws into the element that wants a chart, if there is one. Called after each update of the page. */
export function keepChart() {
  const place = document.querySelector('.chart');
  if (shown?.place === place) return;
  stopChart();
  if (place === null) return;
  const next = {
    place,
    chart: undefined,
    sites: '',
    theme: '',
    timer: window.setInterval(() => refresh(place), everyMs),
  };
  shown = next;
  void refresh(place);
}

export function stopChart() {
  clearInterval(shown?.timer);
  shown?.chart?.destroy();
  shown = undefined;
}

/** @param {Element} place */
async function refresh(place) {
  const group = place.getAttribute('data-group') ?? '';
  /** @type {LagSeries | undefined} */
  const series = await getJson(`/api/lag?${new URLSearchParams({ group })}`).catch(() => undefined);
  if (series === undefined || shown?.place !== place) return;
  const sites = Object.keys(series.sites).sort();
  /** @type {uPlot.AlignedData} */
  const data = [series.times.map((ms) => ms / 1_000), ...sites.map((site) => series.sites[site] ?? [])];
  const key = JSON.stringify(sites);
  const theme =
    getComputedStyle(document.documentElement).colorScheme + matchMedia('(prefers-color-scheme: dark)').matches;
  if (shown.chart !== undefined && shown.sites === key && shown.theme === theme) return shown.chart.setData(data);
  shown.chart?.destroy();
  shown.chart = new uPlot(options(place, sites), data, /** @type {HTMLElement} */ (place));
  shown.sites = key;
  shown.theme = theme;
}

/** @param {Element} place @param {readonly string[]} sites @returns {uPlot.Options} */
function options(place, sites) {
  const colour = /** @param {string} name */ (name) => resolved(place, name);
  const axis = {
    stroke: colour('--quiet'),
    grid: { stroke: colour('--line'), width: 1 },
    ticks: { stroke: colour('--line'), width: 1 },
  };
  return {
    width: Math.max(240, place.clientWidth),
    height,
    scales: { y: { range: (_, __, max) => [0, Math.max(10, max * 1.1)] } },
    axes: [
      { ...axis, values: (_, times) => times.map((seconds) => clock(seconds * 1_000)), space: 70 },
      { ...axis, size: 64, values: (_, values) => values.map((value) => count(value)) },
    ],
    series: [
      { label: 'at', value: (_, seconds) => (seconds === null ? '-' : clock(seconds * 1_000)) },
      ...sites.map((site, i) => ({
        label: site,
        stroke: colour(`--series-${(i % colours) + 1}`),
        width: 2,
        spanGaps: false,
        points: { show: false },
        value: /** @param {uPlot} _ @param {number | null} value */ (_, value) => (value === null ? '-' : count(value)),
      })),
    ],
  };
}

/** The colour as the canvas takes it. @param {Element} place @param {string} name */
function resolved(place, name) {
  const probe = document.createElement('span');
  probe.className = `probe ${name.slice(2)}`;
  place.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

addEventListener('resize', () => {
  if (shown?.chart !== undefined) shown.chart.setSize({ width: Math.max(240, shown.place.clientWidth), height });
});
