//! What must not be printed: access tokens, and the query of a signed URL.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use reqwest::header::HeaderValue;
use url::Url;

use crate::error::{Error, ErrorKind, Result};
use crate::repo::Platform;

/// A token that is shorter could be a word of any text.
const WORD: usize = 8;

/// An access token. Prints as `Token(****)`; only [`Token::bearer`], [`Token::basic`], [`Token::cookie`] and [`Token::alone`] give the text away,
/// marked as sensitive, [`Token::expose_to_child`] to the pipe of a process that carries, and [`Token::expose_to_secret`] to a message's
/// field for secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Takes a token as found in the environment or a file, without surrounding white space.
    ///
    /// Fails with `Usage` when it is empty or could not go into a header.
    pub fn new(text: &str) -> Result<Self> {
        let text = text.trim();
        if text.is_empty() || !text.bytes().all(|byte| (0x21..0x7f).contains(&byte)) {
            return Err(Error::usage(
                "the token is empty or holds characters that no token has",
                "copy the token again from the page where it was made",
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// The value of an `Authorization` header.
    pub fn bearer(&self) -> Result<HeaderValue> {
        self.header("Bearer ")
    }

    /// The value of an `Authorization` header for those who want a user and a password: git.
    pub fn basic(&self, user: &str) -> Result<HeaderValue> {
        let pair = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{}", self.0));
        let mut value = HeaderValue::from_str(&format!("Basic {pair}"))
            .map_err(|_| Error::new(ErrorKind::Usage, "the token does not go into a header"))?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// The value of a `Cookie` header that carries the token under `name`.
    pub fn cookie(&self, name: &str) -> Result<HeaderValue> {
        self.header(&format!("{name}="))
    }

    /// The value of a header that is the token and nothing else.
    pub fn alone(&self) -> Result<HeaderValue> {
        self.header("")
    }

    /// The text, for a field of a message that holds secrets, and for nothing else.
    pub fn expose_to_secret(&self) -> &str {
        &self.0
    }

    /// The text, for the standard input of the process that carries, and for nothing else.
    pub fn expose_to_child(&self) -> &str {
        &self.0
    }

    /// A text in which this token stands in no form: as it is, without its prefix, as in JSON, percent-encoded. One that is too short to be told
    /// from a word is left.
    pub fn hide_in(&self, text: &str) -> String {
        self.forms().iter().fold(text.to_owned(), |text, form| text.replace(form, "[token]"))
    }

    /// Whether it stands there in one of these forms.
    pub fn is_in(&self, text: &str) -> bool {
        self.forms().iter().any(|form| text.contains(form))
    }

    /// The longest first.
    fn forms(&self) -> Vec<String> {
        let quoted = serde_json::Value::from(self.0.as_str()).to_string();
        let encoded = percent_encoding::utf8_percent_encode(&self.0, percent_encoding::NON_ALPHANUMERIC).to_string();
        let bare = ["hf_", "ms-", "ak-", "as-"].iter().find_map(|prefix| self.0.strip_prefix(prefix)).unwrap_or_default();
        let mut forms = vec![encoded, quoted.trim_matches('"').to_owned(), self.0.clone(), bare.to_owned()];
        forms.retain(|form| form.len() >= WORD);
        forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
        forms
    }

    fn header(&self, prefix: &str) -> Result<HeaderValue> {
        let mut value = HeaderValue::from_str(&format!("{prefix}{}", self.0))
            .map_err(|_| Error::new(ErrorKind::Usage, "the token does not go into a header"))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(****)")
    }
}

/// The tokens of one process.
#[derive(Clone, Debug, Default)]
pub struct Tokens {
    /// Hugging Face's.
    pub hf: Option<Token>,
    /// ModelScope's.
    pub ms: Option<Token>,
}

impl Tokens {
    /// The token of one platform.
    pub fn of(&self, platform: Platform) -> Option<&Token> {
        match platform {
            Platform::HuggingFace => self.hf.as_ref(),
            Platform::ModelScope => self.ms.as_ref(),
        }
    }

    /// The first line on the standard input of a process that carries.
    pub fn to_line(&self) -> String {
        let text = |token: &Option<Token>| token.as_ref().map(Token::expose_to_child).map(str::to_owned);
        serde_json::json!({ "hf": text(&self.hf), "ms": text(&self.ms) }).to_string()
    }

    /// Reads that line. Fails with `Usage`; the line is not repeated in the error.
    pub fn from_line(line: &str) -> Result<Self> {
        let shape = "the first line of standard input is `{\"hf\":TOKEN,\"ms\":TOKEN}`, either of them may be null";
        let object: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(line).map_err(|_| Error::usage("the line with the tokens is no JSON object", shape))?;
        if let Some(other) = object.keys().find(|key| !matches!(key.as_str(), "hf" | "ms")) {
            return Err(Error::usage("the line with the tokens names something else", shape).with("key-length", other.len()));
        }
        let token =
            |key: &str| object.get(key).and_then(|value| value.as_str()).filter(|text| !text.trim().is_empty()).map(Token::new).transpose();
        Ok(Self { hf: token("hf")?, ms: token("ms")? })
    }
}

/// Whether a text is an access token of one of the three platforms, judged by its shape: `hf_…`, `ms-<uuid>`, `ak-…`, `as-…`.
pub fn looks_like_token(text: &str) -> bool {
    let alphanumeric = |tail: &str, least: usize| tail.len() >= least && tail.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if let Some(tail) = text.strip_prefix("hf_") {
        return alphanumeric(tail, 16);
    }
    if let Some(tail) = text.strip_prefix("ms-") {
        return tail.len() >= 32 && tail.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    }
    text.strip_prefix("ak-").or_else(|| text.strip_prefix("as-")).is_some_and(|tail| alphanumeric(tail, 16))
}

/// Whether a token of such a shape stands anywhere in a text.
pub fn holds_token(text: &str) -> bool {
    text.split(|character: char| !character.is_ascii_alphanumeric() && !matches!(character, '_' | '-')).any(looks_like_token)
}

/// The text without what has such a shape.
pub fn without_tokens(text: &str) -> String {
    if !holds_token(text) {
        return text.to_owned();
    }
    let is_word = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-');
    let mut shown = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|character| is_word(character) != is_word(first)).unwrap_or(rest.len());
        let (piece, after) = rest.split_at(end);
        shown.push_str(if looks_like_token(piece) { "[token]" } else { piece });
        rest = after;
    }
    shown
}

/// A URL that shows neither its query nor user info, because a service may have signed it or put a key in it; of one that names no host, as
/// `name:password@host` without `https://` is read, only the scheme. Cheap to clone: a large file has thousands.
#[derive(Clone, PartialEq, Eq)]
pub struct SafeUrl(Arc<Url>);

impl SafeUrl {
    /// Takes an absolute URL.
    pub fn new(url: Url) -> Self {
        Self(Arc::new(url))
    }

    /// Parses a URL that a service gave, absolute or relative to `base`.
    ///
    /// Fails with `Protocol`; the text is not repeated in the error.
    pub fn join(base: &Url, text: &str) -> Result<Self> {
        base.join(text).map(Self::new).map_err(|error| {
            Error::new(ErrorKind::Protocol, "the service gave a URL that is none").with("host", host_of(base)).because(error)
        })
    }

    /// The whole URL, for the request itself.
    pub fn expose(&self) -> &Url {
        &self.0
    }
}

/// Host and port of a URL.
pub fn host_of(url: &Url) -> String {
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => String::new(),
    }
}

impl fmt::Display for SafeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.cannot_be_a_base() {
            return write!(f, "{}:…", self.0.scheme());
        }
        write!(f, "{}://{}{}", self.0.scheme(), host_of(&self.0), self.0.path())?;
        if self.0.query().is_some() { f.write_str("?…") } else { Ok(()) }
    }
}

impl fmt::Debug for SafeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SafeUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_never_prints() {
        let token = Token::new(" hf_abcdefghijklmnop\n").unwrap();
        assert_eq!(format!("{token:?}"), "Token(****)");
        assert_eq!(format!("{:?}", token.bearer().unwrap()), "Sensitive");
    }

    #[test]
    fn an_address_without_a_host_shows_no_more_than_its_scheme() {
        let url = SafeUrl::new("alice:hf_abcdefghijklmnop@hub.example".parse().unwrap());
        assert_eq!(url.to_string(), "alice:…");
    }

    #[test]
    fn a_token_is_taken_out_of_a_text_in_every_form() {
        let token = Token::new("ms-0123\"4567\\89ab").unwrap();
        for form in ["ms-0123\"4567\\89ab", "0123\"4567\\89ab", r#"ms-0123\"4567\\89ab"#, "ms%2D0123%224567%5C89ab"] {
            assert!(token.is_in(&format!("x{form}y")), "{form}");
            assert!(token.hide_in(&format!("x{form}y")).ends_with("[token]y"), "{form}");
        }
        assert_eq!(Token::new("ms-main").unwrap().hide_in("ms-main main"), "ms-main main");
    }

    #[test]
    fn a_signed_url_shows_no_query_and_no_user() {
        let url = SafeUrl::new(Url::parse("https://user:pass@cdn.example/a/b?auth_key=1-2").unwrap());
        assert_eq!(url.to_string(), "https://cdn.example/a/b?…");
    }

    #[test]
    fn tokens_are_told_from_repository_names() {
        assert!(looks_like_token("hf_abcdefghijklmnopQRST"));
        assert!(looks_like_token("ms-01234567-89ab-cdef-0123-456789abcdef"));
        assert!(looks_like_token("ak-abcdefghijklmnopqrst"));
        assert!(!looks_like_token("hf_model/bert"));
        assert!(!looks_like_token("ms-swift"));
    }
}
