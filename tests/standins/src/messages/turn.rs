//! One turn of a script: what the model has to be told, and what it says to that.

use std::fmt;

use serde_json::Value;

use super::Asked;

/// What a model says.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Words, with which its turn ends.
    Say(String),
    /// A tool's name and the arguments for it.
    Call(String, Value),
}

type Words = Box<dyn Fn(&Asked) -> Answer + Send>;

/// A turn of the script.
pub struct Turn {
    pub(super) expected: Vec<String>,
    /// The same answer is given again until this is told.
    pub(super) until: Option<String>,
    pub(super) answer: Words,
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Turn({:?}, until {:?})", self.expected, self.until)
    }
}

impl Turn {
    /// A turn in which each of these texts has come since the model spoke last.
    pub fn told<T: Into<String>>(expected: impl IntoIterator<Item = T>) -> Self {
        let answer: Words = Box::new(|_| Answer::Say("Done.".to_owned()));
        Self { expected: expected.into_iter().map(Into::into).collect(), until: None, answer }
    }

    /// The model says this, and is through for now.
    #[must_use]
    pub fn says(self, words: &str) -> Self {
        let words = words.to_owned();
        Self { answer: Box::new(move |_| Answer::Say(words.clone())), ..self }
    }

    /// The model calls a tool with these arguments.
    #[must_use]
    pub fn calls(self, tool: &str, arguments: Value) -> Self {
        self.calls_with(tool, move |_| arguments.clone())
    }

    /// The model calls a tool with arguments that it makes of what it was told.
    #[must_use]
    pub fn calls_with(self, tool: &str, arguments: impl Fn(&Asked) -> Value + Send + 'static) -> Self {
        let tool = tool.to_owned();
        Self { answer: Box::new(move |asked| Answer::Call(tool.clone(), arguments(asked))), ..self }
    }

    /// The model says the same again, up to forty times, until it is told this; then it is the next turn's.
    #[must_use]
    pub fn until(self, text: &str) -> Self {
        Self { until: Some(text.to_owned()), ..self }
    }

    /// What is expected and was not told.
    pub(super) fn missing(&self, newest: &str) -> Vec<&str> {
        self.expected.iter().map(String::as_str).filter(|text| !newest.contains(text)).collect()
    }
}
