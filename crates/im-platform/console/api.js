// The platform's interface: reads, login and logout, and the news that something has changed.

/** What went wrong, and what to do about it. */
export class Problem extends Error {
  constructor(status, title, advice) {
    super(title);
    this.status = status;
    this.advice = advice;
  }
}

const ADVICE = {
  0: ['The platform does not answer', 'It may be restarting. This page tries again by itself; if that lasts, look at the platform’s log.'],
  401: ['You are not logged in', 'Log in again.'],
  403: ['This login may not see this', 'Log in with a token of scope operator. For message text the credential must not say message_text = false.'],
  404: ['There is no such thing', 'It may have been removed. Go back to the list.'],
  429: ['Too many requests', 'Wait a minute, then try again.'],
  503: ['The platform cannot answer now', 'It is stopping, or its store cannot be used. Look at the platform’s log.'],
  507: ['The store is full', 'Make room on its disk, or raise store.max_megabytes.'],
};

async function call(path, options) {
  let response;
  try {
    response = await fetch(path, { credentials: 'same-origin', ...options });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Problem(0, ...ADVICE[0]);
  }
  if (response.status === 204) return null;
  const body = await response.json().catch(() => null);
  if (response.ok) return body;
  const [title, advice] = ADVICE[response.status] ?? [body?.title ?? `The platform answered ${response.status}`, body?.detail ?? 'Look at the platform’s log.'];
  throw new Problem(response.status, title, advice);
}

/** Reads `/v1/console/<path>` with those query parameters that are set. */
export function read(path, query = {}, options = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== '');
  const search = given.length ? `?${new URLSearchParams(given)}` : '';
  return call(`/v1/console/${path}${search}`, options);
}

/** A path made of encoded parts. */
export const path = (...parts) => parts.map(encodeURIComponent).join('/');

/** Who is logged in; null: nobody. */
export const whoAmI = async () => (await call('/v1/console/session')).login ?? null;

/** Logs in with a token or a ticket. */
export async function logIn(token) {
  try {
    const headers = { 'content-type': 'application/json' };
    return (await call('/v1/console/session', { method: 'POST', headers, body: JSON.stringify({ token }) })).login;
  } catch (problem) {
    if (problem.status === 401) throw new Problem(401, 'This token is not valid', 'Check that all of it was copied. A link from “im-platform console” works once and for ten minutes: make a new one.');
    if (problem.status === 403) throw new Problem(403, 'This token is not for people', 'It belongs to a bridge or a program. Use one of scope operator or read-only.');
    if (problem.status === 429) throw new Problem(429, 'Too many wrong tokens came from this address', 'Wait a minute, then try again.');
    throw problem;
  }
}

/** Ends the session. */
export const logOut = () => call('/v1/console/session', { method: 'DELETE' });

const pause = (ms, signal) => new Promise((resolve) => {
  const timer = setTimeout(resolve, ms);
  signal.addEventListener('abort', () => { clearTimeout(timer); resolve(); }, { once: true });
});

/** Calls `changed` whenever something has changed at the platform, at most once a second, until `signal` says stop. `status` hears how it goes. */
export async function follow(signal, changed, status) {
  let version;
  let tries = 0;
  while (!signal.aborted) {
    try {
      const wait = version === undefined ? 0 : 25000;
      const news = await read('changes', { after: version, wait }, { signal });
      const first = version === undefined;
      if (news.version !== version) {
        version = news.version;
        // Also after a pause: what changed meanwhile is seen.
        if (!first || tries > 0) await changed();
      }
      tries = 0;
      status('live');
      if (!first) await pause(1000, signal);
    } catch (problem) {
      if (signal.aborted) return;
      if (problem.status === 401) {
        status('over');
        return;
      }
      tries += 1;
      version = undefined;
      status('broken');
      await pause(Math.min(1000 * 2 ** tries, 15000), signal);
    }
  }
}
