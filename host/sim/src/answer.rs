//! The answer to a request, free of any dialect: derived from the request alone, so that any two lanes give the
//! same answer to the same question and a test can tell what it must be.

pub(crate) mod instance;
mod prose;
pub(crate) mod text;

use serde_json::{Value, json};

use crate::ask::{Ask, Reasoning, Shape, Tool, ToolChoice};
use crate::lane::Prefill;
use crate::seed;
use instance::instance;

/// Beyond this the counting model does not count.
const HIGHEST_COUNT: usize = 10_000;
/// Longest text of the `bench-N` models, in bytes.
const LONGEST_BENCH: usize = 4 << 20;
/// Events in every stream of a `bench` model.
const BENCH_EVENTS: usize = 100;
const LONGEST_ECHO: usize = 400;
const JSON_PIECE: usize = 8;
/// What a lane that repeats itself says again of the beginning it was given.
const REPEATED_WORDS: usize = 3;

/// Why an alternative ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Finish {
    Stop,
    StopSequence(String),
    Length,
    ToolCalls,
    Filtered,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Call {
    /// Letters that the dialect puts its own prefix before.
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) arguments: Value,
}

impl Call {
    /// The arguments as they are streamed.
    pub(crate) fn pieces(&self) -> Vec<String> {
        text::chunks(&self.arguments.to_string(), JSON_PIECE)
    }
}

/// One alternative; texts are kept in the pieces that a stream sends, one token each.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Choice {
    pub(crate) reasoning: Vec<String>,
    pub(crate) text: Vec<String>,
    pub(crate) calls: Vec<Call>,
    pub(crate) finish: Finish,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) prompt: usize,
    /// Including the reasoning.
    pub(crate) completion: usize,
    pub(crate) reasoning: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) choices: Vec<Choice>,
    pub(crate) usage: Usage,
    /// Milliseconds between streamed pieces that belong to the model itself.
    pub(crate) pace_ms: u64,
}

impl Answer {
    /// What the model says. `salt` makes the ids of tool calls.
    pub(crate) fn to(ask: &Ask, prefill: Prefill, salt: u64) -> Self {
        let choices: Vec<Choice> = (0..ask.choices.clamp(1, Ask::MOST_CHOICES))
            .map(|index| choice(ask, prefill, salt, index))
            .collect();
        let pace_ms = if ask.model == "bench-paced" { 10 } else { 0 };
        Self { usage: usage(ask, &choices), choices, pace_ms }
    }

    /// Nothing at all, and yet finished.
    pub(crate) fn empty(ask: &Ask, finish: Finish) -> Self {
        let nothing = Choice { reasoning: Vec::new(), text: Vec::new(), calls: Vec::new(), finish };
        let choices = vec![nothing; ask.choices.clamp(1, Ask::MOST_CHOICES)];
        Self { usage: usage(ask, &choices), choices, pace_ms: 0 }
    }
}

fn usage(ask: &Ask, choices: &[Choice]) -> Usage {
    let reasoning = match ask.reasoning {
        Reasoning::Off => 0,
        Reasoning::Hidden => text::words(REASONING).len() * choices.len(),
        Reasoning::Shown => choices.iter().map(|choice| choice.reasoning.len()).sum(),
    };
    let called = |choice: &Choice| choice.calls.iter().map(|call| 1 + call.pieces().len()).sum::<usize>();
    let said: usize = choices.iter().map(|choice| choice.text.len() + called(choice)).sum();
    Usage { prompt: ask.prompt_tokens, completion: said + reasoning, reasoning }
}

const REASONING: &str = "The user asks something. I answer it as the simulator does.";

fn choice(ask: &Ask, prefill: Prefill, salt: u64, index: usize) -> Choice {
    let reasoning = match ask.reasoning {
        Reasoning::Shown => text::words(REASONING),
        Reasoning::Off | Reasoning::Hidden => Vec::new(),
    };
    let calls = calls(ask, salt, index);
    if !calls.is_empty() {
        return Choice { reasoning, text: Vec::new(), calls, finish: Finish::ToolCalls };
    }
    let mut said = whole_text(ask, index);
    match (prefill, &ask.prefix) {
        (Prefill::Diverges, _) => said.insert_str(0, "Well: "),
        (Prefill::Ignores, _) | (_, None) => {}
        (Prefill::Repeats, Some(prefix)) => {
            let again = prose::last_words(prefix, REPEATED_WORDS);
            said = again.to_owned() + &continuation(ask, &said, prefix);
        }
        (Prefill::Accepts | Prefill::Refuses, Some(prefix)) => said = continuation(ask, &said, prefix),
    }
    let stopped = text::stop_at(&mut said, &ask.stops);
    let mut pieces = pieces(ask, &said);
    let mut finish = stopped.map_or(Finish::Stop, Finish::StopSequence);
    if let Some(most) = ask.max_tokens.filter(|most| pieces.len() > *most) {
        pieces.truncate(most);
        finish = Finish::Length;
    }
    Choice { reasoning, text: pieces, calls: Vec::new(), finish }
}

fn pieces(ask: &Ask, said: &str) -> Vec<String> {
    if is_bench(&ask.model) {
        text::chunks(said, said.len().div_ceil(BENCH_EVENTS))
    } else if ask.shape == Shape::Text {
        text::words(said)
    } else {
        text::chunks(said, JSON_PIECE)
    }
}

fn calls(ask: &Ask, salt: u64, index: usize) -> Vec<Call> {
    let over = ask.tool_result.is_some() || ask.prefix.is_some() || ask.tool_choice == ToolChoice::None;
    if over {
        return Vec::new();
    }
    let call = |(nth, tool): (usize, &Tool)| Call {
        id: seed::letters(seed::mix(salt ^ (index * 64 + nth + 1) as u64), 24),
        name: tool.name.clone(),
        arguments: instance(&tool.schema),
    };
    wanted_tools(ask).into_iter().enumerate().map(call).collect()
}

/// The tool that was asked for by choice or by name in the text, else the first; two of them for "both".
fn wanted_tools(ask: &Ask) -> Vec<&Tool> {
    let said = ask.user.to_lowercase();
    let named = |tool: &&Tool| match &ask.tool_choice {
        ToolChoice::Named(name) => tool.name == *name,
        ToolChoice::Auto | ToolChoice::None => said.contains(&tool.name.to_lowercase()),
    };
    let first = ask.tools.iter().find(named).or(ask.tools.first());
    let several = ["both", "two tools", "parallel"].iter().any(|word| said.contains(word));
    if several && ask.parallel && !matches!(ask.tool_choice, ToolChoice::Named(_)) {
        return ask.tools.iter().cycle().take(2).collect();
    }
    first.into_iter().collect()
}

fn whole_text(ask: &Ask, index: usize) -> String {
    if let Shape::Schema(schema) = &ask.shape {
        return instance(schema).to_string();
    }
    if let Some(length) = bench_length(&ask.model) {
        return "0123456789abcdef".chars().cycle().take(length).collect();
    }
    if let Some(words) = number_after(&ask.model, "prose-") {
        return prose::prose(words);
    }
    if let Some(last) = count_wanted(ask) {
        let numbers: Vec<String> = (1..=last).map(|n| n.to_string()).collect();
        return numbers.join(" ");
    }
    let echo: String = match &ask.tool_result {
        Some(result) => format!("The tool said: {}", result.chars().take(LONGEST_ECHO).collect::<String>()),
        None => format!("You said: {}", ask.user.chars().take(LONGEST_ECHO).collect::<String>()),
    };
    if ask.shape == Shape::Object {
        return json!({ "answer": echo }).to_string();
    }
    match index {
        0 => format!("{echo}\n\nThis answer is simulated."),
        other => format!("{echo}\n\nThis answer is simulated, alternative {other}."),
    }
}

/// What comes after `prefix`. A prefix that is not the beginning of the answer is continued as well as one can:
/// counting goes on after the last number in it.
fn continuation(ask: &Ask, said: &str, prefix: &str) -> String {
    if let Some(rest) = said.strip_prefix(prefix) {
        return rest.to_owned();
    }
    let last = || prefix.split(|c: char| !c.is_ascii_digit()).rfind(|digits| !digits.is_empty());
    let reached = count_wanted(ask).zip(last().and_then(|digits| digits.parse::<usize>().ok()));
    let Some((wanted, reached)) = reached else { return " (and so on)".to_owned() };
    (reached.saturating_add(1)..=wanted).map(|n| format!(" {n}")).collect()
}

/// The model `count-N` counts to N, and so does any model when the user says `count to N`.
fn count_wanted(ask: &Ask) -> Option<usize> {
    let wanted =
        number_after(&ask.model, "count-").or_else(|| number_after(&ask.user.to_lowercase(), "count to "))?;
    Some(wanted.min(HIGHEST_COUNT))
}

fn number_after(text: &str, mark: &str) -> Option<usize> {
    let (_, rest) = text.split_once(mark)?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).take(9).collect();
    digits.parse().ok()
}

pub(crate) fn is_bench(model: &str) -> bool {
    model.starts_with("bench-")
}

/// Bytes of text that a `bench` model answers.
pub(crate) fn bench_length(model: &str) -> Option<usize> {
    match model.strip_prefix("bench-")? {
        "paced" | "burst" => Some(6 * BENCH_EVENTS),
        number => number.parse().ok().map(|length: usize| length.min(LONGEST_BENCH)),
    }
}

#[cfg(test)]
mod tests;
