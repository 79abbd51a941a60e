/** Requests to the control plane. An error carries the code and the sentence that it answered with. */

export class Refused extends Error {
  /** @param {number} status @param {string} code @param {string} message */
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** @param {string} path @returns {Promise<any>} */
export async function getJson(path) {
  return answerOf(await fetch(path));
}

/** @param {string} path @param {unknown} [body] @returns {Promise<any>} */
export async function postJson(path, body = {}) {
  return answerOf(
    await fetch(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  );
}

/** @param {Response} response */
async function answerOf(response) {
  const body = await response.json().catch(() => ({}));
  if (response.ok) return body;
  throw new Refused(
    response.status,
    body.code ?? 'E_CONTROL_AWAY',
    body.message ?? `the control plane answered ${response.status}`,
  );
}
