//! `show schema json`: what `show info json` and `show stat json` are made of, as JSON Schema tells it.

use serde_json::{Value, json};
use tidegate_config::model::AccessLevel;

use super::stat::fields::Kind;
use crate::runtime::command::{Answer, Command, served};
use crate::runtime::typed::{Tags, Typed};

#[rustfmt::skip]
pub(super) const COMMANDS: &[Command] = &[
    served("show schema json", "", AccessLevel::User, "what `show info json` and `show stat json` are made of, as JSON Schema tells it", |_| {
        Ok(Answer::Data(schema().to_string().into_bytes()))
    }),
];

/// The version of JSON Schema that this is written in.
const DRAFT: &str = "http://json-schema.org/draft-04/schema#";

fn schema() -> Value {
    json!({
        "$schema": DRAFT,
        "oneOf": [
            {"title": "show info", "type": "array", "items": {"$ref": "#/definitions/info"}},
            {"title": "show stat", "type": "array", "items": {
                "type": "array", "items": {"$ref": "#/definitions/stat"},
            }},
        ],
        "definitions": {
            "info": object(&[("field", field()), ("processNum", count()), ("tags", tags()), ("value", value())]),
            "stat": object(&[
                ("objType", one_of(&Kind::ALL.map(Kind::name))),
                ("proxyId", count()),
                ("id", count()),
                ("field", field()),
                ("processNum", count()),
                ("tags", tags()),
                ("value", value()),
            ]),
        },
    })
}

/// An object that has all of these members.
fn object(members: &[(&str, Value)]) -> Value {
    let names: Vec<&str> = members.iter().map(|(name, _)| *name).collect();
    let properties: serde_json::Map<String, Value> = members
        .iter()
        .map(|(name, what)| ((*name).to_owned(), what.clone()))
        .collect();
    json!({"type": "object", "properties": properties, "required": names})
}

fn one_of(words: &[&str]) -> Value {
    json!({"type": "string", "enum": words})
}

fn count() -> Value {
    json!({"type": "integer", "minimum": 0})
}

fn field() -> Value {
    object(&[("pos", count()), ("name", json!({"type": "string"}))])
}

fn tags() -> Value {
    let [origins, natures, scopes] = Tags::names();
    object(&[
        ("origin", one_of(&origins)),
        ("nature", one_of(&natures)),
        ("scope", one_of(&scopes)),
    ])
}

fn value() -> Value {
    let typed = Typed::KINDS
        .map(|(kind, in_json)| object(&[("type", one_of(&[kind])), ("value", json!({"type": in_json}))]));
    json!({"oneOf": typed})
}
