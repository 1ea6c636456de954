// The proxy's server-sent events, read by fetch: an EventSource can show no key.

const RETRY_MS = [500, 1000, 2000, 4000];
const SILENT_MS = 15000;
const KEY = "imaxproxy-key";

export const takeKey = (key) => sessionStorage.setItem(KEY, key);

// A key in the address's fragment never leaves the browser; it does not stay in its history either.
export const keyFromAddress = () => {
  const found = new URLSearchParams(location.hash.slice(1)).get("key");
  if (found) {
    takeKey(found);
    history.replaceState(null, "", location.pathname + location.search);
  }
};

export const follow = async (onSnapshot, onState) => {
  let tries = 0;
  for (;;) {
    const stop = new AbortController();
    let timer = setTimeout(() => stop.abort(), SILENT_MS);
    try {
      const key = sessionStorage.getItem(KEY);
      const response = await fetch("live", {
        headers: { Accept: "text/event-stream", ...(key ? { Authorization: `Bearer ${key}` } : {}) },
        cache: "no-store",
        signal: stop.signal,
      });
      if (response.status === 401) {
        clearTimeout(timer);
        sessionStorage.removeItem(KEY);
        await onState("key", key ? "that key is not known here" : "");
        continue;
      }
      if (!response.ok) throw new Error(await complaint(response));
      for await (const text of events(response)) {
        clearTimeout(timer);
        timer = setTimeout(() => stop.abort(), SILENT_MS);
        onSnapshot(JSON.parse(text));
        tries = 0;
      }
      throw new Error("the proxy ended the feed");
    } catch (error) {
      clearTimeout(timer);
      onState("lost", reason(error));
      await new Promise((done) => setTimeout(done, RETRY_MS[Math.min(tries++, RETRY_MS.length - 1)]));
    }
  }
};

const reason = (error) => {
  if (error.name === "AbortError") return `no news for ${SILENT_MS / 1000} s`;
  return error instanceof TypeError ? "no answer from the proxy" : error.message;
};

const complaint = async (response) => {
  const body = await response.json().catch(() => ({}));
  return body.detail ?? `the proxy answers ${response.status}`;
};

async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let left = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (left + value).split("\n\n");
    left = parts.pop();
    for (const part of parts) {
      const data = part.split("\n").filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trim());
      if (data.length) yield data.join("\n");
    }
  }
}
