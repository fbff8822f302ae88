//! A repository's card: is the front matter of README.md acceptable?

use serde_json::{Map, Value, json};
use yaml_rust2::{Yaml, YamlLoader};

use super::licences::LICENCES;
use crate::server::Response;

/// The licences that the hub takes: its published list, and what became of that since.
#[derive(Clone, Debug, Default)]
pub struct Licences {
    /// Put on the list.
    pub added: Vec<String>,
    /// Taken off it.
    pub withdrawn: Vec<String>,
}

impl Licences {
    fn has(&self, name: &str) -> bool {
        self.all().contains(&name)
    }

    fn all(&self) -> Vec<&str> {
        let kept = LICENCES.iter().copied().filter(|name| !self.withdrawn.iter().any(|gone| gone == name));
        kept.chain(self.added.iter().map(String::as_str)).collect()
    }
}

/// What the hub thinks of a card.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Opinion {
    /// With any of these, a commit is refused.
    pub(super) errors: Vec<String>,
    pub(super) warnings: Vec<String>,
}

impl Opinion {
    /// The answer of `validate-yaml`: 400 when there are errors.
    pub(super) fn answer(&self) -> Response {
        let messages = |texts: &[String]| texts.iter().map(|text| json!({ "message": text })).collect::<Vec<_>>();
        let status = if self.errors.is_empty() { 200 } else { 400 };
        Response::json(status, &json!({ "errors": messages(&self.errors), "warnings": messages(&self.warnings) }))
    }
}

/// Judges a README.
pub(super) fn judge(readme: &str, licences: &Licences) -> Opinion {
    let mut opinion = Opinion::default();
    match front_matter(readme).map(YamlLoader::load_from_str) {
        None => opinion.warnings.push("empty or missing yaml metadata in repo card".to_owned()),
        Some(Err(error)) => opinion.errors.push(format!("YAML Metadata Error: {error}")),
        Some(Ok(documents)) => match documents.first() {
            None | Some(Yaml::Null) => opinion.warnings.push("empty or missing yaml metadata in repo card".to_owned()),
            Some(metadata @ Yaml::Hash(_)) => judge_licence(metadata, licences, &mut opinion),
            Some(_) => opinion.errors.push("YAML Metadata Error: \"value\" must be of type object".to_owned()),
        },
    }
    opinion
}

fn judge_licence(metadata: &Yaml, licences: &Licences, opinion: &mut Opinion) {
    let licence = &metadata["license"];
    let acceptable = |one: &Yaml| one.as_str().is_some_and(|text| licences.has(text));
    let fine = match licence {
        Yaml::BadValue | Yaml::Null => true,
        Yaml::Array(several) => several.iter().all(acceptable),
        one => acceptable(one),
    };
    if !fine {
        opinion.errors.push(format!("\"license\" must be one of [{}]", licences.all().join(", ")));
    }
    if licence.as_str() == Some("other") && metadata["license_name"].is_badvalue() {
        opinion.warnings.push("\"license_name\" is recommended when license is `other`".to_owned());
    }
}

/// The card's metadata as JSON, for the repository's info; empty when there is none that can be read.
pub(super) fn metadata(readme: &str) -> Value {
    let documents = front_matter(readme).and_then(|text| YamlLoader::load_from_str(text).ok());
    documents.and_then(|documents| documents.first().map(to_json)).filter(Value::is_object).unwrap_or_else(|| json!({}))
}

/// The text between the `---` lines at the very beginning.
fn front_matter(readme: &str) -> Option<&str> {
    let rest = readme.trim_start_matches('\u{feff}').strip_prefix("---")?;
    let rest = rest.strip_prefix("\r\n").or_else(|| rest.strip_prefix('\n'))?;
    if rest.starts_with("---") {
        return Some("");
    }
    rest.find("\n---").map(|end| &rest[..end])
}

fn to_json(yaml: &Yaml) -> Value {
    match yaml {
        Yaml::Real(text) | Yaml::String(text) => json!(text),
        Yaml::Integer(number) => json!(number),
        Yaml::Boolean(truth) => json!(truth),
        Yaml::Array(items) => items.iter().map(to_json).collect(),
        Yaml::Hash(pairs) => {
            let named = |(key, value): (&Yaml, &Yaml)| Some((to_json(key).as_str()?.to_owned(), to_json(value)));
            Value::Object(pairs.iter().filter_map(named).collect::<Map<String, Value>>())
        }
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_licences_pass_and_unknown_ones_do_not() {
        assert_eq!(judge("---\nlicense: apache-2.0\n---\n# Hi\n", &Licences::default()), Opinion::default());
        assert_eq!(judge("---\nlicense:\n- mit\n- cc-by-4.0\n---\n", &Licences::default()), Opinion::default());
        assert!(judge("---\nlicense: Apache License 2.0\n---\n", &Licences::default()).errors[0].starts_with("\"license\" must be one of"));
        assert!(judge("---\nlicense: other\n---\n", &Licences::default()).errors.is_empty());
        assert_eq!(judge("---\nlicense: 3\n---\n", &Licences::default()).errors.len(), 1);
    }

    #[test]
    fn broken_yaml_is_an_error_and_missing_yaml_a_warning() {
        assert_eq!(judge("---\ntags: [a, b\n---\n", &Licences::default()).errors.len(), 1);
        assert_eq!(judge("# no card\n", &Licences::default()).warnings.len(), 1);
        assert_eq!(judge("---\n---\ntext\n", &Licences::default()).warnings.len(), 1);
        assert_eq!(judge("---\njust text\n---\n", &Licences::default()).errors.len(), 1);
    }

    #[test]
    fn the_list_changes() {
        let licences = Licences { added: vec!["new-1.0".to_owned()], withdrawn: vec!["mit".to_owned()] };
        assert!(judge("---\nlicense: new-1.0\n---\n", &licences).errors.is_empty());
        assert_eq!(judge("---\nlicense: mit\n---\n", &licences).errors.len(), 1);
    }

    #[test]
    fn metadata_is_given_as_json() {
        assert_eq!(metadata("---\nlicense: mit\ntags:\n- x\n---\n"), json!({ "license": "mit", "tags": ["x"] }));
    }
}
