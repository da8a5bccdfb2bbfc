//! Kinds of faults as tables: what each is called, where it strikes and what it takes. One table gives the JSON Schema,
//! the reader and the defaults, so that they cannot drift apart.

#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};

use crate::delay::Delay;
use crate::options::{Finding, Options};

/// One kind of fault.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// As operators arm it.
    pub name: &'static str,
    /// Where it strikes: `connect`, `headers`, `limits`, `stream`, `body`, `semantics`, `pool`.
    pub layer: &'static str,
    /// What it does, in a line.
    pub about: &'static str,
    /// What it takes.
    pub params: &'static [Param],
}

/// One parameter; of a delay, all of its members.
#[derive(Clone, Copy, Debug)]
pub struct Param {
    /// The member's name; unused for delays.
    pub name: &'static str,
    /// What it is, in a line.
    pub about: &'static str,
    /// What it can be.
    pub form: Form,
}

/// What a parameter can be, and what it is unless an operator says otherwise.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    /// A number in these bounds.
    Number {
        /// Lowest.
        low: f64,
        /// Highest.
        high: f64,
        /// Unless given.
        usual: f64,
    },
    /// A whole number in these bounds.
    Whole {
        /// Lowest.
        low: u32,
        /// Highest.
        high: u32,
        /// Unless given.
        usual: u32,
    },
    /// One of these numbers.
    OneOf {
        /// All of them.
        numbers: &'static [u32],
        /// Unless given.
        usual: u32,
    },
    /// One of these words.
    Word {
        /// All of them.
        words: &'static [&'static str],
        /// Unless given.
        usual: &'static str,
    },
    /// Text.
    Text {
        /// Unless given.
        usual: &'static str,
    },
    /// A time drawn from a distribution.
    Delay {
        /// Unless given.
        usual: Delay,
    },
    /// A time drawn from a distribution, if one is given.
    MaybeDelay,
}

/// The parameters of one armed fault, checked.
#[derive(Clone, Debug, Default)]
pub struct Values {
    members: Map<String, Value>,
    delay: Option<Delay>,
}

impl Kind {
    /// Reads the parameters; what is missing is as usual.
    ///
    /// # Errors
    /// Every problem found, unknown members among them.
    pub fn read<P: Finding>(&self, config: &str) -> Result<Values, Vec<P>> {
        let mut options = Options::new(config);
        let mut values = Values::default();
        for param in self.params {
            param.read(&mut options, &mut values);
        }
        options.finish(values)
    }

    /// JSON Schema of the parameters, with their defaults.
    pub fn schema(&self) -> String {
        let mut members = Map::new();
        for param in self.params {
            param.describe(&mut members);
        }
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "additionalProperties": false,
            "properties": members,
        })
        .to_string()
    }
}

impl Param {
    fn read<P: Finding>(&self, options: &mut Options<P>, values: &mut Values) {
        let value = match self.form {
            Form::Number { low, high, usual } => {
                json!(options.number(self.name, low, high).unwrap_or(usual))
            }
            Form::Whole { low, high, usual } => {
                json!(options.integer(self.name, low.into(), high.into()).unwrap_or(usual.into()))
            }
            Form::OneOf { numbers, usual } => {
                let known = |value: &Value| {
                    let number = value.as_u64()?;
                    numbers.iter().find(|one| u64::from(**one) == number).copied()
                };
                let all: Vec<String> = numbers.iter().map(u32::to_string).collect();
                let expected = format!("one of {}", all.join(", "));
                json!(options.read(self.name, &expected, known).unwrap_or(usual))
            }
            Form::Word { words, usual } => json!(options.word(self.name, words).unwrap_or(usual)),
            Form::Text { usual } => json!(options.string(self.name).unwrap_or_else(|| usual.to_owned())),
            Form::Delay { usual } => {
                values.delay = Some(Delay::read(options, &usual));
                return;
            }
            Form::MaybeDelay => {
                let given = options.has("distribution");
                let delay = Delay::read(options, &Delay::around(1000.0));
                values.delay = given.then_some(delay);
                return;
            }
        };
        values.members.insert(self.name.to_owned(), value);
    }

    fn describe(&self, members: &mut Map<String, Value>) {
        let schema = match self.form {
            Form::Number { low, high, usual } => {
                json!({ "type": "number", "minimum": low, "maximum": high, "default": usual, "description": self.about })
            }
            Form::Whole { low, high, usual } => {
                json!({ "type": "integer", "minimum": low, "maximum": high, "default": usual, "description": self.about })
            }
            Form::OneOf { numbers, usual } => {
                json!({ "enum": numbers, "default": usual, "description": self.about })
            }
            Form::Word { words, usual } => {
                json!({ "enum": words, "default": usual, "description": self.about })
            }
            Form::Text { usual } => {
                json!({ "type": "string", "default": usual, "description": self.about })
            }
            Form::Delay { usual } => return Delay::describe(members, Some(&usual)),
            Form::MaybeDelay => return Delay::describe(members, None),
        };
        members.insert(self.name.to_owned(), schema);
    }
}

impl Values {
    /// A number; 0 for a name that the kind's table does not have.
    pub fn number(&self, name: &str) -> f64 {
        self.members.get(name).and_then(Value::as_f64).unwrap_or_default()
    }

    /// A whole number; 0 for a name that the kind's table does not have.
    pub fn whole(&self, name: &str) -> u64 {
        self.members.get(name).and_then(Value::as_u64).unwrap_or_default()
    }

    /// A word or a text; empty for a name that the kind's table does not have.
    pub fn text(&self, name: &str) -> &str {
        self.members.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// The delay, if the kind has one and, where it may be missing, one was given.
    pub fn delay(&self) -> Option<&Delay> {
        self.delay.as_ref()
    }
}
