//! Sample bodies for every shape of AWS's model, and the count of what they cover.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::model::Model;

/// Makes sample bodies of a shape, and remembers which members they hold.
pub(crate) struct Sampler<'m> {
    model: &'m Model,
    covered: BTreeSet<(String, String)>,
}

impl<'m> Sampler<'m> {
    pub(crate) fn new(model: &'m Model) -> Self {
        Self { model, covered: BTreeSet::new() }
    }

    /// Every member that some sample held, with the structure it belongs to.
    pub(crate) fn covered(&self) -> &BTreeSet<(String, String)> {
        &self.covered
    }

    /// One body with every member, and one more for each further form that a member can have.
    pub(crate) fn samples(&mut self, name: &str) -> Vec<Value> {
        let shape = self.model.shape(name);
        match shape.kind.as_str() {
            _ if shape.document => {
                vec![json!({"free": [1, 0.7, null, [], {}, "text", true, -3]}), json!("text")]
            }
            "structure" if shape.union => self.union(name),
            "structure" => self.structure(name),
            "list" => vec![Value::Array(self.samples(&shape.member.as_ref().unwrap().shape))],
            "map" => {
                let values = self.samples(&shape.value.as_ref().unwrap().shape);
                vec![values.into_iter().enumerate().map(|(i, v)| (format!("key{i}"), v)).collect()]
            }
            // Its rules are written in words only.
            "string" if name == "DocumentBlockNameString" => vec![json!("a name-(1) [ü]"), json!("b")],
            "string" if name.ends_with("FieldPathsListMemberString") => vec![json!("/a \"b\""), json!("/")],
            "string" if shape.pattern.is_some() || shape.max.is_some() => {
                vec![json!(shape.text(shape.least().max(12))), json!(shape.text(shape.least()))]
            }
            "string" => {
                let text = format!("a {name} with \"quotes\", ümlauts and \u{1F980}");
                vec![json!(text), json!(shape.text(shape.least()))]
            }
            "integer" => vec![json!(7), json!(shape.least())],
            "long" => vec![json!(9_007_199_254_740_993_i64), json!(0)],
            "float" | "double" => vec![json!(0.7), json!(1e-9), json!(0)],
            "boolean" => vec![json!(true), json!(false)],
            "blob" => vec![json!("AAECAw==")],
            other => panic!("{name} is a {other}"),
        }
    }

    fn union(&mut self, name: &str) -> Vec<Value> {
        let mut samples = Vec::new();
        for (member, target) in self.members(name) {
            samples.extend(self.samples(&target).into_iter().map(|value| json!({ member.as_str(): value })));
        }
        samples
    }

    fn structure(&mut self, name: &str) -> Vec<Value> {
        let members = self.members(name);
        let choices: Vec<_> = members.iter().map(|(_, target)| self.samples(target)).collect();
        let longest = choices.iter().map(Vec::len).max().unwrap_or(1);
        let pick = |round: usize| {
            let values = choices.iter().map(|c| c[round.min(c.len() - 1)].clone());
            members.iter().map(|(member, _)| member.clone()).zip(values).collect()
        };
        (0..longest).map(pick).collect()
    }

    fn members(&mut self, name: &str) -> Vec<(String, String)> {
        let members: Vec<_> =
            self.model.shape(name).members().map(|(m, target)| (m.to_owned(), target)).collect();
        for (member, _) in &members {
            self.covered.insert((name.to_owned(), member.clone()));
        }
        members
    }
}

/// Every member of a body of Converse and ConverseStream, with its structure.
pub(crate) fn converse_members(model: &Model) -> BTreeSet<(String, String)> {
    let members = |name: String| {
        let members: Vec<_> = model.shape(&name).members().map(|(member, _)| member.to_owned()).collect();
        members.into_iter().map(move |member| (name.clone(), member))
    };
    converse_structures(model).into_iter().flat_map(members).collect()
}

/// The structures of Converse and ConverseStream. The stream's own union is a oneof of the response
/// message, its exceptions are statuses.
pub(crate) fn converse_structures(model: &Model) -> Vec<String> {
    let mut structures = model.structures(&[
        "ConverseRequest",
        "ConverseResponse",
        "ConverseStreamRequest",
        "ConverseStreamOutput",
    ]);
    structures.retain(|name| name != "ConverseStreamOutput" && !name.ends_with("Exception"));
    structures
}
