//! Simulated LLM providers in their real wire formats, which misbehave on demand.
//!
//! For everybody who writes a client, a gateway or a retry policy and wants to see what it does when a provider is slow,
//! breaks off in the middle of a sentence, or answers 200 with an error in it. No account, no network, no cost, and the
//! same answer every time.
//!
//! # Start
//!
//! From the command line: `seawall sim`. In a test:
//!
//! ```
//! use seawall_sim::{Dialect, Fault, Sim, SimOptions};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let sim = Sim::start(SimOptions::default())?;
//! let base_url = sim.base_url("a", Dialect::OpenAi); // http://127.0.0.1:PORT/a/v1
//! sim.lane("a").arm(Fault::status(429).retry_after(2.0).times(1));
//! // ... let the client under test ask `base_url` ...
//! for entry in sim.lane("a").log() {
//!     println!("{} {:?} {:?} {:?}", entry.number, entry.status, entry.fault, entry.outcome);
//! }
//! sim.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! # Lanes
//!
//! A lane is one provider account: its faults, its settings, its request log. It is created by the first request to it
//! (at most [`MOST_LANES`]) and speaks every dialect at once; the path says which.
//!
//! | Dialect | Base URL | Endpoints |
//! |---|---|---|
//! | OpenAI | `/{lane}/v1` | `chat/completions`, `embeddings`, `models` |
//! | Anthropic | `/{lane}/v1` | `messages`, `messages/count_tokens`, `models` |
//! | Gemini | `/{lane}/v1beta` | `models/{m}:generateContent`, `:streamGenerateContent` (with `alt=sse` events, without one JSON array), `:countTokens`, `:embedContent`, `:batchEmbedContents`, `models` |
//! | Groq | `/{lane}/openai/v1` | `chat/completions`, `models` |
//!
//! A path without a lane (`/v1/...`, `/v1beta/...`) means the lane `default`. Anthropic's official clients add `/v1`
//! themselves: give them `http://HOST/{lane}`.
//!
//! Settings of a lane ([`Settings`]): `key` (the credential that is required; another one is answered as the provider
//! does), `prefill` (what happens when the conversation ends with the beginning of an answer: `accepts`, `refuses`,
//! `diverges`, `repeats`, `ignores`; see [`Prefill`]), `first_token_ms` and `pace_ms` (how fast it speaks).
//!
//! # Answers
//!
//! They depend on the request alone, so two lanes say the same.
//!
//! | Request | Answer |
//! |---|---|
//! | model `count-N`, or "count to N" in the last user text | `1 2 3 ... N`, one token each (N up to 10,000) |
//! | model `prose-N` | the first N words of a fixed text in which words repeat |
//! | tools, and the last message is no tool result | a call of the tool that the text names, else of the first; two calls if the text says "both", "two tools" or "parallel"; arguments made from the schema |
//! | a JSON schema for the answer | a small instance of it |
//! | a tool's result | `The tool said: ...` |
//! | the beginning of an answer | its continuation, as the lane's `prefill` says |
//! | model `bench-N` | N bytes, in a stream 100 events; rendered once and kept |
//! | model `bench-burst`, `bench-paced` | 100 events at once, or 10 ms apart |
//! | model `missing...` | the provider's "no such model" |
//! | anything else | `You said: ...` |
//!
//! Stop sequences, token limits, several alternatives, reasoning and usage follow each provider's rules. Every streamed
//! piece is one token and one HTTP chunk; four characters of a prompt are one token.
//!
//! # Faults
//!
//! Armed per lane. The first fault of the list that is due takes the request, at most one per request; so a list is a
//! sequence: `[{"kind": "status", "status": 429, "times": 1}, {"kind": "hang", "times": 2}]`. They strike POST requests.
//!
//! Common members: `times` (how many requests it takes; absent: all), `after` (how many it lets pass first), `for_ms`
//! (it ends so long after arming), `probability` (share of the due requests, decided by the seed).
//!
//! | Kind | Members | What happens |
//! |---|---|---|
//! | `status` | `status`, `code`, `retry_after`, `message` | an error in the dialect's own shape; `status` or `code` may be absent |
//! | `hang` | | accepted, never answered |
//! | `reset` | | TCP reset before any header |
//! | `slow_headers` | `ms` | waits before the headers |
//! | `slow_first_token` | `ms` | headers and frame at once, waits before the first content |
//! | `drip` | `ms_per_event` | waits before each content event |
//! | `stall_after` | `events`, `ms` | silent after so many; after `ms`, if given, the connection breaks |
//! | `cut_after` | `events` or `bytes`, `reset` | the connection breaks within the body; by a TCP reset if `reset` |
//! | `close_clean_after` | `events` | a clean end without a finish reason |
//! | `malformed_event` | `at` | an extra event that is not JSON before content event `at` (from 1); nothing else is missing |
//! | `no_terminator` | | no `[DONE]`, `message_stop` or `]` |
//! | `error_in_200` | `code` | status 200, the body is an error |
//! | `error_event_at` | `at`, `code` | after `at` content events the dialect's error event, and the end |
//! | `empty_answer` | | finished, nothing said |
//! | `refusal` | | finished by the content filter |
//! | `html_200` | | a web page |
//! | `heartbeat_only` | `ms` | pings or comments for ever |
//! | `truncated_json` | | the JSON, or the last content event, stops in the middle |
//! | `huge` | `bytes` | a senseless body without end of line |
//!
//! A refused connection cannot be had on a port that listens: [`Sim::refused_base_url`] (`refused` in `GET /_sim`) is one
//! that refuses.
//!
//! Codes: `rate_limit`, `quota`, `billing`, `overloaded`, `capacity` (Groq's 498), `server_error`, `bad_gateway`,
//! `timeout`, `context_length`, `content_policy`, `too_large`, `unsupported`, `bad_request`, `tool_failed` (Groq's
//! `failed_generation`), `auth`, `permission`, `model_not_found`. Any other word is sent where the dialect has its code.
//!
//! A request can also choose a fault for itself: with the header `x-sim-fault: {"kind": "hang"}`, or with a mark in the
//! last user text, which passes through any gateway: `[[sim:{"kind": "cut_after", "events": 3}]] Hello`. With
//! `"lane": "a"` it strikes on that lane only.
//!
//! # Control API
//!
//! | Request | Meaning |
//! |---|---|
//! | `GET /_sim` | all lanes, the base paths, the URL that refuses |
//! | `DELETE /_sim` | clears all lanes and logs |
//! | `POST /_sim/lanes/{lane}` | `{"faults": [...], "key": ..., "prefill": ..., "first_token_ms": ..., "pace_ms": ...}`; what is absent stays |
//! | `GET /_sim/lanes/{lane}` | settings, faults with how often they struck, number of requests |
//! | `DELETE /_sim/lanes/{lane}` | no faults, default settings |
//! | `GET /_sim/lanes/{lane}/log` | the requests, oldest first, at most [`LOG_CAPACITY`]; see [`Entry`] |
//! | `DELETE /_sim/lanes/{lane}/faults` | no faults, the settings stay |
//! | `DELETE /_sim/lanes/{lane}/log` | empties it |
//! | `GET /_sim/lanes/{lane}/last` | the body of the last request |
//!
//! Logs hold no credentials, only their scheme and a short hash ([`credential_hash`]).
//!
//! # What can fail
//!
//! Only the start. A request that makes no sense is answered as the provider would; one that makes no sense to the
//! simulator itself (an unknown fault, one lane too many) gets `{"error": "..."}` with the reason.

mod answer;
mod ask;
mod bench;
mod body;
mod connection;
mod control;
mod credential;
mod dialect;
mod embed;
mod fault;
mod lane;
mod log;
mod mark;
mod route;
mod script;
mod seed;
mod service;
mod sim;
mod tasks;
mod trouble;

pub use credential::{Credential, credential_hash};
pub use dialect::Dialect;
pub use fault::{Fault, Kind, RetryAfter};
pub use lane::{Lane, MOST_LANES, Prefill, Settings};
pub use log::{Entry, Headers, LOG_CAPACITY, Outcome};
pub use sim::{Sim, SimOptions};
