//! What a source file says: the paths it names and the words it uses, read from its tokens. Comments and strings do not count, nor does
//! what is compiled for tests alone.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A path as written, from the crate's root where it begins with `crate`, `self` or `super`: then its first word is empty.
pub type Path = Vec<String>;

/// One file of a crate.
pub struct Source {
    /// Its name below the crate's `src`, like `hub/mod.rs`.
    pub name: String,
    /// All of it.
    pub text: String,
    tokens: Vec<TokenTree>,
}

impl Source {
    /// Reads a file. Panics when it is no Rust.
    pub fn new(name: &str, text: &str) -> Self {
        let stream: TokenStream = text.parse().unwrap_or_else(|error| panic!("{name}: {error}"));
        Self { name: name.to_owned(), text: text.to_owned(), tokens: flat(stream) }
    }

    /// The folder or file directly below `src` that it belongs to.
    pub fn room(&self) -> &str {
        self.name.split('/').next().unwrap_or_default().trim_end_matches(".rs")
    }

    /// Whether all of it is for tests.
    pub fn is_tests(&self) -> bool {
        self.name.ends_with("/tests.rs")
    }

    /// The module it is, from the crate's root.
    fn module(&self) -> Path {
        let words: Path = self.name.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
        words.into_iter().filter(|word| !matches!(word.as_str(), "mod" | "lib")).collect()
    }

    /// Every path it names. `crate::a::b` and what leads there are `["", "a", "b"]`.
    pub fn paths(&self) -> Vec<Path> {
        let mut found = Vec::new();
        collect(&self.tokens, &self.module(), &mut found);
        found
    }

    /// Whether these tokens stand in it one after the other, at any depth; `(`, `[` or `{` stands for a group.
    pub fn says(&self, words: &[&str]) -> bool {
        says(&self.tokens, words)
    }

    /// The attributes that silence a lint without saying why.
    pub fn silenced(&self) -> Vec<String> {
        let mut found = Vec::new();
        silenced(&self.tokens, &mut found);
        found
    }
}

fn flat(stream: TokenStream) -> Vec<TokenTree> {
    stream.into_iter().collect()
}

fn is(token: Option<&TokenTree>, text: &str) -> bool {
    match token {
        Some(TokenTree::Group(group)) => {
            let opens = match group.delimiter() {
                Delimiter::Parenthesis => "(",
                Delimiter::Bracket => "[",
                Delimiter::Brace => "{",
                Delimiter::None => "",
            };
            opens == text
        }
        Some(TokenTree::Literal(_)) | None => false,
        Some(token) => token.to_string() == text,
    }
}

/// Whether `::` stands at this place.
fn joins(tokens: &[TokenTree], at: usize) -> bool {
    is(tokens.get(at), ":") && is(tokens.get(at + 1), ":")
}

/// Where an item for tests ends that begins here with `#[cfg(test)]`; `None` when there is none.
fn after_test_item(tokens: &[TokenTree], at: usize) -> Option<usize> {
    let Some(TokenTree::Group(attribute)) = tokens.get(at + 1) else { return None };
    if !is(tokens.get(at), "#") || attribute.stream().to_string().replace(' ', "") != "cfg(test)" {
        return None;
    }
    let end = (at + 2..tokens.len()).find(|end| is(tokens.get(*end), ";") || is(tokens.get(*end), "{"))?;
    Some(end + 1)
}

fn collect(tokens: &[TokenTree], module: &Path, found: &mut Vec<Path>) {
    let mut at = 0;
    while at < tokens.len() {
        if let Some(end) = after_test_item(tokens, at) {
            at = end;
        } else if let (true, Some(TokenTree::Ident(name)), Some(TokenTree::Group(body))) =
            (is(tokens.get(at), "mod"), tokens.get(at + 1), tokens.get(at + 2))
        {
            collect(&flat(body.stream()), &[&module[..], &[name.to_string()]].concat(), found);
            at += 3;
        } else if let Some(TokenTree::Group(group)) = tokens.get(at) {
            collect(&flat(group.stream()), module, found);
            at += 1;
        } else if matches!(tokens.get(at), Some(TokenTree::Ident(_))) {
            at = tree(tokens, at, &Vec::new(), module, found);
        } else {
            at += 1;
        }
    }
}

/// Takes a path with all branches of its use tree, and says where it ends.
fn tree(tokens: &[TokenTree], from: usize, before: &Path, module: &Path, found: &mut Vec<Path>) -> usize {
    let mut path = before.clone();
    let mut at = from;
    loop {
        match tokens.get(at) {
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                for branch in flat(group.stream()).split(|token| is(Some(token), ",")).filter(|branch| !branch.is_empty()) {
                    tree(branch, 0, &path, module, found);
                }
                return at + 1;
            }
            Some(TokenTree::Ident(word)) => path.push(word.to_string()),
            Some(TokenTree::Punct(star)) if star.as_char() == '*' => path.push("*".to_owned()),
            _ => break,
        }
        at += 1;
        if !joins(tokens, at) {
            break;
        }
        at += 2;
    }
    found.push(rooted(path, module));
    at
}

/// The path from the crate's root, if it says how to get there.
fn rooted(path: Path, module: &Path) -> Path {
    let ups = path.iter().take_while(|word| *word == "super").count();
    let root = || vec![String::new()];
    match path.first().map(String::as_str) {
        Some("crate" | "hf2ms") => [root(), path[1..].to_vec()].concat(),
        Some("self") => [root(), module.clone(), path[1..].to_vec()].concat(),
        Some("super") => [root(), module[..module.len().saturating_sub(ups)].to_vec(), path[ups..].to_vec()].concat(),
        _ => path,
    }
}

fn says(tokens: &[TokenTree], words: &[&str]) -> bool {
    let mut at = 0;
    while at < tokens.len() {
        if let Some(end) = after_test_item(tokens, at) {
            at = end;
            continue;
        }
        if words.iter().enumerate().all(|(step, word)| is(tokens.get(at + step), word)) {
            return true;
        }
        if let Some(TokenTree::Group(group)) = tokens.get(at)
            && says(&flat(group.stream()), words)
        {
            return true;
        }
        at += 1;
    }
    false
}

fn silenced(tokens: &[TokenTree], found: &mut Vec<String>) {
    for (at, token) in tokens.iter().enumerate() {
        let TokenTree::Group(group) = token else { continue };
        let inner = flat(group.stream());
        let attribute = at > 0 && (is(tokens.get(at - 1), "#") || is(tokens.get(at - 1), "!"));
        let silences = ["allow", "expect"].iter().any(|word| says(&inner, &[word, "("]));
        if attribute && group.delimiter() == Delimiter::Bracket && silences && !says(&inner, &["reason", "="]) {
            found.push(group.to_string());
        }
        silenced(&inner, found);
    }
}
