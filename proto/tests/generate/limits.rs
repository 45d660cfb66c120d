//! Generates the limits of the codec: one static for each shape that AWS's model constrains.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::model::{Model, snake};

/// Requests whose body is the model's own: only what stands beside it has limits to generate.
const BESIDE: [&str; 2] = ["InvokeModelRequest", "InvokeModelWithResponseStreamRequest"];

/// The statics of every shape that the roots lead to.
pub(crate) fn generate(model: &Model, roots: &[&str]) -> String {
    let (mut shapes, mut public) = (BTreeSet::new(), BTreeSet::new());
    for root in roots.iter().chain(&BESIDE) {
        reach(model, root, &mut shapes);
        let body: Vec<_> =
            if BESIDE.contains(root) { Vec::new() } else { model.shape(root).members().collect() };
        let beside = model.shape(root).members.iter().filter(|(name, _)| body.iter().all(|(b, _)| b != name));
        public.extend(beside.map(|(_, member)| member["shape"].as_str().unwrap()));
    }
    let mut code = String::new();
    for shape in shapes {
        let name = name_of(model, &shape);
        if name != "FREE" {
            let members = members(model, &shape);
            let public = if public.contains(shape.as_str()) { "pub " } else { "" };
            let name = format!("{public}static {name}: Limits = Limits {{ {members}..Limits::NONE }}");
            write!(code, "\n/// AWS's shape `{shape}`.\n{name};\n").unwrap();
        }
    }
    code
}

/// The static that holds a shape's limits.
pub(crate) fn name_of(model: &Model, shape: &str) -> String {
    match members(model, shape).is_empty() {
        true => "FREE".to_owned(),
        false => snake(shape).to_ascii_uppercase(),
    }
}

fn members(model: &Model, name: &str) -> String {
    let shape = model.shape(name);
    let mut members = String::new();
    // Nothing has fewer than no entries.
    let counted = !matches!(shape.kind.as_str(), "integer" | "long" | "float" | "double");
    if let Some(least) = shape.min.filter(|least| !counted || *least > 0.0) {
        write!(members, "least: Some({least}), ").unwrap();
    }
    if let Some(most) = shape.max {
        write!(members, "most: Some({most}), ").unwrap();
    }
    if let Some(pattern) = &shape.pattern {
        write!(members, "pattern: Some(Pattern::new({pattern:?})), ").unwrap();
    }
    let inside = [("entries", shape.member.as_ref().or(shape.value.as_ref())), ("keys", shape.key.as_ref())];
    for (member, target) in inside {
        let limits = target.map_or_else(|| "FREE".to_owned(), |target| name_of(model, &target.shape));
        if limits != "FREE" {
            write!(members, "{member}: Some(&{limits}), ").unwrap();
        }
    }
    members
}

fn reach(model: &Model, name: &str, found: &mut BTreeSet<String>) {
    let shape = model.shape(name);
    if shape.document || !found.insert(name.to_owned()) {
        return;
    }
    let members = shape.members.values().map(|member| member["shape"].as_str().unwrap());
    let inside = [&shape.member, &shape.key, &shape.value].into_iter().flatten();
    for target in members.chain(inside.map(|reference| reference.shape.as_str())) {
        reach(model, target, found);
    }
}
