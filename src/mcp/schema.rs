//! The JSON schemas of arguments and results, without what makes clients warn: no `format`, no `null`, nothing referred to.

use rmcp::model::JsonObject;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

/// What a type says of itself, and the schema of what it accepts.
pub(super) fn input<T: JsonSchema>() -> (String, JsonObject) {
    let mut schema = made::<T>(SchemaSettings::draft2020_12());
    let description = match schema.remove("description") {
        Some(Value::String(text)) => text,
        _ => String::new(),
    };
    (description, schema)
}

/// The schema of what a type writes.
pub(super) fn output<T: JsonSchema>() -> JsonObject {
    let mut schema = made::<T>(SchemaSettings::draft2020_12().for_serialize());
    schema.remove("description");
    schema
}

fn made<T: JsonSchema>(settings: SchemaSettings) -> JsonObject {
    let settings = settings.with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    plain(&mut schema);
    match schema {
        Value::Object(schema) => schema,
        // a schema that allows anything
        _ => JsonObject::new(),
    }
}

/// Takes the noise out. What is optional may be left out; nobody has to write `null`.
fn plain(value: &mut Value) {
    match value {
        Value::Object(object) => {
            // a property may have such a name; then it is an object
            for noise in ["$schema", "title", "format"] {
                if object.get(noise).is_some_and(Value::is_string) {
                    object.remove(noise);
                }
            }
            if object.get("default").is_some_and(Value::is_null) {
                object.remove("default");
            }
            if let Some(Value::String(text)) = object.get_mut("description") {
                *text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            }
            without_null(object);
            object.values_mut().for_each(plain);
        }
        Value::Array(values) => values.iter_mut().for_each(plain),
        _ => {}
    }
}

fn without_null(object: &mut JsonObject) {
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(words)) = object.get_mut("enum") {
        words.retain(|word| !word.is_null());
    }
    let is_null = |choice: &Value| choice.get("type").is_some_and(|name| name == "null");
    let chosen = match object.get("anyOf") {
        Some(Value::Array(choices)) if choices.len() == 2 && choices.iter().any(is_null) => {
            choices.iter().find(|choice| !is_null(choice)).and_then(Value::as_object).cloned()
        }
        _ => None,
    };
    if let Some(chosen) = chosen {
        object.remove("anyOf");
        for (key, value) in chosen {
            object.entry(key).or_insert(value);
        }
    }
}
