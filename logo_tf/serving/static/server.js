// The server, as any client sees it: paths in, text or JSON out, one line for whatever fails.

const PATIENCE = 60_000; // milliseconds for an answer

export class ServerError extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status; // of HTTP; 0 where nobody answered
  }
}

export class Server {
  #token = ""; // in memory alone: neither storage nor cookies

  setToken(token) {
    if (/[^\x21-\x7e]/.test(token)) throw new ServerError("A token is printable ASCII without spaces.");
    this.#token = token;
  }

  async text(path, options = {}) {
    const headers = this.#token ? { Authorization: `Bearer ${this.#token}` } : {};
    let response, body;
    try {
      const signal = AbortSignal.timeout(PATIENCE);
      response = await fetch(path, { ...options, headers, signal, cache: "no-store" });
      body = await response.text();
    } catch (error) {
      const late = error.name === "TimeoutError";
      throw new ServerError(late ? "The server did not answer in time." : "The server cannot be reached.");
    }
    if (!response.ok) throw new ServerError(reason(body, response.status), response.status);
    return body;
  }

  async json(path, options) {
    const body = await this.text(path, options);
    try {
      return read(body);
    } catch {
      throw new ServerError("The server's answer is not JSON.");
    }
  }

  async predict(path, body) {
    return (await this.json(path, { method: "POST", body: JSON.stringify(body) })).outputs;
  }
}

export function pathOf(name, version) {
  return `v1/models/${encodeURIComponent(name)}/versions/${encodeURIComponent(version)}`;
}

// JSON with the numbers it does not have, which the server may answer; they become null.
function read(text) {
  return JSON.parse(text.replace(/"(?:[^"\\]|\\.)*"|-?Infinity|NaN/g, (found) => (found[0] === '"' ? found : "null")));
}

function reason(body, status) {
  try {
    const { error } = read(body);
    if (typeof error === "string" && error) return error.split("\n")[0];
  } catch {
    // Such as the page of a proxy: its status says enough.
  }
  return `The server answered with status ${status}.`;
}
