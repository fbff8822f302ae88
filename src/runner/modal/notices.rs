//! What a person should hear while something goes on: warnings of the service, and waits.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use percent_encoding::percent_decode_str;
use tonic::metadata::MetadataMap;

use crate::secret::holds_token;

type Listener = Box<dyn Fn(&str) + Send + Sync>;

/// Passes each notice on once. Cloning shares the listener.
#[derive(Clone, Default)]
pub(super) struct Notices(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    listener: Option<Listener>,
    told: BTreeSet<String>,
}

impl Notices {
    /// From now on this one hears of them.
    pub(super) fn tell_to(&self, listener: impl Fn(&str) + Send + Sync + 'static) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).listener = Some(Box::new(listener));
    }

    /// Tells it, unless it was told before or holds a token.
    pub(super) fn tell(&self, text: &str) {
        let text: String = text.chars().filter(|character| !character.is_control()).take(500).collect();
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let inner = &mut *inner;
        let Some(listener) = &inner.listener else { return };
        // many different ones would be held for the life of the process
        if inner.told.len() < 1000 && !text.trim().is_empty() && !holds_token(&text) && inner.told.insert(text.clone()) {
            listener(&text);
        }
    }

    /// Tells the warnings that came with an answer, percent-encoded (facts, modal §1).
    pub(super) fn hear(&self, metadata: &MetadataMap) {
        for value in metadata.get_all("x-modal-warning") {
            let text = percent_decode_str(value.to_str().unwrap_or_default()).decode_utf8_lossy();
            self.tell(&format!("Modal says: {text}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_decoded_and_told_once() {
        let notices = Notices::default();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let into = heard.clone();
        notices.tell_to(move |text| into.lock().unwrap().push(text.to_owned()));
        let mut metadata = MetadataMap::new();
        metadata.append("x-modal-warning", "50%25%20used%0A".parse().unwrap());
        metadata.append("x-modal-warning", "update%20soon".parse().unwrap());
        notices.hear(&metadata);
        notices.hear(&metadata);
        assert_eq!(*heard.lock().unwrap(), ["Modal says: 50% used", "Modal says: update soon"]);
    }

    #[test]
    fn a_warning_with_a_token_in_it_is_not_repeated() {
        let notices = Notices::default();
        notices.tell_to(|text| panic!("told {text}"));
        notices.tell("bad token ak-abcdefghijklmnopqrst");
    }
}
