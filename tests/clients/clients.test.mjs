// The official Node client against the gateway.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import OpenAI from "openai";

const { SEAWALL_URL, SIM_URL } = process.env;
const targets = ["openai", "anthropic", "gemini", "groq"];
const counted = Array.from({ length: 12 }, (_, i) => i + 1).join(" ");
const client = new OpenAI({ baseURL: `${SEAWALL_URL}/v1`, apiKey: "unused", maxRetries: 0 });
const ask = (content) => [{ role: "user", content }];
const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };

const control = (lane, method, body) =>
  fetch(`${SIM_URL}/_sim/lanes/${lane}`, {
    method,
    headers: { "content-type": "application/json" },
    body: body && JSON.stringify(body),
  });

beforeEach(() => Promise.all(targets.map((lane) => control(lane, "DELETE"))));

for (const provider of targets) {
  test(`${provider}: plain`, async () => {
    const answer = await client.chat.completions.create({ model: `${provider}/count-12`, messages: ask("go") });
    assert.equal(answer.choices[0].message.content, counted);
    assert.equal(answer.choices[0].finish_reason, "stop");
  });

  test(`${provider}: stream`, async () => {
    const stream = await client.chat.completions.create({
      model: `${provider}/count-12`,
      messages: ask("go"),
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = "";
    let usage;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta?.content ?? "";
      usage = chunk.usage ?? usage;
    }
    assert.equal(text, counted);
    assert.ok(usage.completion_tokens > 0);
  });

  test(`${provider}: streamed tools`, async () => {
    const runner = client.chat.completions.stream({
      model: `${provider}/demo`,
      messages: ask("Oslo?"),
      tools: [{ type: "function", function: { name: "weather", parameters } }],
    });
    const message = await runner.finalMessage();
    assert.equal(message.tool_calls[0].function.name, "weather");
    assert.ok("city" in JSON.parse(message.tool_calls[0].function.arguments));
  });

  test(`${provider}: JSON schema`, async () => {
    const answer = await client.chat.completions.create({
      model: `${provider}/demo`,
      messages: ask("Where?"),
      response_format: { type: "json_schema", json_schema: { name: "place", schema: parameters } },
    });
    assert.ok("city" in JSON.parse(answer.choices[0].message.content));
  });

  const cut = { faults: [{ kind: "cut_after", events: 6, times: 1 }] };
  const far = { model: `${provider}/count-40`, messages: ask("go"), stream: true };

  test(`${provider}: a cut stream goes on`, async () => {
    await control(provider, "POST", cut);
    let text = "";
    for await (const chunk of await client.chat.completions.create(far)) {
      text += chunk.choices[0]?.delta.content ?? "";
    }
    assert.equal(text, Array.from({ length: 40 }, (_, n) => n + 1).join(" "));
  });

  test(`${provider}: a cut stream throws where the client is strict`, async () => {
    await control(provider, "POST", cut);
    const stream = await client.chat.completions.create({ ...far, model: `${provider}/count-39` }, { headers: { "x-seawall-strict": "true" } });
    await assert.rejects(async () => {
      for await (const chunk of stream) void chunk;
    });
  });
}

for (const provider of ["openai", "gemini"]) {
  test(`${provider}: embeddings, which this client asks for as base64`, async () => {
    const answer = await client.embeddings.create({ model: `${provider}/embed`, input: ["one", "two"] });
    assert.equal(answer.data.length, 2);
    assert.ok(answer.data[0].embedding.length > 1);
    assert.ok(answer.data[0].embedding.every(Number.isFinite));
  });
}

test("errors keep their type", async () => {
  await assert.rejects(client.chat.completions.create({ model: "chatt", messages: ask("hello") }), OpenAI.NotFoundError);
  await assert.rejects(client.chat.completions.create({ model: "chat", messages: "no" }), OpenAI.BadRequestError);
});
