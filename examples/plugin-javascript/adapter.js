// A provider adapter in JavaScript: any server that speaks OpenAI's chat dialect under /chat/completions.
// It uses nothing but the language; QuickJS, which it runs in, has neither fetch nor TextEncoder, and needs neither.

const statusClasses = new Map([
  [400, "bad-request"],
  [401, "auth"],
  [403, "auth"],
  [404, "model-not-found"],
  [408, "timeout"],
  [413, "context-length"],
  [422, "bad-request"],
  [429, "rate-limited"],
  [503, "overloaded"],
  [504, "timeout"],
  [529, "overloaded"],
]);

/** Bytes to text. JSON on the wire is UTF-8; escape() and decodeURIComponent() are what every engine has for it. */
function utf8(bytes) {
  let text = "";
  for (const byte of bytes) text += "%" + byte.toString(16).padStart(2, "0");
  return decodeURIComponent(text);
}

function errorOf(data) {
  try {
    const body = JSON.parse(utf8(data));
    return body.error ?? body;
  } catch {
    return {};
  }
}

function text(value) {
  return value === undefined || value === null ? undefined : String(value);
}

class StreamDecoder {
  feed() {
    return [];
  }
  finish() {
    return [];
  }
}

export const provider = {
  StreamDecoder,

  describe() {
    return {
      manifest: {
        name: "javascript-example",
        version: "0.1.0",
        description: "Chat-compatible servers, written in JavaScript",
        configSchema: undefined,
      },
      credentialEnv: [],
      telemetryName: "javascript-example",
      clientHeaders: [],
    };
  },

  configure() {
    return { defaultBaseUrl: undefined, auth: { tag: "bearer" }, accepts: ["chat"] };
  },

  model() {
    return {
      streams: true,
      tools: true,
      vision: true,
      jsonSchema: true,
      choices: true,
      continuesAssistantPrefix: false,
      contextWindow: undefined,
      inputPricePer1m: undefined,
      outputPricePer1m: undefined,
    };
  },

  buildRequest(_body, target) {
    const patch = { model: target.model };
    if (target.streaming) patch.stream_options = { include_usage: true };
    return {
      method: "POST",
      pathAndQuery: "/chat/completions",
      headers: [],
      body: { tag: "merge-patch", val: JSON.stringify(patch) },
      reply: { tag: "same" },
    };
  },

  parseResponse() {
    throw { class: "malformed", scope: "model", message: "this adapter only relays" };
  },

  classify(_target, failure) {
    const error = errorOf(failure.data);
    const byStatus = statusClasses.get(failure.status) ?? "server-error";
    const quota = error.code === "insufficient_quota" || error.type === "insufficient_quota";
    const tooLong = error.code === "context_length_exceeded";
    const hint = failure.headers.find((header) => header.name.toLowerCase() === "retry-after");
    const seconds = Number.parseFloat(hint?.value);
    return {
      class: quota ? "quota-exhausted" : tooLong ? "context-length" : byStatus,
      scope: quota || byStatus === "auth" ? "credential" : "model",
      message: text(error.message) ?? `status ${failure.status}`,
      retryAfterMs: Number.isFinite(seconds) ? BigInt(Math.round(seconds * 1000)) : undefined,
      code: text(error.code),
      param: text(error.param),
    };
  },
};
